"""Sharded parameters (FSDP2 keeps DTensors) are cut by the norm of the whole, not of the shard."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

from latih._notation import build

TEXTS = ("norm(0.1)", "value(0.1)", "per_layer(0.1)", "adaptive(0.01, head=True)")


def in_each_process(rank: int, store: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    for text in TEXTS:
        torch.manual_seed(0)
        whole = [nn.Parameter(torch.randn(shape)) for shape in ((8, 4), (8,), (6, 8))]
        sharded = [nn.Parameter(distribute_tensor(parameter.detach().clone(), mesh, [Shard(0)])) for parameter in whole]
        for parameter, shards in zip(whole, sharded, strict=True):
            parameter.grad = 5 * torch.randn_like(parameter)
            shards.grad = distribute_tensor(parameter.grad.clone(), mesh, [Shard(0)])
        expected, got = build("clip", text)(whole), build("clip", text)(sharded)
        assert expected.removed > 0.1
        torch.testing.assert_close(tuple(got), tuple(expected))
        for parameter, shards in zip(whole, sharded, strict=True):
            torch.testing.assert_close(shards.grad.full_tensor(), parameter.grad)
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(not dist.is_available(), reason="this torch has no torch.distributed")
def test_shards_on_two_processes_are_cut_as_the_whole_would_be(tmp_path):
    mp.spawn(in_each_process, args=(str(tmp_path / "store"),), nprocs=2)

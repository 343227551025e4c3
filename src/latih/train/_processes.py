"""The processes that train one model together, as torchrun starts them; one process is a world of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from latih._checks import InputError

Answer = TypeVar("Answer")
_LOST = ("gloo", "nccl", "connection closed", "connection reset", "peer")


@dataclass(frozen=True)
class World:
    """This process's place among those that train together. Alone, nothing is sent and nothing is changed.

    What reduces over processes must be called by all of them, in the same order.

    >>> World().sum(torch.ones(2)), World(1, 3).part(torch.arange(7))
    (tensor([1., 1.]), tensor([1, 4]))
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def part(self, order: Tensor) -> Tensor:
        """This process's examples among `order` (n,)."""
        return order if self.size == 1 else order[self.rank :: self.size]

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, as a new tensor; the same bits in each of them."""
        if self.size == 1:
            return tensor
        total = tensor.detach().clone()
        dist.all_reduce(total)
        return total

    def any(self, flag: bool) -> bool:
        """Whether it is so in one of the processes."""
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor([float(flag)], device=_device())).item())

    def once(self, work: Callable[[], Answer]) -> Answer:
        """What `work` returns in the first process, in all of them; an `InputError` that it raises there, too."""
        if self.size == 1:
            return work()
        said: list = [None, None]
        if self.first:
            try:
                said[0] = work()
            except InputError as error:
                said[1] = str(error)
        dist.broadcast_object_list(said, src=0)
        if said[1] is not None:
            raise InputError(said[1])
        return said[0]

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Give all processes the first one's values."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), src=0)

    def wait(self) -> None:
        """Return when all processes are here."""
        self.any(False)


def current() -> World:
    """The world of this process: of torch's default process group, if there is one."""
    if not (dist.is_available() and dist.is_initialized()):
        return World()
    return World(dist.get_rank(), dist.get_world_size())


def alone(call: str, instead: str) -> None:
    """Refuse `call` where several processes train together."""
    if (size := current().size) > 1:
        raise InputError(f"{call} works in one process, and there are {size}; {instead}.")


@contextmanager
def joined() -> Iterator[World]:
    """Join the process group of torchrun's environment (RANK, WORLD_SIZE, MASTER_ADDR ...), and leave it at the end.

    gloo carries what lies on the CPU, NCCL what lies on a GPU. Each process of a machine gets the GPU of its
    own number. Where another process is lost, one line says so and this one ends with exit code 1.
    """
    store, rank, size = next(rendezvous("env://"))
    # the store outlives a restart, and what it says of processes that have ended must not be believed
    fresh = dist.PrefixStore(  # pyright: ignore[reportPrivateImportUsage]
        f"latih/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store
    )
    backend = "cpu:gloo,cuda:nccl" if _on_cuda() else "gloo"
    dist.init_process_group(backend, store=fresh, rank=rank, world_size=size)
    world = current()
    try:
        yield world
        world.wait()
    except RuntimeError as error:
        if isinstance(error, InputError) or not any(word in str(error).lower() for word in _LOST):
            raise
        sys.stderr.write(f"latih: process {world.rank} lost another one ({str(error).splitlines()[0][:200]})\n")
        raise SystemExit(1) from None
    finally:
        dist.destroy_process_group()


def _on_cuda() -> bool:
    if not torch.cuda.is_available():
        return False
    place, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if place >= there:
        raise InputError(
            f"torchrun started more than {place} processes on a machine with {there} GPU{'s' * (there > 1)}; start one "
            "a GPU."
        )
    torch.cuda.set_device(place)
    return True


def _device() -> torch.device:
    """Where a flag is sent from: gloo takes the CPU's, NCCL alone only a GPU's."""
    return torch.device("cpu" if "gloo" in str(dist.get_backend_config()) else "cuda")

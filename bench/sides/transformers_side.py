"""Hugging Face: Trainer over a dataset of dicts, with a model that returns its loss."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
import torch.nn.functional as F
from _rounds import Contender, Stopwatch
from _task import BATCH, LR, MOMENTUM, mlp
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = mlp()

    def forward(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.net(inputs)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


class Dicts(Dataset):
    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"inputs": self.x[index], "labels": self.y[index]}


class Clock(TrainerCallback):
    def __init__(self) -> None:
        self.watch = Stopwatch()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.watch.mark()


def prepare(x: Tensor, y: Tensor) -> Contender:
    folder = tempfile.TemporaryDirectory()
    arguments = TrainingArguments(
        output_dir=folder.name,
        num_train_epochs=1,
        per_device_train_batch_size=BATCH,
        lr_scheduler_type="constant",
        max_grad_norm=0.0,  # its clipping is on by default, and no other side clips
        save_strategy="no",
        report_to=[],
        use_cpu=True,
    )

    def train(steps: int) -> float:
        model, clock = Classifier(), Clock()
        optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, nesterov=True)
        dataset = Dicts(x[: steps * BATCH], y[: steps * BATCH])
        Trainer(model, arguments, train_dataset=dataset, optimizers=(optimizer, None), callbacks=[clock]).train()
        return clock.watch.seconds_per_step(steps)

    return train

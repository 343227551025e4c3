"""What decides how a pretrained network is reused; imports no torch, like the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from latih._checks import InputError, one_of, whole
from latih._notation import parse

Norms = Literal["auto", "pinned", "batch"]


@dataclass(frozen=True)
class Reuse:
    """Which pretrained network, and how it becomes the new one.

    >>> Reuse(phases="head(epochs=3) >> whole()").cache
    True
    """

    backbone: str = "efficientnet-lite0"
    """efficientnet-lite0, timm:NAME, hf:NAME-or-folder, package.module:factory with --weights, or a run folder."""
    weights: str | None = None
    """A .safetensors file with the backbone's weights, where it brings none."""
    phases: str = "head() >> top() >> whole()"
    """Methods of phases joined by >>; each trains more of the network than the one before."""
    cache: bool = True
    """Compute the features of the frozen part once, wherever that cannot change the result."""
    views: int = 0
    """With augmentation: how many augmented views of each image to cache; 0 augments anew and caches nothing."""
    cache_limit: int = 2**30
    """Bytes of features that are kept in memory; more than that lies on disk, mapped into memory."""
    norms: Norms = "auto"
    """Batch norms that are trained: pinned keep their statistics; auto pins them for batches below 32."""
    recalibrate: bool = False
    """Give the batch norms the statistics of the new data before anything is trained."""
    head: str | None = None
    """Path of the output layer, where it cannot be found."""
    text: str | None = None
    """The column of a table that holds the text, for a backbone that reads text."""
    length: int | None = None
    """Tokens of a text that are read; default: what holds 99 % of the training texts, at most 256."""

    @property
    def is_factory(self) -> bool:
        """True when the pretrained network is the user's own code."""
        return ":" in self.backbone and not self.backbone.startswith(("timm:", "hf:"))

    def __post_init__(self) -> None:
        whole("reuse", "views", self.views, 0)
        whole("reuse", "cache_limit", self.cache_limit, 1)
        one_of("reuse", "norms", self.norms, ("auto", "pinned", "batch"))
        if self.length is not None:
            whole("reuse", "length", self.length, 4)
        parse("phases", self.phases)
        if self.weights is not None and self.weights.endswith((".pkl", ".pickle")):
            raise InputError(f"--weights {self.weights}: a pickle can run code when it is read; use .safetensors.")

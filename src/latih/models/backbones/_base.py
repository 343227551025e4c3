"""The contract: a backbone is a pretrained network without its output layer, and the preprocessing that it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

from latih import init
from latih._checks import InputError, whole

from .._pixels import Pixels
from .._weights import load_weights
from ._cards import PixelSettings

Kind = Literal["images", "text", "any"]


@dataclass(frozen=True, eq=False)
class Backbone:
    """A pretrained network by name; `build` makes it ready to be trained on another task."""

    name: str
    kind: Kind
    """What it takes; "any" for a user's own network, which takes what the data holds."""
    shape: tuple[int, ...]
    """Of one input as stored in the data: (3, height, width) uint8 in 0..255, or (length,) int64 token ids."""
    config: str = field(repr=False)
    """JSON text from which `rebuild` restores this, weights and tokenizer apart."""
    head: str
    """Path of the output layer in the built network."""
    network: Callable[[int], nn.Module] = field(repr=False)
    """Number of outputs -> the network with weights drawn at random."""
    weights: Mapping[str, Tensor] | None = field(default=None, repr=False)
    """The pretrained values of all but the head, by their names in the built network; None in a rebuilt one."""
    pixels: PixelSettings | None = None
    """Size and statistics of the pictures of the pretraining."""
    tokenizer: str | None = field(default=None, repr=False)
    """For text: the JSON text of a tokenizer.json that pads with `pad`; None in a rebuilt one (the data keep it)."""
    length: int = 0
    """For text: the most tokens that the network takes."""
    pad: int = 0
    """For text: the token id that fills up a shorter text and is not looked at."""

    def build(self, outputs: int, pretrained: bool = True) -> nn.Module:
        """The network from normalised inputs (batch, *shape) to (batch, outputs), in training mode, on the CPU.

        The output layer is fresh, drawn by Glorot's rule with bias 0; everything else has the pretrained weights.
        With `pretrained=False` everything else is drawn at random, to be filled from a saved run.
        """
        whole("build", "outputs", outputs, 1)
        net = self.network(outputs)
        init.apply(net.get_submodule(self.head), init.glorot())
        if pretrained:
            load_weights(net, self._pretrained(), prefix="", partial=True)
        return net.train()

    def inputs(self, *, repeat_grey: bool = False, size: int | None = None) -> nn.Module | None:
        """The stage in front: inputs as stored in the data -> what `build`'s network takes.

        `Pixels` for images; nothing to do for token ids; None for a user's own network, whose preprocessing is not
        known: standardise by the training data, as for a network that is trained from scratch. `size` is another height
        and width than that of the pretraining, smaller for speed; a network may refuse it.
        """
        if self.kind == "any":
            return None
        if self.pixels is None:
            return nn.Identity()
        settings = self.pixels
        shown = settings.size if size is None else (size, size)
        return Pixels(settings.mean, settings.std, shown, len(settings.mean), repeat_grey=repeat_grey)

    def _pretrained(self) -> Mapping[str, Tensor]:
        if self.weights is None:
            raise InputError(
                f"backbone {self.name!r}: it was rebuilt from a saved run and has no pretrained weights of its own; "
                "build it with pretrained=False and load the run's weights."
            )
        return self.weights

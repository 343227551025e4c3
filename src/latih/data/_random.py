"""Randomness that is a function of (seed, epoch, sample, draw), so it cannot depend on batches, workers or processes.

A counter-based generator (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3"): the counter is hashed
with the finaliser of splitmix64 (Steele, Lea and Flood, 2014). There is no state to save, send or resume, and integer
arithmetic gives the same bits on every device.
"""

from __future__ import annotations

import torch
from torch import Tensor

_WORD = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31
_BITS = {torch.float32: 24, torch.float64: 53}


def uniform(
    seed: int,
    epoch: int,
    index: Tensor,
    draw: int,
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Uniform numbers in [0, 1), one for each entry of `index`, of its shape and on its device.

    Args:
        seed: Of the run.
        epoch: So that a sample is drawn anew each time it is visited.
        index: (...) int64, which samples.
        draw: Which of a sample's numbers; two draws of one sample are independent.
        dtype: float32 (24 random bits) or float64 (53).

    >>> whole = uniform(0, epoch=3, index=torch.arange(5), draw=0)
    >>> bool(whole[4] == uniform(0, epoch=3, index=torch.tensor([4]), draw=0)[0])
    True
    """
    bits = _BITS[dtype]
    return _shifted(_hash(_key(seed, epoch, draw), index), 64 - bits).to(dtype) * 2.0**-bits


def permutation(seed: int, epoch: int, n: int) -> Tensor:
    """The order (n,) int64 in which an epoch visits `n` examples: their hashes, sorted.

    Unlike `torch.randperm`, it stays the same from one release of torch to the next.

    >>> permutation(seed=0, epoch=0, n=5).sort().values
    tensor([0, 1, 2, 3, 4])
    """
    # the hash of a counter has an inverse, so no two examples tie; -1 is no draw of `uniform`
    return _hash(_key(seed, epoch, -1), torch.arange(n)).argsort()


def _key(seed: int, epoch: int, draw: int) -> int:
    key = 0
    for word in (seed, epoch, draw):
        key = _mixed((key + word + _GOLDEN) & _WORD)
    return key


def _mixed(word: int) -> int:
    for shift, factor in _ROUNDS:
        word = (word ^ (word >> shift)) * factor & _WORD
    return word ^ (word >> _LAST_SHIFT)


def _hash(key: int, counter: Tensor) -> Tensor:
    """`_mixed` of key + counter * golden for a whole tensor; int64 products wrap as unsigned ones do."""
    word = counter.to(torch.int64) * _signed(_GOLDEN) + _signed(key)
    for shift, factor in _ROUNDS:
        word = (word ^ _shifted(word, shift)) * _signed(factor)
    return word ^ _shifted(word, _LAST_SHIFT)


def _shifted(word: Tensor, places: int) -> Tensor:
    """Shift right filling with zeros: torch's own `>>` repeats the sign bit."""
    return (word >> places) & ((1 << (64 - places)) - 1)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word

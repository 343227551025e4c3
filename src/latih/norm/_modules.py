"""torch's batch norms, with one difference: a training batch of a single value per channel is not an error."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class _Single(_BatchNorm):
    """Normalises one value per channel with the running statistics and leaves them untouched.

    The variance of a single value is 0, so its batch statistics would erase the signal and spoil the running ones;
    torch refuses it with an error, which strikes at the end of an epoch when the last batch holds one example.
    Two values or more are normalised exactly as torch does it. Without running statistics torch's error stands.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Same shape as the input, (batch, channels, *positions)."""
        alone = self.training and input.shape[0] == 1 and input.numel() == self.num_features
        if alone and self.running_mean is not None and input.dim() >= 2:
            self._check_input_dim(input)
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(input)


# Subclasses under torch's own names: isinstance, the printed form and the state's keys stay what they are in torch.
class BatchNorm1d(_Single, nn.BatchNorm1d):
    """For (batch, channels) and (batch, channels, length)."""


class BatchNorm2d(_Single, nn.BatchNorm2d):
    """For (batch, channels, height, width)."""


class BatchNorm3d(_Single, nn.BatchNorm3d):
    """For (batch, channels, depth, height, width)."""

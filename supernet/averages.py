"""A running average of a module's parameters."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """The exponential moving average of parameters over the steps of a training.

    In step t the average keeps min(decay, (1 + t) / (10 + t)) of itself, so that it forgets the
    initial weights (the correction of TensorFlow's ExponentialMovingAverage). Batch-norm statistics
    are not averaged: they are estimated anew for every network that is evaluated.

    Args:
        module: whose parameters are averaged.
        decay: between 0 and 1.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._decay = decay
        self._parameters = dict(module.named_parameters())
        self.tensors: dict[str, Tensor] = {
            name: parameter.detach().clone() for name, parameter in self._parameters.items()
        }

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes the parameters after a step, counted from 0, into the average."""
        kept = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.tensors.values()), list(self._parameters.values()), 1 - kept)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes an average from a checkpoint."""
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[name])

    @torch.no_grad()
    def apply(self) -> None:
        """Replaces the module's parameters by their average."""
        for name, parameter in self._parameters.items():
            parameter.copy_(self.tensors[name])

"""All gradients of a module in one tensor, so that they are summed over processes at once."""

import torch
from torch import Tensor, nn


class GradientBuffer:
    """One flat tensor of which every learned parameter's `.grad` is a view, with scalars behind.

    Backward passes add into it; what no sub-network of a step uses stays exactly 0.

    Args:
        module: whose parameters' gradients are replaced by views; frozen parameters have none.
        num_scalars: further numbers to sum over processes in the same all-reduce.

    Attributes:
        flat: everything, float32.
        scalars: the view of the last `num_scalars` entries.
    """

    def __init__(self, module: nn.Module, num_scalars: int) -> None:
        parameters = [each for each in module.parameters() if each.requires_grad]
        size = sum(parameter.numel() for parameter in parameters)
        self.flat = torch.zeros(size + num_scalars, device=parameters[0].device)
        self._gradients = self.flat[:size]
        self.scalars = self.flat[size:]
        views = torch.split(self._gradients, [parameter.numel() for parameter in parameters])
        for parameter, view in zip(parameters, views, strict=True):
            parameter.grad = view.view_as(parameter)

    def zero(self) -> None:
        """Sets gradients and scalars to 0."""
        self.flat.zero_()

    def norm(self) -> Tensor:
        """Returns the L2 norm of all gradients together."""
        norm: Tensor = torch.linalg.vector_norm(self._gradients)
        return norm

    def scale(self, factor: float) -> None:
        """Multiplies all gradients."""
        self._gradients.mul_(factor)

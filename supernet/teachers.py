"""The frozen network whose soft outputs others are trained towards."""

import copy
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from supernet.base import Supernet
from supernet.data import in_memory_format, resize
from supernet.schedules.sampling import RESOLUTION


class Teacher:
    """The largest network of a supernet, at every resolution that its space has.

    It normalizes by each batch's own statistics, as in training: a supernet's running statistics
    fit none of its networks (the once-for-all code runs its teacher in the same way).

    Args:
        supernet: from now on the teacher's own.
    """

    def __init__(self, supernet: Supernet) -> None:
        self._supernet = supernet.train().requires_grad_(requires_grad=False)
        self._options = next(
            (c.options for c in supernet.space.choices if c.name == RESOLUTION), ()
        )

    @classmethod
    def copy_of(cls, supernet: Supernet) -> Self:
        """Returns a teacher with the weights that a supernet has now."""
        return cls(copy.deepcopy(supernet))

    @torch.no_grad()
    def logits(self, images_BCHW: Tensor, resolution: int, *, channels_last: bool) -> Tensor:
        """Returns logits of shape (B, num_classes).

        Args:
            images_BCHW: normalized, of any size.
            resolution: of the student; the teacher sees the images in the same one where its space
                has it, else in its own largest.
            channels_last: how to store the images.
        """
        architecture = self._supernet.space.largest()
        if resolution in self._options:
            architecture = self._supernet.space.validate({**architecture, RESOLUTION: resolution})
        own = self._supernet.settings.resolution(architecture)
        inputs = in_memory_format(resize(images_BCHW, own), channels_last=channels_last)
        logits: Tensor = self._supernet(inputs, architecture)
        return logits

    def state_dict(self) -> Mapping[str, Tensor]:
        """Returns its weights, for a checkpoint."""
        return self._supernet.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Takes weights from a checkpoint."""
        self._supernet.load_state_dict(dict(state))

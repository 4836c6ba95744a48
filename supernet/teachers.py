"""Teachers: networks whose soft outputs others are trained towards."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from supernet.base import Supernet
from supernet.checkpoints import load_supernet
from supernet.data import TensorData, in_memory_format, resize
from supernet.evaluate import extract_calibrated
from supernet.schedules.sampling import RESOLUTION
from supernet.settings import AccuracySettings

Teacher = Callable[[Tensor, int], Tensor]
"""Returns logits (B, num_classes) of normalized images (B, C, H, W) of any size, which it resizes
as it needs; the second argument is the resolution at which its student sees them."""


class FrozenLargest:
    """The largest network of a supernet as it is in the middle of its training.

    It sees images at its student's resolution where its space has that, else at its own largest.
    Its batch norms do what the supernet's do. In training they normalize by each batch's own
    statistics, as running statistics fit none of a supernet's networks (the once-for-all code runs
    its teacher in the same way); frozen ones stay frozen.

    Args:
        supernet: is copied, in the mode in which it is.
        channels_last: how images are stored.
    """

    def __init__(self, supernet: Supernet, *, channels_last: bool) -> None:
        self._supernet = copy.deepcopy(supernet).requires_grad_(requires_grad=False)
        self._channels_last = channels_last
        choices = (c for c in supernet.space.choices if c.name == RESOLUTION)
        self._resolutions = next((choice.options for choice in choices), ())

    @torch.no_grad()
    def __call__(self, images_BCHW: Tensor, resolution: int) -> Tensor:
        """Returns logits, as a `Teacher` does."""
        architecture = self._supernet.space.largest()
        if resolution in self._resolutions:
            architecture = self._supernet.space.validate({**architecture, RESOLUTION: resolution})
        own = self._supernet.settings.resolution(architecture)
        inputs = in_memory_format(resize(images_BCHW, own), channels_last=self._channels_last)
        logits: Tensor = self._supernet(inputs, architecture)
        return logits

    def state_dict(self) -> Mapping[str, Tensor]:
        """Returns its weights, for a checkpoint."""
        return self._supernet.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Takes weights from a checkpoint."""
        self._supernet.load_state_dict(dict(state))


def largest_as_teacher(path: Path, data: TensorData, settings: AccuracySettings) -> Teacher:
    """Returns a teacher that is the largest network of a stored supernet.

    The network has batch-norm statistics of its own and stays in eval mode, so that its answer to
    an image does not depend on the rest of the batch; it sees images at its own resolution.

    Args:
        path: of `supernet.checkpoints.save_supernet`.
        data: to calibrate with; where it lies, the teacher computes.
        settings: say on how many images to calibrate.

    Raises:
        InvalidSupernetError: the file cannot be used.
    """
    supernet = load_supernet(path).to(data.train.images.device)
    network = extract_calibrated(supernet, supernet.space.largest(), data, settings)
    network.requires_grad_(requires_grad=False)
    own = network.input_shape[1]

    @torch.no_grad()
    def teach(images_BCHW: Tensor, resolution: int) -> Tensor:
        del resolution
        inputs = in_memory_format(resize(images_BCHW, own), channels_last=settings.channels_last)
        logits: Tensor = network(inputs)
        return logits

    return teach

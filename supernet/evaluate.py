"""Accuracy of networks: extracted, calibrated, folded, then classified images are counted."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from search_space.space import Architecture
from supernet.base import Supernet
from supernet.calibrate import calibrate
from supernet.data import TensorData, in_memory_format, resize
from supernet.network import Network, fold
from supernet.settings import AccuracySettings, Precision

Z_95 = 1.959963984540054
"""The 97.5th percentile of the standard normal distribution."""


@dataclass(frozen=True)
class Accuracy:
    """How many images a network classified rightly.

    Attributes:
        num_correct: those whose largest logit was the label's.
        num_images: of all that were tried.
        loss: mean cross-entropy.
    """

    num_correct: int
    num_images: int
    loss: float

    @property
    def top1_percent(self) -> float:
        """Share of images classified rightly."""
        return 100 * self.num_correct / self.num_images

    @property
    def interval_percent(self) -> tuple[float, float]:
        """The 95 % Wilson score interval of `top1_percent`."""
        low, high = wilson_interval(self.num_correct, self.num_images)
        return 100 * low, 100 * high


def wilson_interval(num_successes: int, num_trials: int) -> tuple[float, float]:
    """Returns the 95 % score interval of a proportion (Wilson 1927, JASA 22:209-212)."""
    share = num_successes / num_trials
    z2 = Z_95**2 / num_trials
    centre = (share + z2 / 2) / (1 + z2)
    half = Z_95 / (1 + z2) * math.sqrt(share * (1 - share) / num_trials + z2 / num_trials / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


@torch.no_grad()
def accuracy(
    network: Network,
    images: Tensor,
    labels: Tensor,
    *,
    batch_size: int,
    precision: Precision = "float32",
    prepare: Callable[[Tensor], Tensor] = lambda batch: batch,
) -> Accuracy:
    """Returns the accuracy of a network in eval mode.

    Args:
        network: left as it is.
        images: of shape (count, channels, height, width), on the network's device.
        labels: of shape (count,).
        batch_size: images at once.
        precision: in which convolutions and linear layers compute.
        prepare: turns a batch of images into the network's input.
    """
    assert not network.training, "accuracy needs a network in eval mode"
    num_correct = torch.zeros((), dtype=torch.int64, device=labels.device)
    loss = torch.zeros((), dtype=torch.float64, device=labels.device)
    batches = zip(torch.split(images, batch_size), torch.split(labels, batch_size), strict=True)
    is_bfloat16 = precision == "bfloat16"
    for images_BCHW, labels_B in batches:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=is_bfloat16):
            logits = network(prepare(images_BCHW))
        batch_correct, batch_loss = tally(logits, labels_B)
        num_correct += batch_correct
        loss += batch_loss
    return Accuracy(int(num_correct), len(labels), float(loss) / len(labels))


def tally(logits_BK: Tensor, labels_B: Tensor) -> tuple[Tensor, Tensor]:
    """Returns how many images of a batch were classified rightly, and the sum of their losses."""
    logits = logits_BK.float()
    num_correct = (logits.argmax(1) == labels_B).sum()
    return num_correct, functional.cross_entropy(logits, labels_B, reduction="sum")


def extract_calibrated(
    supernet: Supernet, architecture: Architecture, data: TensorData, settings: AccuracySettings
) -> Network:
    """Returns the extracted network with batch-norm statistics of its own, not yet folded.

    Args:
        supernet: left as it is.
        architecture: of its space.
        data: on the supernet's device.
        settings: say on how many training images, and which.
    """
    network = supernet.extract(architecture)
    images = data.train.images[calibration_indices(data, settings)]
    calibrate(network, images, settings.batch_size, _preparation(network, data, settings))
    return network


def calibration_indices(data: TensorData, settings: AccuracySettings) -> Tensor:
    """Returns which training images batch-norm statistics are estimated on, in their order."""
    count = min(settings.calibration_images, len(data.train))
    rng = np.random.default_rng(settings.calibration_seed)
    chosen = rng.choice(len(data.train), count, replace=False)
    return torch.from_numpy(chosen).to(data.train.images.device)


def evaluate_network(network: Network, data: TensorData, settings: AccuracySettings) -> Accuracy:
    """Returns the accuracy of a calibrated network on the settings' split."""
    split = data.split(settings.split)
    return accuracy(
        network,
        split.images,
        split.labels,
        batch_size=settings.batch_size,
        precision=settings.precision,
        prepare=_preparation(network, data, settings),
    )


def evaluate_architecture(
    supernet: Supernet, architecture: Architecture, data: TensorData, settings: AccuracySettings
) -> tuple[Network, Accuracy]:
    """Returns what is exported and measured, and its accuracy.

    Args:
        supernet: left as it is.
        architecture: of its space.
        data: on the supernet's device.
        settings: how.

    Returns:
        The extracted, calibrated, batch-norm-folded network in eval mode, and its accuracy.

    Raises:
        InvalidArchitectureError: the architecture is not of the space.
    """
    network = fold(extract_calibrated(supernet, architecture, data, settings))
    return network, evaluate_network(network, data, settings)


def _preparation(
    network: Network, data: TensorData, settings: AccuracySettings
) -> Callable[[Tensor], Tensor]:
    """Returns what turns stored images into the network's input."""
    return partial(prepare, data=data, settings=settings, resolution=network.input_shape[1])


def prepare(
    images_BCHW: Tensor, data: TensorData, settings: AccuracySettings, resolution: int
) -> Tensor:
    """Returns stored images as a network of that resolution takes them."""
    resized = resize(data.normalize(images_BCHW), resolution)
    return in_memory_format(resized, channels_last=settings.channels_last)

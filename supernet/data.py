"""Images as tensors: order, augmentation, normalization, resolution.

Tensors carry their shape as a suffix: B batch, C channels, H height, W width.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from supernet.datasets import DataSet, Split, read_data_set
from supernet.files import sha256_of
from supernet.settings import AugmentationSettings

ORDER_STREAM = 1
AUGMENTATION_STREAM = 2
SCHEDULE_STREAM = 3
"""Names of the independent streams of random numbers that one seed gives."""


@dataclass(frozen=True)
class TensorSplit:
    """Images and labels of one split.

    Attributes:
        images: uint8 of shape (N, C, H, W).
        labels: int64 of shape (N,).
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "TensorSplit":
        """Returns the split on a device."""
        return TensorSplit(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class TensorData:
    """A data set as tensors.

    Attributes:
        train: the three splits.
        validation: likewise.
        test: likewise.
        num_classes: labels are below it.
        mean: of the training images' channels, each pixel taken as value / 255.
        std: their standard deviations.
        version: names the content; "" for data that was never stored.
    """

    train: TensorSplit
    validation: TensorSplit
    test: TensorSplit
    num_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    version: str = field(default="")

    @classmethod
    def from_data_set(cls, data_set: DataSet, version: str = "") -> Self:
        """Returns the data set as tensors."""
        return cls(
            train=_tensors(data_set.train),
            validation=_tensors(data_set.validation),
            test=_tensors(data_set.test),
            num_classes=data_set.num_classes,
            mean=data_set.mean,
            std=data_set.std,
            version=version,
        )

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Returns a stored data set; its version is the file's SHA-256.

        Raises:
            InvalidDataSetError: the file is not there or is damaged.
        """
        return cls.from_data_set(read_data_set(path), sha256_of(path))

    def to(self, device: torch.device | str) -> "TensorData":
        """Returns the data on a device."""
        return TensorData(
            self.train.to(device),
            self.validation.to(device),
            self.test.to(device),
            self.num_classes,
            self.mean,
            self.std,
            self.version,
        )

    def split(self, name: Literal["train", "validation", "test"]) -> TensorSplit:
        """Returns the split of that name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def normalize(self, images_BCHW: Tensor) -> Tensor:
        """Returns float32 images, by the training images' mean and standard deviation."""
        mean = images_BCHW.new_tensor(self.mean, dtype=torch.float32)[:, None, None]
        std = images_BCHW.new_tensor(self.std, dtype=torch.float32)[:, None, None]
        return (images_BCHW.float() / 255 - mean) / std


def _tensors(split: Split) -> TensorSplit:
    return TensorSplit(torch.from_numpy(split.images), torch.from_numpy(split.labels))


def resize(images_BCHW: Tensor, resolution: int) -> Tensor:
    """Returns images of height and width `resolution`: bilinear, antialiased when shrinking.

    The only place where a resolution is applied; networks get what it returns.
    """
    if images_BCHW.shape[2:] == (resolution, resolution):
        return images_BCHW
    size = (resolution, resolution)
    return functional.interpolate(images_BCHW, size, mode="bilinear", antialias=True)


def in_memory_format(images_BCHW: Tensor, *, channels_last: bool) -> Tensor:
    """Returns the same images, stored with their channels last or in the order of the shape."""
    wanted = torch.channels_last if channels_last else torch.contiguous_format
    # Not `contiguous(...)`: images of one channel count as both, and it would leave their strides,
    # from which the first convolution takes the format of the whole network.
    return images_BCHW.to(memory_format=wanted)


def epoch_order(num_images: int, seed: int, epoch: int) -> Tensor:
    """Returns the order of the training images in one epoch, a permutation of shape (num_images,).

    A function of its arguments alone.
    """
    rng = np.random.default_rng([seed, ORDER_STREAM, epoch])
    return torch.from_numpy(rng.permutation(num_images))


def augment(
    images_BCHW: Tensor, settings: AugmentationSettings, generator: torch.Generator
) -> Tensor:
    """Returns uint8 images that are randomly cropped after padding with 0, and flipped.

    Args:
        images_BCHW: uint8.
        settings: what is done.
        generator: on the CPU, so that every device draws the same.
    """
    count, _, height, width = images_BCHW.shape
    device = images_BCHW.device
    if settings.crop_padding:
        padding = settings.crop_padding
        padded = functional.pad(images_BCHW, (padding,) * 4)
        offsets = torch.randint(2 * padding + 1, (2, count), generator=generator).to(device)
        rows_BH1 = (offsets[0, :, None] + torch.arange(height, device=device))[:, :, None]
        columns_B1W = (offsets[1, :, None] + torch.arange(width, device=device))[:, None, :]
        batch_B11 = torch.arange(count, device=device)[:, None, None]
        images_BCHW = padded[batch_B11, :, rows_BH1, columns_B1W].permute(0, 3, 1, 2)
    if settings.flip:
        flipped = (torch.rand(count, generator=generator) < 0.5).to(device)
        images_BCHW = torch.where(flipped[:, None, None, None], images_BCHW.flip(3), images_BCHW)
    return images_BCHW


def augmentation_generator(seed: int, step: int) -> torch.Generator:
    """Returns the generator of one step's augmentations, a function of its arguments alone."""
    (state,) = np.random.SeedSequence([seed, AUGMENTATION_STREAM, step]).generate_state(
        1, np.uint64
    )
    return torch.Generator().manual_seed(int(state))

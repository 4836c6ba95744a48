"""Images as tensors: order, augmentation, normalization, resolution.

Tensors carry their shape as a suffix: B batch, C channels, H height, W width.
"""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from supernet import augmentation
from supernet.augmentation_settings import AugmentationSettings
from supernet.datasets import DataSet, Split, read_data_set
from supernet.files import sha256_of

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
    """A data set as tensors, all of it in memory.

    One byte per pixel and channel and eight per label, on whichever device: 60,000 images of
    3 x 32 x 32 are 185 MB. Batches become floats only when they are used.

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

        A process has one copy: as long as somebody holds the data of an unchanged file, that is
        what others get as well. Nobody may write to it.

        Raises:
            InvalidDataSetError: the file is not there or is damaged.
        """
        with _loading:
            key = _identity(path)
            data = _loaded.get(key)
            if not isinstance(data, cls):
                data = cls.from_data_set(read_data_set(path), sha256_of(path))
                _loaded[key] = data
            return data

    @property
    def num_bytes(self) -> int:
        """How much memory the images and labels take."""
        splits = (self.train, self.validation, self.test)
        return sum(part.nbytes for split in splits for part in (split.images, split.labels))

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


_Identity = tuple[str, int, int]
_loaded: WeakValueDictionary[_Identity, TensorData] = WeakValueDictionary()
_loading = threading.Lock()
"""Held while a file is read, so that two threads do not read it twice."""


def _identity(path: Path) -> _Identity:
    """Returns what tells a file's content from another's; a file that is not there has one too."""
    try:
        status = path.stat()
    except OSError:
        return str(path.absolute()), 0, 0
    return str(path.resolve()), status.st_mtime_ns, status.st_size


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
    """Returns uint8 images, each changed at random in the ways that the settings turn on.

    Without any, the images themselves are returned. Mixing is done by `mix`, as it changes labels.

    Args:
        images_BCHW: uint8.
        settings: what is done.
        generator: on the CPU, so that every device draws the same.
    """
    if settings.crop_padding:
        images_BCHW = augmentation.pad_and_crop(images_BCHW, settings.crop_padding, generator)
    if settings.random_resized_crop:
        images_BCHW = augmentation.random_resized_crop(
            images_BCHW, settings.random_resized_crop, generator
        )
    if settings.flip:
        images_BCHW = augmentation.flip(images_BCHW, generator)
    if settings.colour_jitter:
        images_BCHW = augmentation.colour_jitter(images_BCHW, settings.colour_jitter, generator)
    if settings.erasing:
        images_BCHW = augmentation.erase(images_BCHW, settings.erasing, generator)
    return images_BCHW


def mix(
    images_BCHW: Tensor,
    labels_B: Tensor,
    num_classes: int,
    settings: AugmentationSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Returns images mixed with one another by mixup or cutmix, and their soft targets.

    Where both are on, a fair coin chooses for the batch; where neither is, the images themselves
    and one-hot targets are returned.

    Args:
        images_BCHW: uint8, or floats of any normalization; the result is of the same type.
        labels_B: int64, below `num_classes`.
        num_classes: width of the targets.
        settings: what is done.
        generator: on the CPU, so that every device draws the same.

    Returns:
        The images, and float32 targets of shape (B, num_classes) whose rows sum to 1.
    """
    targets_BK = functional.one_hot(labels_B, num_classes).float()
    use_mixup, use_cutmix = settings.mixup_alpha > 0, settings.cutmix_alpha > 0
    if use_mixup and use_cutmix:
        use_mixup = bool(torch.rand((), generator=generator) < 0.5)
    if use_mixup:
        return augmentation.mixup(images_BCHW, targets_BK, settings.mixup_alpha, generator)
    if use_cutmix:
        return augmentation.cutmix(images_BCHW, targets_BK, settings.cutmix_alpha, generator)
    return images_BCHW, targets_BK


def augmentation_generator(seed: int, step: int) -> torch.Generator:
    """Returns the generator of one step's augmentations, a function of its arguments alone."""
    (state,) = np.random.SeedSequence([seed, AUGMENTATION_STREAM, step]).generate_state(
        1, np.uint64
    )
    return torch.Generator().manual_seed(int(state))

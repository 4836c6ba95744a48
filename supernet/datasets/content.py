"""What a data set is: three splits of labelled images, and how they are cut and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from supernet.errors import FieldError

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
SPLITS = ("train", "validation", "test")


class InvalidDataSetError(FieldError):
    """A data set cannot be used as given."""


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    Attributes:
        images: uint8 of shape (count, channels, height, width).
        labels: int64 of shape (count,), from 0 to num_classes - 1.
    """

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class DataSet:
    """Three disjoint splits of labelled images, all in memory: a byte per pixel and channel.

    Attributes:
        train: for weights, and for batch-norm statistics.
        validation: for choices.
        test: for what is finally reported.
        num_classes: labels are below it.
        mean: of the training images' channels, each pixel taken as value / 255.
        std: their standard deviations.
        class_names: what the labels stand for; empty where nobody said.
    """

    train: Split
    validation: Split
    test: Split
    num_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...] = ()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of every image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def split(self, name: str) -> Split:
        """Returns the split of that name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


def stratified_split(labels: Labels, sizes: Sequence[int], seed: int) -> list[Labels]:
    """Splits examples at random so that every part has the classes in the proportions of the whole.

    Args:
        labels: shape (count,).
        sizes: of the parts; their sum is count.
        seed: of the draw.

    Returns:
        The sorted positions of each part; a class's share of a part is off by at most about one
        example.
    """
    assert sum(sizes) == len(labels)
    rng = np.random.default_rng(seed)
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        # Spread each class evenly over the unit interval: every stretch has all of them in
        # proportion. One offset per class, so that rare classes do not all land in the same part.
        ranks = rng.permutation(len(members))
        place[members] = (ranks + rng.random()) / len(members)
    order = np.argsort(place, kind="stable")
    return [np.sort(part) for part in np.split(order, np.cumsum(sizes)[:-1])]


def with_all_splits(
    given: Mapping[str, Split], validation_fraction: float, test_fraction: float, seed: int
) -> dict[str, Split]:
    """Returns train, validation and test; what is missing is cut off train, stratified.

    Args:
        given: some of the splits, train among them.
        validation_fraction: share of train that becomes validation, if that is missing.
        test_fraction: likewise.
        seed: draws the cut.

    Raises:
        InvalidDataSetError: a class has too few images for some to be left in train.
    """
    whole = given["train"]
    fractions = {"validation": validation_fraction, "test": test_fraction}
    missing = [name for name in fractions if name not in given]
    sizes = [round(len(whole) * fractions[name]) for name in missing]
    parts = stratified_split(whole.labels, [len(whole) - sum(sizes), *sizes], seed)
    if not missing:
        return dict(given)
    cut = {
        name: Split(whole.images[part], whole.labels[part])
        for name, part in zip(("train", *missing), parts, strict=True)
    }
    lost = np.setdiff1d(whole.labels, cut["train"].labels)
    if len(lost):
        rule = (
            f"must have enough images of class {lost[0]} for {' and '.join(missing)} to be cut off"
        )
        count = int(np.count_nonzero(whole.labels == lost[0]))
        raise InvalidDataSetError("train_labels", rule, count)
    return {name: cut[name] if name in cut else given[name] for name in SPLITS}


def data_set_of(splits: Mapping[str, Split], class_names: Sequence[str] = ()) -> DataSet:
    """Returns the data set of three splits.

    Raises:
        InvalidDataSetError: a split is empty, shapes differ, a class has no training image, there
            are fewer than two, or a channel is constant.
    """
    train = splits["train"]
    for name in SPLITS:
        split = splits[name]
        if len(split) == 0:
            raise InvalidDataSetError(f"{name}_images", "must hold at least one image", 0)
        if split.images.shape[1:] != train.images.shape[1:]:
            rule = f"must have (channels, height, width) {train.images.shape[1:]} like train_images"
            raise InvalidDataSetError(f"{name}_images", rule, split.images.shape[1:])
    num_classes = int(train.labels.max()) + 1
    if class_names and num_classes > len(class_names):
        rule = f"must name every class: the labels go up to {num_classes - 1}"
        raise InvalidDataSetError("classes", rule, len(class_names))
    num_classes = len(class_names) or num_classes
    _check_labels(splits, num_classes)
    mean, std = _statistics(train.images)
    return DataSet(
        train,
        splits["validation"],
        splits["test"],
        num_classes=num_classes,
        mean=mean,
        std=std,
        class_names=tuple(class_names),
    )


def _check_labels(splits: Mapping[str, Split], num_classes: int) -> None:
    present = np.unique(splits["train"].labels)
    if len(present) != num_classes:
        gaps = np.flatnonzero(present != np.arange(len(present)))
        missing = int(gaps[0]) if len(gaps) else len(present)
        rule = f"must hold every class from 0 to {num_classes - 1}"
        raise InvalidDataSetError("train_labels", rule, f"none of class {missing}")
    if num_classes < 2:
        raise InvalidDataSetError("train_labels", "must hold at least 2 classes", num_classes)
    for name in SPLITS:
        if splits[name].labels.max() >= num_classes:
            rule = f"must be below {num_classes}, the number of classes in train_labels"
            raise InvalidDataSetError(f"{name}_labels", rule, int(splits[name].labels.max()))


def _statistics(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation of each channel, exact from counts of pixel values."""
    means, deviations = [], []
    values = np.arange(256) / 255
    for channel in range(images.shape[1]):
        counts = np.bincount(images[:, channel].ravel(), minlength=256)
        mean = float(counts @ values / counts.sum())
        variance = float(counts @ (values - mean) ** 2 / counts.sum())
        if variance == 0:
            rule = "must vary in every channel"
            raise InvalidDataSetError("train_images", rule, f"constant channel {channel}")
        means.append(mean)
        deviations.append(variance**0.5)
    return tuple(means), tuple(deviations)

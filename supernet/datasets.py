"""Labelled images: where they come from, how they are split, how they are stored.

The API process checks and stores data sets with this module, so it imports no torch.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, Field

from supernet.files import write_durably

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
SPLITS = ("train", "validation", "test")


class InvalidDataSetError(ValueError):
    """A data set cannot be used as given; says which field, rule and value.

    Attributes:
        field: what is at fault ("path", "train_images").
        rule: what would be accepted.
        value: what was given.
    """

    def __init__(self, field: str, rule: str, value: object) -> None:
        super().__init__(field, rule, value)  # so that it can be sent between processes
        self.field = field
        self.rule = rule
        self.value = value

    def __str__(self) -> str:
        return f"{self.field} {self.rule}, got {self.value!r}"


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
    """Three disjoint splits of labelled images.

    Attributes:
        train: for weights, and for batch-norm statistics.
        validation: for choices.
        test: for what is finally reported.
        num_classes: labels are below it.
        mean: of the training images' channels, each pixel taken as value / 255.
        std: their standard deviations.
    """

    train: Split
    validation: Split
    test: Split
    num_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of every image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width


class DigitsSource(BaseModel):
    """Scikit-learn's 1,797 images of handwritten digits, 8 x 8 pixels of 17 shades.

    Split 1,000 / 397 / 400, stratified.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["digits"] = "digits"
    split_seed: int = Field(default=0, ge=0, lt=2**63)


class ArraysSource(BaseModel):
    """A `.npz` file in the data folder.

    It holds either `images` and `labels`, which are split at random but stratified, or
    `train_images`, `train_labels`, `test_images`, `test_labels` and also `validation_images`,
    `validation_labels`; where the latter are missing they are split off the training images.
    Images are uint8 of shape (count, height, width) or (count, height, width, channels); labels
    are whole numbers from 0.

    Attributes:
        path: relative to the data folder.
        validation_fraction: share of the images, where they are to be split.
        test_fraction: likewise.
        split_seed: draws the split.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["arrays"] = "arrays"
    path: str = Field(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")
    validation_fraction: float = Field(default=0.2, gt=0, lt=0.5)
    test_fraction: float = Field(default=0.2, gt=0, lt=0.5)
    split_seed: int = Field(default=0, ge=0, lt=2**63)


DataSetSource = Annotated[DigitsSource | ArraysSource, Field(discriminator="kind")]


def load_source(source: DigitsSource | ArraysSource, data_root: Path) -> DataSet:
    """Returns the data set that a source names.

    Args:
        source: where it comes from.
        data_root: the folder that no path may leave, not by a symbolic link either.

    Raises:
        InvalidDataSetError: the file is not there, or its content breaks a rule.
    """
    if isinstance(source, DigitsSource):
        return _load_digits(source)
    return _load_arrays(source, data_root)


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


def _load_digits(source: DigitsSource) -> DataSet:
    from sklearn.datasets import load_digits  # takes a second to import: only where it is needed

    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = bunch.target.astype(np.int64)
    parts = stratified_split(labels, (1000, 397, 400), source.split_seed)
    return _data_set([Split(images[part], labels[part]) for part in parts])


def _load_arrays(source: ArraysSource, data_root: Path) -> DataSet:
    path = resolve_inside(data_root, source.path)
    arrays = _read_npz(path, source.path)
    splits = {
        name: _split_of(arrays, f"{name}_images", f"{name}_labels")
        for name in SPLITS
        if f"{name}_images" in arrays
    }
    if "images" in arrays:
        everything = _split_of(arrays, "images", "labels")
        fractions = (source.validation_fraction, source.test_fraction)
        return _data_set(_divide(everything, fractions, source.split_seed))
    if "train" not in splits or "test" not in splits:
        raise InvalidDataSetError(
            "path",
            "must hold images and labels, or train_images, train_labels, test_images, test_labels",
            sorted(arrays),
        )
    if "validation" not in splits:
        parts = _divide(splits["train"], (source.validation_fraction,), source.split_seed)
        splits["train"], splits["validation"] = parts
    return _data_set([splits[name] for name in SPLITS])


def resolve_inside(root: Path, path: str) -> Path:
    """Returns the real path of a file in a folder.

    Raises:
        InvalidDataSetError: the path leaves the folder (by `..`, as an absolute path or by a
            symbolic link), or no file is there.
    """
    try:
        resolved = (root / path).resolve()
        found = resolved.is_file()
    except (OSError, RuntimeError):  # a name that is too long, links in a circle
        raise InvalidDataSetError("path", "must name a file in the data folder", path) from None
    if not resolved.is_relative_to(root.resolve()):
        raise InvalidDataSetError("path", "must lie inside the data folder", path)
    if not found:
        raise InvalidDataSetError("path", "must name a file in the data folder", path)
    return resolved


def _read_npz(path: Path, given: str) -> dict[str, npt.NDArray[Any]]:
    try:
        # Opened here, as numpy leaves a file open that it cannot read.
        with path.open("rb") as stream, zipfile.ZipFile(stream):
            stream.seek(0)
            file = np.load(stream, allow_pickle=False)
            wanted = {"images", "labels"}
            wanted |= {f"{name}_{kind}" for name in SPLITS for kind in ("images", "labels")}
            return {name: file[name] for name in file.files if name in wanted}
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError) as error:
        rule = f"must name an .npz archive of plain arrays ({error})"
        raise InvalidDataSetError("path", rule, given) from error


def _split_of(arrays: dict[str, npt.NDArray[Any]], images_name: str, labels_name: str) -> Split:
    images = arrays[images_name]
    if labels_name not in arrays:
        raise InvalidDataSetError(labels_name, f"must accompany {images_name}", None)
    labels = arrays[labels_name]
    if images.dtype != np.uint8:
        raise InvalidDataSetError(images_name, "must be uint8", str(images.dtype))
    if images.ndim not in (3, 4) or 0 in images.shape:
        rule = "must have shape (count, height, width) or (count, height, width, channels)"
        raise InvalidDataSetError(images_name, rule, images.shape)
    if not np.issubdtype(labels.dtype, np.integer):
        raise InvalidDataSetError(labels_name, "must be integers", str(labels.dtype))
    if labels.shape != images.shape[:1]:
        raise InvalidDataSetError(labels_name, f"must have shape {images.shape[:1]}", labels.shape)
    if labels.min() < 0:
        raise InvalidDataSetError(labels_name, "must be at least 0", int(labels.min()))
    images = images[:, None] if images.ndim == 3 else np.moveaxis(images, 3, 1)
    return Split(np.ascontiguousarray(images), labels.astype(np.int64))


def _divide(whole: Split, fractions: Sequence[float], seed: int) -> list[Split]:
    """Splits off the given fractions; the first part is what remains."""
    sizes = [round(len(whole) * fraction) for fraction in fractions]
    parts = stratified_split(whole.labels, [len(whole) - sum(sizes), *sizes], seed)
    return [Split(whole.images[part], whole.labels[part]) for part in parts]


def _data_set(splits: Sequence[Split]) -> DataSet:
    train, validation, test = splits
    for name, split in zip(SPLITS, splits, strict=True):
        if len(split) == 0:
            raise InvalidDataSetError(f"{name}_images", "must hold at least one image", 0)
        if split.images.shape[1:] != train.images.shape[1:]:
            rule = f"must have (channels, height, width) {train.images.shape[1:]} like train_images"
            raise InvalidDataSetError(f"{name}_images", rule, split.images.shape[1:])
    num_classes = int(train.labels.max()) + 1
    present = np.unique(train.labels)
    if len(present) != num_classes:
        missing = int(np.flatnonzero(present != np.arange(len(present)))[0])
        rule = f"must hold every class from 0 to {num_classes - 1}"
        raise InvalidDataSetError("train_labels", rule, f"none of class {missing}")
    if num_classes < 2:
        raise InvalidDataSetError("train_labels", "must hold at least 2 classes", num_classes)
    for name, split in zip(SPLITS, splits, strict=True):
        if split.labels.max() >= num_classes:
            rule = f"must be below {num_classes}, the number of classes in train_labels"
            raise InvalidDataSetError(f"{name}_labels", rule, int(split.labels.max()))
    return DataSet(train, validation, test, num_classes, *_statistics(train.images))


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


def write_data_set(data_set: DataSet, path: Path) -> str:
    """Stores a data set as one safetensors file.

    Returns:
        The file's SHA-256: the data set's version. Equal data sets have equal files.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name in SPLITS:
        split: Split = getattr(data_set, name)
        arrays[f"{name}_images"] = np.ascontiguousarray(split.images)
        arrays[f"{name}_labels"] = np.ascontiguousarray(split.labels)
    facts = {
        "num_classes": data_set.num_classes,
        "mean": data_set.mean,
        "std": data_set.std,
    }
    # One entry only: safetensors writes several in no certain order.
    content = safetensors.numpy.save(arrays, {"data_set": json.dumps(facts, sort_keys=True)})
    write_durably(path, content)
    return hashlib.sha256(content).hexdigest()


def read_data_set(path: Path) -> DataSet:
    """Returns a data set that `write_data_set` stored.

    Raises:
        InvalidDataSetError: the file is not there or is damaged.
    """
    try:
        with safetensors.safe_open(path, "numpy") as file:
            facts = json.loads(file.metadata()["data_set"])
            train, validation, test = (
                Split(file.get_tensor(f"{name}_images"), file.get_tensor(f"{name}_labels"))
                for name in SPLITS
            )
        return DataSet(
            train,
            validation,
            test,
            num_classes=facts["num_classes"],
            mean=tuple(facts["mean"]),
            std=tuple(facts["std"]),
        )
    except (OSError, safetensors.SafetensorError, KeyError, TypeError) as error:
        rule = f"must be a stored data set ({error})"
        raise InvalidDataSetError("path", rule, str(path)) from error

"""Image files with their labels, before any is decoded."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from supernet.datasets.content import (
    SPLITS,
    DataSet,
    InvalidDataSetError,
    Labels,
    Split,
    data_set_of,
    with_all_splits,
)
from supernet.datasets.decoding import Fit, ImageFile, OnProgress, Unreadable, decode
from supernet.datasets.places import Places
from supernet.datasets.sources import LocatedSource

RawLabel = int | str

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
_SPLIT_PREFIX = re.compile(
    r"(training|train|validation|valid|val|dev|test)(?![a-z])", re.IGNORECASE
)


@dataclass(frozen=True)
class LabelledFiles:
    """Image files of one split, and their labels: int64 of shape (count,)."""

    files: Sequence[ImageFile]
    labels: Labels


@dataclass(frozen=True)
class Listing:
    """What a source holds.

    Attributes:
        splits: train, and the others that there are; what is missing is cut off train.
        class_names: by label; empty where nobody said.
        unreadable: files that cannot be used whatever they contain.
        num_ignored: files that are no images by their names.
    """

    splits: Mapping[str, LabelledFiles]
    class_names: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    num_ignored: int = 0


@dataclass(frozen=True)
class Loaded:
    """A data set, and what was left out of it."""

    data_set: DataSet
    unreadable: tuple[Unreadable, ...] = ()
    num_ignored: int = 0


def load_listing(
    listing: Listing, fit: Fit, source: LocatedSource, places: Places, on_progress: OnProgress
) -> Loaded:
    """Returns the decoded data set.

    Raises:
        InvalidDataSetError: it is too large, too much of it cannot be read, or what can be read is
            no data set.
    """
    field = source.place_field
    names = [name for name in SPLITS if name in listing.splits]
    files = [file for name in names for file in listing.splits[name].files]
    places.check_size(len(files), fit.shape, field)
    decoded = decode(files, fit, on_progress)
    unreadable = (*listing.unreadable, *decoded.unreadable)
    _check_unreadable(unreadable, len(files) + len(listing.unreadable), source)
    labels = np.concatenate([listing.splits[name].labels for name in names])[decoded.positions]
    ends = np.cumsum([len(listing.splits[name].files) for name in names])
    bounds = [0, *np.searchsorted(decoded.positions, ends)]
    given = {
        name: Split(decoded.images[start:stop], labels[start:stop])
        for name, (start, stop) in zip(names, pairwise(bounds), strict=True)
    }
    splits = with_all_splits(
        given, source.validation_fraction, source.test_fraction, source.split_seed
    )
    return Loaded(data_set_of(splits, listing.class_names), unreadable, listing.num_ignored)


def _check_unreadable(
    unreadable: Sequence[Unreadable], num_files: int, source: LocatedSource
) -> None:
    if num_files == 0:
        raise InvalidDataSetError(source.place_field, "must hold images", source.place)
    if len(unreadable) > source.max_unreadable_fraction * num_files:
        allowed = f"{100 * source.max_unreadable_fraction:g} %"
        rule = f"must hold at most {allowed} of files that cannot be read"
        first = f"{unreadable[0].name}: {unreadable[0].reason}"
        value = f"{len(unreadable)} of {num_files}, the first is {first}"
        raise InvalidDataSetError(source.place_field, rule, value)


def coded(
    raw: Mapping[str, Sequence[RawLabel]], field: str
) -> tuple[dict[str, Labels], tuple[str, ...]]:
    """Returns labels as whole numbers, and what they stand for.

    Names are numbered in alphabetical order; of numbers the names are not known.

    Args:
        raw: labels by split, train among them.
        field: what errors name.

    Raises:
        InvalidDataSetError: some are names and some are numbers, or a split has a class that train
            has not.
    """
    kinds = {type(label) for labels in raw.values() for label in labels}
    if kinds <= {int}:
        return {name: _whole(labels, field) for name, labels in raw.items()}, ()
    if kinds != {str}:
        raise InvalidDataSetError(field, "must have labels of one kind", "names and numbers")
    class_names = sorted(set(map(str, raw["train"])))
    numbers = {class_name: number for number, class_name in enumerate(class_names)}
    for name, labels in raw.items():
        if unknown := sorted(set(map(str, labels)) - numbers.keys()):
            rule = f"must hold no class in {name} that train does not have"
            raise InvalidDataSetError(field, rule, unknown[0])
    coded = {
        name: np.array([numbers[str(label)] for label in labels], dtype=np.int64)
        for name, labels in raw.items()
    }
    return coded, tuple(class_names)


def _whole(labels: Sequence[RawLabel], field: str) -> Labels:
    try:
        whole = np.array(labels, dtype=np.int64)
    except OverflowError:
        raise InvalidDataSetError(field, "must have labels below 2**63", "a larger one") from None
    if len(whole) and whole.min() < 0:
        raise InvalidDataSetError(field, "must have labels of at least 0", int(whole.min()))
    return whole


def split_named(name: str) -> str | None:
    """Returns the split that a folder is called after; None if it is none."""
    return _SPLIT_NAMES.get(name.lower())


def find_shards(path: Path, suffixes: Sequence[str], field: str) -> dict[str, list[Path]]:
    """Returns the files that a data set is spread over, by split.

    A file is a training split by itself. Of a folder and those below it, all files with one of the
    suffixes count, hidden ones and links left out; their names, or else their folders', begin with
    their split. Where no name says a split, all are train.

    Raises:
        InvalidDataSetError: there is none, some say a split and some do not, or none is train.
    """
    if path.is_file():
        return {"train": [path]}
    found: dict[str | None, list[Path]] = {}
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            shard = Path(folder, name)
            if name.startswith(".") or not name.endswith(tuple(suffixes)) or shard.is_symlink():
                continue
            parts = reversed(shard.relative_to(path).parts)
            matches = (_SPLIT_PREFIX.match(part) for part in parts)
            split = next((_SPLIT_NAMES[m[1].lower()] for m in matches if m), None)
            found.setdefault(split, []).append(shard)
    without = found.pop(None, [])
    splits = {name: paths for name, paths in found.items() if name is not None}
    if without and splits:
        rule = "must name the split (train, validation, test) of every file, or of none"
        raise InvalidDataSetError(field, rule, str(without[0].relative_to(path)))
    if not splits and not without:
        raise InvalidDataSetError(field, f"must hold files named *{suffixes[0]}", path.name)
    if splits and "train" not in splits:
        raise InvalidDataSetError(field, "must hold a train split", sorted(splits))
    return splits or {"train": without}

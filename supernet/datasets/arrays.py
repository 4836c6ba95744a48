"""Arrays in a `.npz` file: plain images, or image files one after the other."""

import zipfile
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from supernet.datasets.content import (
    SPLITS,
    InvalidDataSetError,
    Labels,
    Split,
    data_set_of,
    with_all_splits,
)
from supernet.datasets.decoding import Fit, ImageFile, OnProgress, fit_of_first
from supernet.datasets.listing import LabelledFiles, Listing, Loaded, load_listing
from supernet.datasets.places import Places
from supernet.datasets.sources import ArraysSource

Arrays = dict[str, npt.NDArray[Any]]

_PREFIXES = ("", *(f"{name}_" for name in SPLITS))
_NAMES = frozenset(
    f"{prefix}{kind}" for prefix in _PREFIXES for kind in ("images", "labels", "jpeg", "offsets")
) | {"n_train", "classes"}

_CHANNELS = (1, 3, 4)
"""Of usual images. An image of so few pixels in height and more channels has them in front."""

_HOLDS = "must hold images and labels, or train_images, train_labels, test_images, test_labels"


def load_arrays(source: ArraysSource, places: Places, on_progress: OnProgress) -> Loaded:
    """Returns the data set of a `.npz` file.

    Raises:
        InvalidDataSetError: the file is not there, or its content breaks a rule.
    """
    path = places.resolve(source, folders=False)
    arrays = _read_npz(path, source, places)
    class_names = _class_names(arrays)
    if any(f"{prefix}jpeg" in arrays for prefix in _PREFIXES):
        return _load_files(arrays, class_names, source, places, on_progress)
    for field in ("image_size", "mode"):
        if (value := getattr(source, field)) is not None:
            raise InvalidDataSetError(field, "must not be given with plain images", value)
    if "images" in arrays:
        given = _divided(_split_of(arrays, ""), arrays)
    else:
        given = {
            name: _split_of(arrays, f"{name}_") for name in SPLITS if f"{name}_images" in arrays
        }
    if "train" not in given:
        raise InvalidDataSetError(source.place_field, _HOLDS, sorted(arrays))
    splits = with_all_splits(
        given, source.validation_fraction, source.test_fraction, source.split_seed
    )
    return Loaded(data_set_of(splits, class_names))


def _read_npz(path: Path, source: ArraysSource, places: Places) -> Arrays:
    try:
        # Opened here, as numpy leaves a file open that it cannot read.
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            members = [i for i in archive.infolist() if i.filename.removesuffix(".npy") in _NAMES]
            size = sum(member.file_size for member in members)
            if size > places.max_data_set_bytes:
                rule = f"must hold at most {places.max_data_set_bytes} bytes of arrays"
                raise InvalidDataSetError(source.place_field, rule, size)
            stream.seek(0)
            file = np.load(stream, allow_pickle=False)
            if not _NAMES.intersection(file.files):
                raise InvalidDataSetError(source.place_field, _HOLDS, sorted(file.files))
            return {name: file[name] for name in file.files if name in _NAMES}
    except InvalidDataSetError:
        raise
    except Exception as error:  # damaged bytes lead zipfile and numpy to errors of any class
        rule = f"must name an .npz archive of plain arrays ({str(error) or type(error).__name__})"
        raise InvalidDataSetError(source.place_field, rule, source.place) from error


def _class_names(arrays: Arrays) -> tuple[str, ...]:
    if "classes" not in arrays:
        return ()
    names = arrays["classes"]
    if names.ndim != 1 or names.dtype.kind != "U":
        found = f"{names.dtype} of shape {names.shape}"
        raise InvalidDataSetError("classes", "must be a list of names", found)
    return tuple(str(name) for name in names)


def _split_of(arrays: Arrays, prefix: str) -> Split:
    name = f"{prefix}images"
    images = arrays[name]
    if images.dtype != np.uint8:
        raise InvalidDataSetError(name, "must be uint8", str(images.dtype))
    if images.ndim not in (3, 4) or 0 in images.shape:
        rule = "must have shape (count, height, width) or (count, height, width, channels)"
        raise InvalidDataSetError(name, rule, images.shape)
    if images.ndim == 4 and images.shape[1] in _CHANNELS and images.shape[3] > max(_CHANNELS):
        rule = "must have its channels last: shape (count, height, width, channels)"
        raise InvalidDataSetError(name, rule, images.shape)
    labels = _labels(arrays, prefix, name, len(images))
    images = images[:, None] if images.ndim == 3 else np.moveaxis(images, 3, 1)
    return Split(np.ascontiguousarray(images), labels)


def _labels(arrays: Arrays, prefix: str, images_name: str, count: int) -> Labels:
    name = f"{prefix}labels"
    if name not in arrays:
        raise InvalidDataSetError(name, f"must accompany {images_name}", None)
    labels = arrays[name]
    if not np.issubdtype(labels.dtype, np.integer):
        raise InvalidDataSetError(name, "must be integers", str(labels.dtype))
    if labels.shape != (count,):
        raise InvalidDataSetError(name, f"must have shape ({count},)", labels.shape)
    if labels.min() < 0:
        raise InvalidDataSetError(name, "must be at least 0", int(labels.min()))
    if labels.max() >= 2**63:  # of uint64
        raise InvalidDataSetError(name, "must be below 2**63", int(labels.max()))
    return labels.astype(np.int64)


def _num_train(arrays: Arrays, count: int) -> int | None:
    """Returns how many of the images are train, the others being test; None if it is not said."""
    if "n_train" not in arrays:
        return None
    given = arrays["n_train"]
    if given.shape != () or not np.issubdtype(given.dtype, np.integer) or not 0 < given < count:
        rule = f"must be a whole number above 0 and below {count}, the number of images"
        raise InvalidDataSetError("n_train", rule, given.tolist())
    return int(given)


def _divided(whole: Split, arrays: Arrays) -> dict[str, Split]:
    num_train = _num_train(arrays, len(whole))
    if num_train is None:
        return {"train": whole}
    parts = {"train": slice(num_train), "test": slice(num_train, None)}
    return {name: Split(whole.images[part], whole.labels[part]) for name, part in parts.items()}


# --- image files -------------------------------------------------------------------------------


def _load_files(
    arrays: Arrays,
    class_names: tuple[str, ...],
    source: ArraysSource,
    places: Places,
    on_progress: OnProgress,
) -> Loaded:
    if "jpeg" in arrays:
        whole = _files_of(arrays, "")
        num_train = _num_train(arrays, len(whole.labels))
        splits = {"train": LabelledFiles(whole.files[:num_train], whole.labels[:num_train])}
        if num_train is not None:
            splits["test"] = LabelledFiles(whole.files[num_train:], whole.labels[num_train:])
    else:
        splits = {
            name: _files_of(arrays, f"{name}_") for name in SPLITS if f"{name}_jpeg" in arrays
        }
    if "train" not in splits:
        rule = "must hold jpeg, offsets and labels, or train_jpeg, train_offsets and train_labels"
        raise InvalidDataSetError(source.place_field, rule, sorted(arrays))
    fit = fit_of_first(splits["train"].files, source.mode)
    if source.image_size is not None:
        fit = Fit(fit.mode, (source.image_size, source.image_size), crops=True)
    return load_listing(Listing(splits, class_names), fit, source, places, on_progress)


def _files_of(arrays: Arrays, prefix: str) -> LabelledFiles:
    content, name = arrays[f"{prefix}jpeg"], f"{prefix}offsets"
    if content.dtype != np.uint8 or content.ndim != 1:
        found = f"{content.dtype} of shape {content.shape}"
        raise InvalidDataSetError(f"{prefix}jpeg", "must be uint8 of shape (bytes,)", found)
    if name not in arrays:
        raise InvalidDataSetError(name, f"must accompany {prefix}jpeg", None)
    offsets = arrays[name]
    if offsets.ndim != 1 or len(offsets) < 2 or not np.issubdtype(offsets.dtype, np.integer):
        found = f"{offsets.dtype} of shape {offsets.shape}"
        raise InvalidDataSetError(name, "must be integers of shape (images + 1,)", found)
    if offsets.min() < 0 or offsets.max() > len(content) or (offsets[1:] < offsets[:-1]).any():
        rule = f"must ascend from 0 or more to at most {len(content)}, the bytes of {prefix}jpeg"
        raise InvalidDataSetError(name, rule, f"from {offsets.min()} to {offsets.max()}")
    labels = _labels(arrays, prefix, f"{prefix}jpeg", len(offsets) - 1)
    bounds = offsets.tolist()
    files = [
        ImageFile(f"{prefix}jpeg[{i}]", partial(_slice, content, start, stop))
        for i, (start, stop) in enumerate(pairwise(bounds))
    ]
    return LabelledFiles(files, labels)


def _slice(content: npt.NDArray[np.uint8], start: int, stop: int) -> bytes:
    return content[start:stop].tobytes()

"""From a source to a data set and the report on it."""

from pathlib import Path

import numpy as np

from supernet.datasets.arrays import load_arrays
from supernet.datasets.content import SPLITS, DataSet, Split, data_set_of, stratified_split
from supernet.datasets.decoding import OnProgress
from supernet.datasets.hugging_face import load_hugging_face
from supernet.datasets.image_folder import load_image_folder
from supernet.datasets.listing import Loaded
from supernet.datasets.places import Places
from supernet.datasets.report import DataSetReport, report_on
from supernet.datasets.sources import (
    AnySource,
    ArraysSource,
    DigitsSource,
    HuggingFaceSource,
    ImageFolderSource,
    WebDatasetSource,
)
from supernet.datasets.webdataset import load_webdataset


def examine_source(
    source: AnySource, places: Places, on_progress: OnProgress = lambda _done, _total: None
) -> tuple[DataSet, DataSetReport]:
    """Returns the data set that a source names, and what was found in it.

    Takes about twice the memory of the decoded images: once as they are read, once as they are cut
    into splits.

    Args:
        source: where it comes from.
        places: what may be read.
        on_progress: told now and then how many of how many images are decoded; what it raises ends
            the work soon.

    Raises:
        InvalidDataSetError: something is not there, or its content breaks a rule.
    """
    loaded = _load(source, places, on_progress)
    report = report_on(loaded.data_set, loaded.unreadable, loaded.num_ignored)
    return loaded.data_set, report


def load_source(source: AnySource, data_root: Path) -> DataSet:
    """Returns the data set that a source names.

    Args:
        source: where it comes from.
        data_root: the folder that no path may leave, not by a symbolic link either.

    Raises:
        InvalidDataSetError: something is not there, or its content breaks a rule.
    """
    return examine_source(source, Places(data_root))[0]


def _load(source: AnySource, places: Places, on_progress: OnProgress) -> Loaded:
    match source:
        case DigitsSource():
            return Loaded(_load_digits(source))
        case ArraysSource():
            return load_arrays(source, places, on_progress)
        case ImageFolderSource():
            return load_image_folder(source, places, on_progress)
        case WebDatasetSource():
            return load_webdataset(source, places, on_progress)
        case HuggingFaceSource():
            return load_hugging_face(source, places, on_progress)


def _load_digits(source: DigitsSource) -> DataSet:
    from sklearn.datasets import load_digits  # takes a second to import: only where it is needed

    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = bunch.target.astype(np.int64)
    parts = stratified_split(labels, (1000, 397, 400), source.split_seed)
    splits = zip(SPLITS, parts, strict=True)
    return data_set_of({name: Split(images[part], labels[part]) for name, part in splits})

"""Labelled images: where they come from, how they are split, checked and stored.

The API process checks and stores data sets with this package, so it imports no torch.
"""

from supernet.datasets.content import (
    SPLITS,
    DataSet,
    InvalidDataSetError,
    Split,
    stratified_split,
)
from supernet.datasets.loading import examine_source, load_source
from supernet.datasets.places import Places
from supernet.datasets.report import DataSetReport, report_on
from supernet.datasets.sources import (
    AnySource,
    ArraysSource,
    DataSetSource,
    DigitsSource,
    HuggingFaceSource,
    ImageFolderSource,
    WebDatasetSource,
)
from supernet.datasets.storage import read_data_set, write_data_set

__all__ = [
    "SPLITS",
    "AnySource",
    "ArraysSource",
    "DataSet",
    "DataSetReport",
    "DataSetSource",
    "DigitsSource",
    "HuggingFaceSource",
    "ImageFolderSource",
    "InvalidDataSetError",
    "Places",
    "Split",
    "WebDatasetSource",
    "examine_source",
    "load_source",
    "read_data_set",
    "report_on",
    "stratified_split",
    "write_data_set",
]

"""What a data set holds, for people to check before they train on it."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, Field

from supernet.datasets.content import SPLITS, DataSet
from supernet.datasets.decoding import Unreadable

MAX_LISTED = 50
"""Unreadable files that a report names."""


class UnreadableFile(BaseModel):
    """A file that was skipped."""

    name: str
    reason: str


class ClassReport(BaseModel):
    """How often a class occurs."""

    label: int
    name: str | None = Field(description="Null where the source did not say.")
    counts: dict[str, int] = Field(description="Images of each split.")


class DataSetReport(BaseModel):
    """What was found when a data set was registered."""

    num_images: int
    shape: list[int] = Field(description="(channels, height, width) of every image.")
    size_bytes: int = Field(description="Of all images, as they are held in memory.")
    pixel_range: tuple[int, int] = Field(description="Smallest and largest value.")
    mean: list[float] = Field(description="Of the training images' channels, from 0 to 1.")
    std: list[float] = Field(description="Their standard deviations.")
    classes: list[ClassReport]
    imbalance: float = Field(description="Largest training class over smallest, in images.")
    num_unreadable: int = Field(description="Files that were skipped.")
    unreadable: list[UnreadableFile] = Field(description=f"The first {MAX_LISTED} of them.")
    num_ignored: int = Field(description="Files that are no images by their names.")


def report_on(
    data_set: DataSet, unreadable: Sequence[Unreadable] = (), num_ignored: int = 0
) -> DataSetReport:
    """Returns the report on a data set.

    Args:
        data_set: what was registered.
        unreadable: files that were skipped.
        num_ignored: files that are no images by their names.
    """
    splits = [data_set.split(name) for name in SPLITS]
    counts = np.array([np.bincount(s.labels, minlength=data_set.num_classes) for s in splits])
    return DataSetReport(
        num_images=sum(map(len, splits)),
        shape=list(data_set.image_shape),
        size_bytes=sum(split.images.nbytes for split in splits),
        pixel_range=(
            min(int(split.images.min()) for split in splits),
            max(int(split.images.max()) for split in splits),
        ),
        mean=list(data_set.mean),
        std=list(data_set.std),
        classes=[
            ClassReport(
                label=label,
                name=data_set.class_names[label] if data_set.class_names else None,
                counts=dict(zip(SPLITS, map(int, counts[:, label]), strict=True)),
            )
            for label in range(data_set.num_classes)
        ],
        imbalance=float(counts[0].max() / counts[0].min()),
        num_unreadable=len(unreadable),
        unreadable=[
            UnreadableFile(name=file.name, reason=file.reason) for file in unreadable[:MAX_LISTED]
        ],
        num_ignored=num_ignored,
    )

"""Data sets as files: one safetensors file each, whose digest is the version."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from supernet.datasets.content import SPLITS, DataSet, InvalidDataSetError, Split
from supernet.files import replace_durably, sha256_of

_ERROR_NUMBER = re.compile(r"\(os error (\d+)\)")
"""How safetensors tells which error of the operating system it met."""


def write_data_set(data_set: DataSet, path: Path) -> str:
    """Stores a data set as one safetensors file.

    Older versions of safetensors take as much memory again as the data set while they write it.

    Returns:
        The file's SHA-256: the data set's version. Equal data sets have equal files.

    Raises:
        OSError: the disk is full, or the like; what was at `path` is untouched.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name in SPLITS:
        split = data_set.split(name)
        arrays[f"{name}_images"] = np.ascontiguousarray(split.images)
        arrays[f"{name}_labels"] = np.ascontiguousarray(split.labels)
    facts: dict[str, Any] = {
        "num_classes": data_set.num_classes,
        "mean": data_set.mean,
        "std": data_set.std,
    }
    if data_set.class_names:
        facts["class_names"] = data_set.class_names
    # One entry only: safetensors writes several in no certain order.
    metadata = {"data_set": json.dumps(facts, sort_keys=True)}
    with replace_durably(path) as beside:
        try:
            safetensors.numpy.save_file(arrays, beside, metadata)
        except safetensors.SafetensorError as error:  # what it makes of a full disk, for one
            number = _ERROR_NUMBER.search(str(error))
            raise OSError(int(number[1]) if number else None, str(error), str(path)) from error
    return sha256_of(path)


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
            class_names=tuple(facts.get("class_names", ())),
        )
    except (OSError, safetensors.SafetensorError, KeyError, TypeError) as error:
        rule = f"must be a stored data set ({error})"
        raise InvalidDataSetError("path", rule, str(path)) from error

"""Data sets of Hugging Face's `datasets` from the local disk.

The files are Arrow tables, which pyarrow reads; the `datasets` package itself, which would also
download and run code, is not needed.
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supernet.datasets.content import InvalidDataSetError
from supernet.datasets.decoding import Fit, ImageFile, OnProgress
from supernet.datasets.listing import (
    LabelledFiles,
    Listing,
    Loaded,
    RawLabel,
    coded,
    find_shards,
    load_listing,
)
from supernet.datasets.places import Places
from supernet.datasets.sources import HuggingFaceSource

if TYPE_CHECKING:
    import pyarrow

EXTRA = "hugging-face"


def load_hugging_face(source: HuggingFaceSource, places: Places, on_progress: OnProgress) -> Loaded:
    """Returns the data set of a folder or file.

    Arrow files stay on the disk until they are decoded; of parquet files the two columns are read
    into memory as they are.

    Raises:
        InvalidDataSetError: the extra is not installed, a file is damaged or lacks a column; or see
            `Places.resolve`, `find_shards` and `load_listing`.
    """
    field = source.place_field
    path = places.resolve(source, folders=True)
    fit = Fit(source.mode, (source.image_size, source.image_size), crops=True)
    files: dict[str, list[ImageFile]] = {}
    labels: dict[str, list[RawLabel]] = {}
    class_names: tuple[str, ...] = ()
    for split, shards in find_shards(path, (".parquet", ".arrow"), field).items():
        files[split], labels[split] = [], []
        for shard in shards:
            _refuse_indices(shard, field)
            table = _read(shard, source)
            files[split] += _images(table, source, shard)
            labels[split] += _labels(table, source)
            class_names = class_names or _class_names(table, source.label_column)
    numbers, found_names = coded(labels, "label_column")
    splits = {split: LabelledFiles(files[split], numbers[split]) for split in files}
    listing = Listing(splits, found_names or class_names)
    return load_listing(listing, fit, source, places, on_progress)


def _read(shard: Path, source: HuggingFaceSource) -> "pyarrow.Table":
    try:
        import pyarrow
        from pyarrow import ipc, parquet
    except ImportError:
        rule = f"needs the extra: pip install 'espalier[{EXTRA}]'"
        raise InvalidDataSetError("kind", rule, source.kind) from None
    wanted = list(dict.fromkeys((source.image_column, source.label_column)))
    try:
        mapped = pyarrow.memory_map(str(shard))
        start = mapped.read(6)
        mapped.seek(0)
        if start.startswith(b"PAR1"):
            file = parquet.ParquetFile(mapped)
            _check_columns(source, file.schema_arrow.names)
            table = file.read(wanted)
        else:
            opened = (ipc.open_file if start == b"ARROW1" else ipc.open_stream)(mapped)
            _check_columns(source, opened.schema.names)
            table = opened.read_all().select(wanted)
        # Arrow believes what a file says about itself: without this, a damaged one is a crash.
        table.validate(full=True)
    except InvalidDataSetError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        rule = f"must be a parquet or arrow file ({error})"
        raise InvalidDataSetError(source.place_field, rule, shard.name) from error
    return table


def _check_columns(source: HuggingFaceSource, names: Sequence[str]) -> None:
    for field in ("image_column", "label_column"):
        if names.count(name := getattr(source, field)) != 1:
            raise InvalidDataSetError(field, f"must be one of {list(names)}", name)


def _images(table: "pyarrow.Table", source: HuggingFaceSource, shard: Path) -> list[ImageFile]:
    import pyarrow
    from pyarrow import compute

    column = table.column(source.image_column)
    if pyarrow.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        column = compute.struct_field(column, "bytes")
    if not (pyarrow.types.is_binary(column.type) or pyarrow.types.is_large_binary(column.type)):
        rule = "must hold image files' bytes, or structures with a field bytes"
        raise InvalidDataSetError("image_column", rule, str(column.type))
    return [
        ImageFile(f"{shard.name}[{row}]", partial(_bytes, column, row))
        for row in range(len(column))
    ]


def _bytes(column: Any, row: int) -> bytes:
    content = column[row].as_py()
    if not isinstance(content, bytes):
        raise ValueError("has no bytes: images that are stored as paths are not read")
    return content


def _labels(table: "pyarrow.Table", source: HuggingFaceSource) -> list[RawLabel]:
    import pyarrow

    column = table.column(source.label_column)
    kind = column.type
    is_label = pyarrow.types.is_integer(kind) or pyarrow.types.is_string(kind)
    if not is_label or column.null_count:
        rule = "must hold whole numbers or names, and no gaps"
        found = f"{kind} with {column.null_count} gaps"
        raise InvalidDataSetError("label_column", rule, found)
    labels: list[RawLabel] = column.to_pylist()
    return labels


def _class_names(table: "pyarrow.Table", label_column: str) -> tuple[str, ...]:
    """Returns the names that `datasets` keeps beside the table; empty where it has none."""
    try:
        stored = json.loads((table.schema.metadata or {})[b"huggingface"])
        names = stored["info"]["features"][label_column]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _refuse_indices(shard: Path, field: str) -> None:
    """Returns if the rows of a table are those of the data set, in this order.

    Raises:
        InvalidDataSetError: `save_to_disk` of an old version has put a choice of rows beside it.
    """
    try:
        state = json.loads((shard.parent / "state.json").read_bytes())
    except (OSError, ValueError):
        return
    if isinstance(state, dict) and state.get("_indices_files"):
        rule = "must be saved without indices: call flatten_indices() before save_to_disk()"
        raise InvalidDataSetError(field, rule, shard.parent.name)

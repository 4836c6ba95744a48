"""Reads tables: CSV, also compressed by gzip, `.npz` and parquet; nothing is ever unpickled."""

import csv
import gzip
import io
import math
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from search_space.outcomes import MAX_FIGURE
from search_space.space import Option
from search_space.table import InvalidTableError, Table

if TYPE_CHECKING:
    import pyarrow

EXTRA = "parquet"
"""The optional part of the package that reads parquet files."""
MAX_BYTES = 256 * 2**20
"""Of the text, or of the arrays, that are read."""
MAX_ROWS = 1_000_000
MAX_CELLS = 20_000_000

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")
_BROKEN = (zlib.error, EOFError, OSError, MemoryError, ValueError, csv.Error)


def read_table(path: Path, choices: Sequence[str], metrics: Sequence[str]) -> Table:
    """Returns the table of a file.

    The first line of a CSV names its columns; an empty cell of a choice means that it is inactive.
    Cells of a column that are all whole numbers are numbers, and so on. In a `.npz` each column is
    an array of a length; a matrix `ops` of six columns is the choices `ops.0` to `ops.5`. Columns
    of a parquet file have types; a cell without a value is an empty one. What is empty, no finite
    number, beyond `MAX_FIGURE` or not there of a metric is not known.

    Args:
        path: of the file, whatever its name.
        choices: columns that name an architecture, in this order.
        metrics: columns of numbers.

    Raises:
        InvalidTableError: the file cannot be read, is too large, lacks a column, or needs a part
            of the package that is not installed.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(4)
        if begin == b"PAR1":
            return _read_parquet(path, choices, metrics)
        if begin == b"PK\x03\x04":
            columns = _read_arrays(path, choices, metrics)
        else:
            columns = _read_text(path, begin.startswith(b"\x1f\x8b"), choices, metrics)
    except InvalidTableError:
        raise
    except _BROKEN as error:
        rule = f"must be a CSV with a line of names, an .npz of plain arrays or parquet ({error})"
        raise InvalidTableError("file", rule, path.name) from error
    cells = {
        name: values for choice in choices for name, values in _choice(choice, columns[choice])
    }
    return Table(cells, {name: _numbers(name, columns[name]) for name in metrics})


Column = npt.NDArray[Any] | list[str]


def _read_text(
    path: Path, is_compressed: bool, choices: Sequence[str], metrics: Sequence[str]
) -> Mapping[str, Column]:
    with gzip.open(path) if is_compressed else path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InvalidTableError("file", f"must be at most {MAX_BYTES} bytes of text", path.name)
    lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    header = next(lines, [])
    _check_names(header, choices, metrics)
    positions = {name: header.index(name) for name in (*choices, *metrics)}
    columns: dict[str, list[str]] = {name: [] for name in positions}
    for number, line in enumerate(filter(None, lines)):
        if len(line) != len(header):
            rule = f"must have {len(header)} cells in each line, as the first: line {number + 2}"
            raise InvalidTableError("file", rule, len(line))
        _check_size(number + 1, len(columns))
        for name, position in positions.items():
            columns[name].append(line[position])
    return columns


def _check_names(found: Sequence[str], choices: Sequence[str], metrics: Sequence[str]) -> None:
    for field, names in (("choices", choices), ("metrics", metrics)):
        for name in names:
            if found.count(name) != 1:
                rule = f"must be among the columns, once; there are {list(found)[:100]}"
                raise InvalidTableError(field, rule, name)


def _check_size(num_rows: int, num_columns: int) -> None:
    if num_rows > MAX_ROWS:
        raise InvalidTableError("file", f"must hold at most {MAX_ROWS} rows", num_rows)
    if num_rows * num_columns > MAX_CELLS:
        rule = f"must be at most {MAX_CELLS} values in all rows together"
        raise InvalidTableError("choices", rule, num_rows * num_columns)


def _read_arrays(
    path: Path, choices: Sequence[str], metrics: Sequence[str]
) -> Mapping[str, Column]:
    try:
        columns = _arrays(path, choices, metrics)
    except InvalidTableError:
        raise
    except Exception as error:
        # What zipfile and numpy's reader of headers meet in damaged bytes, or in an archive of
        # another kind, they tell by errors of a dozen classes that nothing documents.
        raise ValueError(str(error) or type(error).__name__) from error
    lengths = {name: len(column) if column.ndim else 0 for name, column in columns.items()}
    if len(set(lengths.values())) != 1:
        raise InvalidTableError("file", "must have arrays of one length", lengths)
    num_columns = sum(math.prod(column.shape[1:]) for column in columns.values())
    _check_size(next(iter(lengths.values())), num_columns)
    return columns


def _arrays(
    path: Path, choices: Sequence[str], metrics: Sequence[str]
) -> Mapping[str, npt.NDArray[Any]]:
    with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        _check_names(list(members), choices, metrics)
        wanted = (*choices, *metrics)
        size = sum(members[name].file_size for name in wanted)
        if size > MAX_BYTES:
            raise InvalidTableError("file", f"must be at most {MAX_BYTES} bytes of arrays", size)
        return {name: _array(archive, members[name]) for name in wanted}


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    """Reads an array after its header, which may announce more than there is."""
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{member.filename} has names of fields")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize > member.file_size:
            raise ValueError(f"{member.filename} is not what its header says, or holds objects")
    with archive.open(member) as file:
        array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _choice(name: str, column: Column) -> Iterable[tuple[str, list[Option | None]]]:
    """Yields the choices of a column, each with its cells; a matrix holds several."""
    if isinstance(column, list):
        yield name, _typed(column)
        return
    if column.dtype.kind not in "iufU" or column.ndim not in (1, 2):
        rule = "must be numbers or text, in one column or a matrix"
        raise InvalidTableError("choices", rule, f"{name}: {column.dtype} of shape {column.shape}")
    if column.dtype.kind == "f" and not np.isfinite(column).all():
        raise InvalidTableError("choices", "must be finite", name)
    if column.ndim == 1:
        yield name, column.tolist()
    else:
        for position in range(column.shape[1]):
            yield f"{name}.{position}", column[:, position].tolist()


def _typed(cells: Sequence[str]) -> list[Option | None]:
    """Returns the cells of a text column as whole numbers, numbers or text, whichever fits all.

    What is written in another way than numbers are (`007`) is text.
    """
    found = {cell for cell in cells if cell}
    kinds: tuple[tuple[re.Pattern[str], Callable[[str], Option]], ...] = (
        (_WHOLE, int),
        (_NUMBER, float),
    )
    for pattern, kind in kinds:
        if all(pattern.fullmatch(cell) for cell in found):
            return [kind(cell) if cell else None for cell in cells]
    return [cell or None for cell in cells]


def _numbers(name: str, column: Column) -> npt.NDArray[np.float64]:
    if isinstance(column, list):
        try:
            return _known(np.array([float(cell) if cell else math.nan for cell in column]))
        except ValueError as error:
            raise InvalidTableError("metrics", f"must be numbers ({error})", name) from None
    if column.dtype.kind not in "iuf" or column.ndim != 1:
        rule = "must be one column of numbers"
        raise InvalidTableError("metrics", rule, f"{name}: {column.dtype} of shape {column.shape}")
    return _known(column.astype(np.float64))


def _known(figures: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns figures, those that nothing can be computed with as not known."""
    return np.where(np.abs(figures) <= MAX_FIGURE, figures, math.nan)


# --- parquet -----------------------------------------------------------------------------------


def _read_parquet(path: Path, choices: Sequence[str], metrics: Sequence[str]) -> Table:
    try:
        import pyarrow
    except ImportError:
        rule = f"is a parquet file, which needs the extra: pip install 'espalier[{EXTRA}]'"
        raise InvalidTableError("file", rule, path.name) from None
    try:
        columns = _arrow_columns(path, choices, metrics)
        cells = {name: _arrow_cells(name, columns[name]) for name in choices}
        return Table(cells, {name: _arrow_figures(name, columns[name]) for name in metrics})
    except pyarrow.ArrowException as error:
        raise ValueError(str(error)) from error


def _arrow_columns(
    path: Path, choices: Sequence[str], metrics: Sequence[str]
) -> Mapping[str, "list[pyarrow.Array]"]:
    """Returns the pieces of each column.

    Text stays as it is in the file, each word once: a few bytes may stand for a long word in each
    of a million rows.
    """
    import pyarrow
    from pyarrow import parquet

    with path.open("rb") as stream:
        schema = parquet.ParquetFile(stream).schema_arrow
        _check_names(schema.names, choices, metrics)
        texts = [name for name in choices if _is_text(schema.field(name).type)]
        stream.seek(0)
        file = parquet.ParquetFile(stream, read_dictionary=texts)
        wanted = list(dict.fromkeys((*choices, *metrics)))
        columns: dict[str, list[pyarrow.Array]] = {name: [] for name in wanted}
        num_rows = num_bytes = 0
        for batch in file.iter_batches(columns=wanted, use_threads=False):
            # Arrow believes what a file says of itself: without this a damaged one is a crash.
            batch.validate(full=True)
            num_rows, num_bytes = num_rows + batch.num_rows, num_bytes + batch.nbytes
            _check_size(num_rows, len(wanted))
            if num_bytes > MAX_BYTES:
                raise InvalidTableError("file", f"must be at most {MAX_BYTES} bytes", num_bytes)
            for name in wanted:
                columns[name].append(batch.column(name))
    return columns


def _is_text(kind: "pyarrow.DataType") -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def _arrow_cells(name: str, pieces: "list[pyarrow.Array]") -> list[Option | None]:
    """Returns the cells of a choice; None where there is no value, or an empty text."""
    from pyarrow import types

    cells: list[Option | None] = []
    for piece in pieces:
        kind = piece.type
        if types.is_dictionary(kind) and _is_text(kind.value_type):
            words = piece.dictionary.to_pylist()
            codes = piece.indices.to_pylist()
            cells += [None if code is None else words[code] or None for code in codes]
        elif types.is_integer(kind) or types.is_floating(kind):
            cells += piece.to_pylist()
        else:
            rule = "must be columns of numbers or text"
            raise InvalidTableError("choices", rule, f"{name}: {kind}")
    if any(isinstance(cell, float) and not math.isfinite(cell) for cell in cells):
        raise InvalidTableError("choices", "must be finite", name)
    return cells


def _arrow_figures(name: str, pieces: "list[pyarrow.Array]") -> npt.NDArray[np.float64]:
    import pyarrow
    from pyarrow import types

    figures = [np.empty(0)]
    for piece in pieces:
        kind = piece.type
        if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
            raise InvalidTableError("metrics", "must be columns of numbers", f"{name}: {kind}")
        number = piece.cast(pyarrow.float64(), safe=False)
        figures.append(number.to_numpy(zero_copy_only=False))
    return _known(np.concatenate(figures))

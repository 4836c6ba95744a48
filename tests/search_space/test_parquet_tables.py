"""Tables in parquet files."""

import math
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from search_space import table_files
from search_space.outcomes import Measured
from search_space.table import InvalidTableError, Table
from search_space.table_files import read_table

COLUMNS: dict[str, Any] = {
    "kernel": pyarrow.array([3, 5, 3, 5], pyarrow.int8()),
    "width": pyarrow.array([1.0, 1.0, 2.5, 2.5]),
    "kind": pyarrow.array(["007", "007", "conv", "conv"]),
    "top1": pyarrow.array([90.5, 91.5, math.nan, 93.0], pyarrow.float32()),
    "latency.ms": pyarrow.array([1, None, 3, 4]),
    "latency": pyarrow.array(["not", "this", "one", "!"]),
}
CHOICES = ["kernel", "width", "kind"]


def write(path: Path, columns: dict[str, Any] = COLUMNS, **options: Any) -> Path:
    parquet.write_table(pyarrow.table(columns), path, **options)
    return path


def faults(path: Path, choices: list[str], metrics: list[str]) -> InvalidTableError:
    with pytest.raises(InvalidTableError) as info:
        read_table(path, choices, metrics)
    return info.value


@pytest.mark.parametrize("options", [{}, {"row_group_size": 2, "use_dictionary": False}])
def test_columns_have_types_and_gaps_are_not_known(tmp_path: Path, options: Any) -> None:
    path = write(tmp_path / "t", **options)
    table = read_table(path, CHOICES, ["top1", "latency.ms"])
    space = table.space_settings("small").build()
    assert [choice.options for choice in space.choices] == [(3, 5), (1.0, 2.5), ("007", "conv")]
    assert all(type(option) is int for option in space.choices[0].options)
    rows = list(table.architectures())
    assert rows[3] == {"kernel": 5, "width": 2.5, "kind": "conv"}
    known = [isinstance(table.outcome(row, {}), Measured) for row in rows]
    assert known == [True, False, False, True]
    outcome = table.outcome(rows[3], {})
    assert isinstance(outcome, Measured)
    assert outcome.metrics == {"top1": 93.0, "latency.ms": 4.0}


def test_cells_without_a_value_are_inactive(tmp_path: Path) -> None:
    words = pyarrow.array([None, "a", "", "b"]).dictionary_encode()
    columns = {"depth": [1, 2, None, 2], "word": words, "m": [1.0, 2.0, 3.0, 4.0]}
    table = read_table(write(tmp_path / "t", columns), ["depth", "word"], ["m"])
    assert list(table.architectures()) == [
        {"depth": 1},
        {"depth": 2, "word": "a"},
        {},
        {"depth": 2, "word": "b"},
    ]


@pytest.mark.parametrize(
    ("columns", "choices", "field"),
    [
        (COLUMNS, ["kernels"], "choices"),
        (COLUMNS, ["kernel"], "choices"),  # two rows are alike
        ({**COLUMNS, "top1": COLUMNS["kind"]}, CHOICES, "metrics"),
        ({**COLUMNS, "kernel": [True, False, True, False]}, CHOICES, "choices"),
        ({**COLUMNS, "kernel": [[1], [2], [3], [4]]}, CHOICES, "choices"),
        ({**COLUMNS, "width": [1.0, 2.0, math.inf, 3.0]}, CHOICES, "choices"),
        ({name: column[:0] for name, column in COLUMNS.items()}, CHOICES[:2], "file"),
    ],
)
def test_bad_columns_are_refused_by_field(
    tmp_path: Path, columns: dict[str, Any], choices: list[str], field: str
) -> None:
    columns = {name: pyarrow.array(column) for name, column in columns.items()}
    path = write(tmp_path / "t", columns)
    assert faults(path, choices, ["top1"]).field == field


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t")
    content = path.read_bytes()
    for damaged in (content[:-20], content[: len(content) // 2] + b"PAR1", b"PAR1"):
        path.write_bytes(damaged)
        error = faults(path, CHOICES, ["top1"])
        assert (error.field, error.value) == ("file", "t")


def test_sizes_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "t")
    monkeypatch.setattr(table_files, "MAX_ROWS", 3)
    assert "at most 3 rows" in faults(path, CHOICES, ["top1"]).rule
    monkeypatch.undo()
    monkeypatch.setattr(table_files, "MAX_BYTES", 10)
    assert "at most 10 bytes" in faults(path, CHOICES, ["top1"]).rule


def test_a_long_word_is_held_once(tmp_path: Path) -> None:
    # In a file of some kilobytes; written out it would be 10 GB.
    count = 100_000
    words = pyarrow.DictionaryArray.from_arrays(
        pyarrow.array([0] * count, pyarrow.int32()), ["x" * 100_000]
    )
    columns = {"word": words, "m": [1.0] * count}
    path = write(tmp_path / "t", columns, store_schema=False)
    assert path.stat().st_size < 1_000_000
    assert parquet.read_schema(path).field("word").type == pyarrow.string()
    assert "at most 200 characters" in faults(path, ["word"], ["m"]).rule


def test_the_extra_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "t")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    error = faults(path, CHOICES, ["top1"])
    assert (error.field, error.rule) == (
        "file",
        "is a parquet file, which needs the extra: pip install 'espalier[parquet]'",
    )


def test_a_csv_and_a_parquet_of_the_same_cells_are_equal_tables(tmp_path: Path) -> None:
    text = "kernel,kind,m\n3,a,1.5\n5,,2.5\n"
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    columns = {"kernel": [3, 5], "kind": ["a", None], "m": [1.5, 2.5]}
    tables: list[Table] = [
        read_table(path, ["kernel", "kind"], ["m"])
        for path in (tmp_path / "t.csv", write(tmp_path / "t", columns))
    ]
    assert list(tables[0].architectures()) == list(tables[1].architectures())
    assert tables[0].metrics["m"].tolist() == tables[1].metrics["m"].tolist()

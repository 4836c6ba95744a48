"""Tables: what they say of architectures, and how they are read from files."""

import gzip
import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search_space.custom import CustomSettings
from search_space.outcomes import Infeasible, Measured
from search_space.space import Choice, Condition
from search_space.table import InvalidTableError, Table
from search_space.table_files import read_table

TEXT = """kernel,width,kind,top1,latency
3,1.0,007,90.5,1.5
5,1.0,007,91.5,
3,2.5,conv,92.0,nan
5,2.5,conv,93.0,2.5
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def faults(call: Any) -> InvalidTableError:
    with pytest.raises(InvalidTableError) as info:
        call()
    return info.value


def test_cells_are_whole_numbers_numbers_or_text(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t", TEXT), ["kernel", "width", "kind"], ["top1"])
    space = table.space_settings("small").build()
    assert [choice.options for choice in space.choices] == [(3, 5), (1.0, 2.5), ("007", "conv")]
    assert all(type(option) is int for option in space.choices[0].options)
    outcome = table.outcome({"kernel": 5, "width": 2.5, "kind": "conv"}, {"source": "table"})
    assert outcome == Measured({"top1": 93.0}, {"top1": {"source": "table", "row": 3}})


def test_what_the_table_does_not_say_is_infeasible(tmp_path: Path) -> None:
    path = write(tmp_path / "t", TEXT)
    table = read_table(path, ["kernel", "width", "kind"], ["top1", "latency"])
    unknown = table.outcome({"kernel": 3, "width": 1.0, "kind": "conv"}, {})
    assert unknown == Infeasible("the table has no such architecture")
    for kernel, width, kind in ((5, 1.0, "007"), (3, 2.5, "conv")):
        known = table.outcome({"kernel": kernel, "width": width, "kind": kind}, {})
        assert known == Infeasible("the table does not say its latency")
    assert table.outcome({"kernel": 7, "width": 1.0, "kind": "007"}, {}) == unknown


def test_a_compressed_file_is_the_same_table(tmp_path: Path) -> None:
    path = tmp_path / "t.gz"
    path.write_bytes(gzip.compress(TEXT.encode()))
    assert read_table(path, ["kernel", "width"], ["top1"]).num_rows == 4


def test_a_matrix_is_as_many_choices(tmp_path: Path) -> None:
    ops = np.array([[0, 1], [1, 1], [2, 0]], dtype=np.int8)
    accuracy = np.array([10.0, 20.0, np.nan], dtype=np.float32)
    np.savez_compressed(tmp_path / "t.npz", ops=ops, accuracy=accuracy)
    table = read_table(tmp_path / "t.npz", ["ops"], ["accuracy"])
    space = table.space_settings("cells").build()
    assert [(c.name, c.options) for c in space.choices] == [("ops.0", (0, 1, 2)), ("ops.1", (0, 1))]
    table.check_space(space)
    found = [table.outcome(space.decode(np.array(row)), {}) for row in ops.tolist()]
    assert [isinstance(outcome, Measured) for outcome in found] == [True, True, False]


def test_inactive_choices_are_empty_cells(tmp_path: Path) -> None:
    path = write(tmp_path / "t", "depth,deep_width,top1\n1,,80\n2,8,90\n2,16,95\n")
    table = read_table(path, ["depth", "deep_width"], ["top1"])
    assert faults(lambda: table.space_settings("t")).field == "choices"
    choices = (
        Choice(name="depth", options=(1, 2)),
        Choice(name="deep_width", options=(8, 16), when=Condition(parent="depth", options=(2,))),
    )
    space = CustomSettings(name="t", choices=choices).build()
    table.check_space(space)
    architectures = [space.validate({"depth": 1}), space.validate({"depth": 2, "deep_width": 16})]
    values = [table.outcome(architecture, {}) for architecture in architectures]
    assert [v.metrics["top1"] for v in values if isinstance(v, Measured)] == [80.0, 95.0]


@pytest.mark.parametrize(
    ("options", "field"),
    [(("kernel", (3, 5)), "choices"), (("kernel", (7,)), "file")],
    ids=["other names", "no row"],
)
def test_a_table_must_be_about_the_space(
    tmp_path: Path, options: tuple[str, tuple[int, ...]], field: str
) -> None:
    columns = ["kernel", "width"] if field == "choices" else ["kernel"]
    text = TEXT if field == "choices" else "kernel,top1\n3,90\n"
    table = read_table(write(tmp_path / "t", text), columns, ["top1"])
    choices = (Choice(name=options[0], options=options[1]),)
    space = CustomSettings(name="t", choices=choices).build()
    assert faults(lambda: table.check_space(space)).field == field


@pytest.mark.parametrize(
    ("text", "choices", "metrics", "field"),
    [
        (TEXT, ["kernels"], ["top1"], "choices"),
        (TEXT, ["kernel", "width"], ["top2"], "metrics"),
        (TEXT, ["kernel", "width"], ["kind"], "metrics"),
        (TEXT, ["kernel"], ["top1"], "choices"),  # two rows are alike
        ("a,a,m\n1,2,3\n", ["a"], ["m"], "choices"),
        ("a,m\n1,2,3\n", ["a"], ["m"], "file"),
        ("a,m\n", ["a"], ["m"], "file"),
        ("", ["a"], ["m"], "choices"),
        ('a,m\n"1,2\n', ["a"], ["m"], "file"),
        ("a,m\n1\x00,2\n", ["a"], ["m"], "choices"),
        ("a,m\n" + "".join(f"x{i},1\n" for i in range(10_001)), ["a"], ["m"], "choices"),
    ],
)
def test_bad_text_is_refused_by_field(
    tmp_path: Path, text: str, choices: list[str], metrics: list[str], field: str
) -> None:
    path = write(tmp_path / "t", text)
    assert faults(lambda: read_table(path, choices, metrics)).field == field


@pytest.mark.parametrize(
    ("arrays", "field"),
    [
        ({"a": np.array([1, 2]), "m": np.array([1.0])}, "file"),
        ({"a": np.array([1, 2]), "m": np.array([[1.0], [2.0]])}, "metrics"),
        ({"a": np.array([1, 2]), "m": np.array(["x", "y"])}, "metrics"),
        ({"a": np.array([True, False]), "m": np.array([1.0, 2.0])}, "choices"),
        ({"a": np.array([1.0, math.nan]), "m": np.array([1.0, 2.0])}, "choices"),
        ({"a": np.array([{}, {}], dtype=object), "m": np.array([1.0, 2.0])}, "file"),
        ({"a": np.array(1), "m": np.array(1.0)}, "choices"),
        ({"a": np.array(["x\ud800"]), "m": np.array([1.0])}, "choices"),
        ({"m": np.array([1.0])}, "choices"),
    ],
)
def test_bad_arrays_are_refused_by_field(
    tmp_path: Path, arrays: dict[str, Any], field: str
) -> None:
    np.savez(tmp_path / "t.npz", **arrays)
    assert faults(lambda: read_table(tmp_path / "t.npz", ["a"], ["m"])).field == field


def test_a_header_that_promises_more_than_there_is_is_refused_before_it_is_believed(
    tmp_path: Path,
) -> None:
    header = io.BytesIO()
    fields = {"descr": "<i8", "fortran_order": False, "shape": (2**44,)}
    np.lib.format.write_array_header_1_0(header, fields)
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        for name in ("a", "m"):
            archive.writestr(f"{name}.npy", header.getvalue() + bytes(16))
    error = faults(lambda: read_table(tmp_path / "t.npz", ["a"], ["m"]))
    assert (error.field, "header" in error.rule) == ("file", True)


def changed(content: bytes, at: int, value: int) -> bytes:
    """Returns an archive with a byte of its directory's first entry replaced."""
    place = content.index(b"PK\x01\x02") + at
    return content[:place] + bytes([value]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("at", "value"),
    [(6, 196), (8, 1), (8, 0x40), (10, 99)],
    ids=["version", "encrypted", "strongly encrypted", "compression"],
)
def test_an_archive_that_python_cannot_read_is_refused(tmp_path: Path, at: int, value: int) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, a=np.array([1, 2]), m=np.array([1.0, 2.0]))
    path.write_bytes(changed(path.read_bytes(), at, value))
    assert faults(lambda: read_table(path, ["a"], ["m"])).field == "file"


def test_a_damaged_lzma_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name in ("a", "m"):
            array = io.BytesIO()
            np.save(array, np.arange(1000))
            archive.writestr(f"{name}.npy", array.getvalue())
    content = bytearray(path.read_bytes())
    content[100:160] = bytes(60)
    path.write_bytes(content)
    assert faults(lambda: read_table(path, ["a"], ["m"])).field == "file"


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), ",
        "{'descr': '<08', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (True,), }",
        f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({10**22}, 0), }}",
        "{[]: 1}",
        "-" * 5000 + "1",
        "\n  x\n y",
    ],
    ids=["open", "type", "shape", "huge", "key", "deep", "indented"],
)
def test_a_header_that_is_no_header_is_refused(tmp_path: Path, header: str) -> None:
    text = (header + "\n").encode()
    array = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(16)
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        for name in ("a", "m"):
            archive.writestr(f"{name}.npy", array)
    assert faults(lambda: read_table(tmp_path / "t.npz", ["a"], ["m"])).field == "file"


def test_a_table_keeps_a_metric_for_every_row() -> None:
    table = Table({"a": [1, 2]}, {"m": np.array([1.0, 2.0])})
    assert table.num_rows == 2
    assert table.outcome({"a": 2}, {}) == Measured({"m": 2.0}, {"m": {"row": 1}})

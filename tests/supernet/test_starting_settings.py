"""Starts as a user writes them, and the look at a file that needs no torch."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy
import torch
from pydantic import TypeAdapter, ValidationError

from search_space.cnn import MobileNetV3Settings
from supernet.starting_settings import (
    InvalidStartError,
    OnceForAllStart,
    StartSettings,
    WeightsStart,
    check_file,
    check_same_network,
)

START: TypeAdapter[Any] = TypeAdapter(StartSettings)


@pytest.mark.parametrize(
    "start",
    [
        {"kind": "scratch"},
        {"kind": "supernet", "supernet": "net_x"},
        {"kind": "weights", "path": "a/b.safetensors"},
        {"kind": "once_for_all", "path": "ofa.pth"},
        {"kind": "weights", "upload": "upl_1"},
    ],
)
def test_a_start_is_what_its_kind_needs(start: dict[str, str]) -> None:
    assert START.validate_python(start).model_dump(exclude_none=True) == start
    with pytest.raises(ValidationError):
        START.validate_python({**start, "seed": 1})
    for name in start:
        with pytest.raises(ValidationError):
            START.validate_python({key: value for key, value in start.items() if key != name})


def test_files_are_told_apart(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "zipped")
    torch.save({"a": torch.ones(1)}, tmp_path / "old", _use_new_zipfile_serialization=False)
    tensors = {"a": torch.ones(1).numpy()}
    (tmp_path / "weights").write_bytes(safetensors.numpy.save(tensors))
    (tmp_path / "empty").write_bytes(b"")
    kinds = {"zipped": OnceForAllStart, "old": OnceForAllStart, "weights": WeightsStart}
    rules = {
        WeightsStart: "path must name a safetensors file, got",
        OnceForAllStart: "path must name a file that torch.save wrote, got",
    }
    for name in ("zipped", "old", "weights", "empty"):
        for kind, rule in rules.items():
            start = kind(path=name)
            if kinds.get(name) is kind:
                check_file(start, tmp_path / name)
                continue
            with pytest.raises(InvalidStartError, match=f"^{rule} '{name}'$"):
                check_file(start, tmp_path / name)


def test_an_archive_of_something_else_is_no_checkpoint(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(InvalidStartError, match="torch"):
        check_file(OnceForAllStart(path="a"), tmp_path / "a")


def test_networks_are_the_same_whatever_their_classes() -> None:
    digits = MobileNetV3Settings.from_preset("digits")
    check_same_network(digits, MobileNetV3Settings.from_preset("digits", num_classes=3))
    with pytest.raises(InvalidStartError) as caught:
        check_same_network(digits, MobileNetV3Settings.from_preset("digits", head_width=48))
    assert str(caught.value) == "head_width must be 96, as in the training's space, got 48"


def test_to_choose_a_start_takes_no_torch() -> None:
    script = "import sys, supernet.starting_settings\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0

"""Starts as a user writes them, and the look at a file that needs no torch."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy
import safetensors.torch
import torch
from pydantic import TypeAdapter, ValidationError

from search_space.cnn import MobileNetV3Settings
from search_space.families import NETWORK_FAMILIES
from search_space.family import NetworkSettings
from search_space.tensors import is_transform
from supernet.base import Supernet
from supernet.errors import InvalidStartError
from supernet.starting_settings import (
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


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "torch")
    torch.save({"a": torch.ones(1)}, tmp_path / "old", _use_new_zipfile_serialization=False)
    tensors = {"a": torch.ones(1).numpy()}
    (tmp_path / "weights").write_bytes(safetensors.numpy.save(tensors))
    (tmp_path / "empty").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr("notes.txt", "hello")
    others = {
        WeightsStart: ("must name a safetensors file", ["torch", "old", "empty", "archive"]),
        OnceForAllStart: (
            "must name a file that torch.save wrote",
            ["weights", "empty", "archive"],
        ),
    }
    for kind, (rule, names) in others.items():
        for name in names:
            with pytest.raises(InvalidStartError, match=f"^path {rule}, got '{name}'$"):
                check_file(kind(path=name), tmp_path / name, FOUR)


FOUR = MobileNetV3Settings.from_preset("tiny", num_classes=4)


def faults(path: Path, settings: NetworkSettings, tensors: dict[str, Any]) -> str:
    """What the look at a file's header finds; "" where it fits."""
    safetensors.torch.save_file(tensors, path)
    try:
        check_file(WeightsStart(path=path.name), path, settings)
    except InvalidStartError as error:
        start = "path must hold the tensors of the space's largest network, got "
        return str(error).removeprefix(start).strip("'")
    return ""


@pytest.mark.parametrize("kind", sorted(NETWORK_FAMILIES))
def test_tensors_are_compared_by_the_header_alone(tmp_path: Path, kind: str) -> None:
    settings = NETWORK_FAMILIES[kind].from_preset("tiny")
    tensors = Supernet(settings).state_dict()
    path = tmp_path / "w"
    assert faults(path, settings, tensors) == ""
    plain = {name: tensor for name, tensor in tensors.items() if not is_transform(name)}
    assert faults(path, settings, plain) == ""
    half = {name: tensor.bfloat16() for name, tensor in plain.items()}
    assert faults(path, settings, half) == ""
    other = settings.model_copy(update={"num_classes": 3})
    assert faults(path, other, tensors) == ""
    first, *_, last = plain
    assert faults(path, settings, {**plain, first: plain[first][:1]}).startswith(
        f"1 of another shape ({first} (1, "
    )
    assert faults(path, settings, {**plain, first: plain[first].int()}) == (
        f"1 not of finite floating-point numbers ({first})"
    )
    missing = {name: tensor for name, tensor in plain.items() if name != last}
    assert faults(path, settings, {**missing, "x": torch.ones(1)}) == (
        f"1 missing ({last}); 1 unexpected (x)"
    )


def test_the_head_may_be_of_other_classes_but_not_of_another_width(tmp_path: Path) -> None:
    tensors = Supernet(FOUR).state_dict()
    assert faults(tmp_path / "w", FOUR.model_copy(update={"num_classes": 7}), tensors) == ""
    narrow = {**tensors, "classifier.weight": tensors["classifier.weight"][:, :3].contiguous()}
    assert faults(tmp_path / "w", FOUR, narrow).startswith("1 of another shape (classifier.weight")


def test_a_checkpoint_of_another_network_is_refused_by_our_names(tmp_path: Path) -> None:
    path, start = tmp_path / "a.pth", OnceForAllStart(path="a.pth")
    state = {"first_conv.conv.weight": torch.ones(1, 3), "blocks.0.conv.bn.bn.bias": torch.ones(2)}
    torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(InvalidStartError) as caught:
        check_file(start, path, FOUR)
    assert str(caught.value).startswith("path must hold the tensors of the space's largest network")
    assert "stem.conv.weight (1, 3) instead of (8, 1, 3, 3)" in str(caught.value)


def test_numbers_that_are_not_finite_are_found_in_a_checkpoint(tmp_path: Path) -> None:
    state = Supernet(FOUR).state_dict()  # what needs no other names stays as it is
    state["classifier.bias"][0] = torch.nan
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(InvalidStartError, match=r"1 not of finite .* \(classifier\.bias\)"):
        check_file(OnceForAllStart(path="a.pth"), tmp_path / "a.pth", FOUR)


def test_what_a_checkpoint_asks_for_beside_tensors_is_named(tmp_path: Path) -> None:
    torch.save({"state_dict": Path("a")}, tmp_path / "a.pth")
    with pytest.raises(InvalidStartError, match=r"path must be .* \(it asks for pathlib\.\w+\)"):
        check_file(OnceForAllStart(path="a.pth"), tmp_path / "a.pth", FOUR)


def test_only_spaces_of_its_family_start_from_a_checkpoint(tmp_path: Path) -> None:
    settings = NETWORK_FAMILIES["resnet"].from_preset("tiny")
    with pytest.raises(InvalidStartError, match=r"^kind must not be once_for_all for a space of"):
        check_file(OnceForAllStart(path="a.pth"), tmp_path / "a.pth", settings)


def test_networks_are_the_same_whatever_their_classes() -> None:
    digits = MobileNetV3Settings.from_preset("digits")
    check_same_network(digits, MobileNetV3Settings.from_preset("digits", num_classes=3))
    with pytest.raises(InvalidStartError) as caught:
        check_same_network(digits, MobileNetV3Settings.from_preset("digits", head_width=48))
    assert str(caught.value) == "head_width must be 96, as in the training's space, got 48"


def test_to_choose_a_start_takes_no_torch() -> None:
    script = "import sys, supernet.starting_settings\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0

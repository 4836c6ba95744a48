"""The page on training names every schedule and field, and its examples can be submitted."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from search_space.cnn import MobileNetV3Settings
from search_space.family import NetworkSettings
from search_space.stitching import StitchSettings
from search_space.vit import VisionTransformerSettings
from server.schemas.requests import SupernetBody
from supernet.schedules.progressive_shrinking import PhaseSettings
from supernet.schedules.settings import ScheduleSettings
from supernet.settings import TrainingSettings
from supernet.starting_settings import StartSettings

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
EXAMPLES: list[dict[str, Any]] = [
    json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
]
TRAININGS = [example for example in EXAMPLES if "schedule" in example]
KINDS = get_args(get_args(ScheduleSettings)[0])
FAMILY_OF: dict[str, type[NetworkSettings]] = {
    "multi_architecture": VisionTransformerSettings,
    "stitching": StitchSettings,
}


@pytest.mark.parametrize("settings", [*KINDS, PhaseSettings, TrainingSettings])
def test_every_kind_and_field_is_named(settings: Any) -> None:
    fields = settings.model_fields
    if "kind" in fields:
        assert f"| `{fields['kind'].default}`" in PAGE
    assert [name for name in fields if name != "kind" and f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("start", get_args(get_args(StartSettings)[0]))
def test_every_start_is_named(start: Any) -> None:
    assert f'"kind": "{start.model_fields["kind"].default}"' in PAGE


def test_every_schedule_has_an_example() -> None:
    found = {example["schedule"]["kind"] for example in TRAININGS}
    assert found == {kind.model_fields["kind"].default for kind in KINDS}


@pytest.mark.parametrize("example", TRAININGS, ids=lambda example: example["schedule"]["kind"])
def test_examples_fit_a_preset(example: dict[str, Any]) -> None:
    family = FAMILY_OF.get(example["schedule"]["kind"], MobileNetV3Settings)
    network = family.from_preset("tiny")
    settings = TrainingSettings.model_validate(example)
    schedule = settings.build_schedule(network, network.build(), num_images=1000, num_workers=1)
    assert schedule.horizon.epochs == example["epochs"]


def test_the_whole_submission_is_valid() -> None:
    (whole,) = [example for example in EXAMPLES if "training" in example]
    assert SupernetBody.model_validate(whole).training.schedule.kind == "sandwich"

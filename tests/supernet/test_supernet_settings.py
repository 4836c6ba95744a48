import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError
from supernet_examples import SETTINGS

from search_space.space import InvalidArchitectureError
from supernet.schedules.base import Horizon
from supernet.schedules.settings import ScheduleSettings
from supernet.schedules.single import SingleSettings
from supernet.settings import AccuracySettings, TrainingSettings


def test_settings_and_data_sets_are_checked_without_torch() -> None:
    code = (
        "import supernet.settings, supernet.datasets, sys; "
        "print({'torch', 'sklearn', 'onnx'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert printed.stdout == b"set()\n"


def test_presets_are_settings_and_fields_can_be_replaced() -> None:
    settings = TrainingSettings.preset("digits", epochs=7)
    assert settings.epochs == 7
    assert TrainingSettings.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "greater than or equal to 1"),
        ({"learning_rate": float("nan")}, "finite number"),
        ({"learning_rate": -1}, "greater than 0"),
        ({"weight_decay": float("inf")}, "finite number"),
        ({"batch_size": 0}, "greater than or equal to 1"),
        ({"schedule": {"kind": "pyramid"}}, "'sandwich', 'progressive_shrinking'"),
        ({"colour": 1}, "Extra inputs are not permitted"),
    ],
)
def test_bad_settings_name_the_field_and_the_rule(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        TrainingSettings.model_validate(fields)
    assert caught.value.errors()[0]["loc"][0] in fields


def test_schedules_are_told_apart_by_kind() -> None:
    adapter = TypeAdapter(ScheduleSettings)
    assert adapter.validate_python({"kind": "single", "architecture": {"a": 3}}) == SingleSettings(
        architecture={"a": 3}
    )
    assert adapter.validate_python({"kind": "sandwich", "num_random": 1}).num_random == 1


def test_a_single_architecture_must_be_of_the_space() -> None:
    with pytest.raises(InvalidArchitectureError, match="depth"):
        SingleSettings(architecture={"depth": 3}).build(SETTINGS.build(), Horizon(1, 1, 0.1))


def test_accuracy_settings_survive_json() -> None:
    settings = AccuracySettings(split="test", calibration_images=10)
    assert AccuracySettings.model_validate_json(settings.model_dump_json()) == settings


def test_evaluations_that_may_not_end_early_keep_their_key() -> None:
    assert "successive" not in AccuracySettings().model_dump(mode="json")
    chosen = AccuracySettings(successive=True)
    assert chosen.model_dump(mode="json")["successive"] is True
    assert AccuracySettings.model_validate(chosen.model_dump(mode="json")) == chosen
    older = {"split": "validation", "calibration_images": 512, "batch_size": 256}
    assert AccuracySettings.model_validate(older) == AccuracySettings()

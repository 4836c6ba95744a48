import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError
from supernet_examples import SETTINGS

from search_space.space import InvalidArchitectureError
from supernet.optimizer import learning_rate
from supernet.settings import AccuracySettings, ScheduleSettings, SingleSettings, TrainingSettings


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
        ({"schedule": {"kind": "pyramid"}}, "'sandwich', 'single'"),
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
        SingleSettings(architecture={"depth": 3}).build(SETTINGS.build())


def test_accuracy_settings_survive_json() -> None:
    settings = AccuracySettings(split="test", calibration_images=10)
    assert AccuracySettings.model_validate_json(settings.model_dump_json()) == settings


def test_the_learning_rate_warms_up_and_falls_to_zero_along_a_cosine() -> None:
    settings = TrainingSettings(epochs=10, warmup_epochs=2, learning_rate=0.4)
    rates = [learning_rate(settings, 5, step) for step in range(50)]
    assert rates[:10] == pytest.approx([0.04 * (step + 1) for step in range(10)])
    assert rates[10] == 0.4
    assert rates[30] == pytest.approx(0.2)  # half way between warm-up and end
    assert rates[49] == pytest.approx(0.4 * 0.5 * (1 - 0.99691733), rel=1e-3)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_without_warm_up_the_rate_starts_at_its_peak() -> None:
    settings = TrainingSettings(epochs=1, warmup_epochs=0, learning_rate=0.4)
    assert learning_rate(settings, 5, 0) == 0.4


def test_a_warm_up_longer_than_the_training_never_ends() -> None:
    settings = TrainingSettings(epochs=1, warmup_epochs=4, learning_rate=0.4)
    assert learning_rate(settings, 4, 3) == pytest.approx(0.4)

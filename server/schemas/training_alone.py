"""Training settings of one network alone: whoever asks for it may not choose a schedule."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from server.errors import Fault
from supernet.settings import TrainingSettings

FINE_TUNING_DEFAULTS: Mapping[str, Any] = {
    "epochs": 5,
    "learning_rate": 0.01,
    "warmup_epochs": 0.5,
}
"""Few epochs at a small rate: the weights are good already."""


def _fine_tuning(value: Any) -> Any:
    return {**FINE_TUNING_DEFAULTS, **value} if isinstance(value, Mapping) else value


FineTuning = Annotated[
    TrainingSettings,
    BeforeValidator(_fine_tuning),
    Field(
        description="As a supernet's training, but without a schedule; by default few epochs at a "
        "small rate: " + ", ".join(f"{k} {v}" for k, v in FINE_TUNING_DEFAULTS.items()) + "."
    ),
]


def schedule_faults(settings: TrainingSettings, pointer: str) -> list[Fault]:
    """Returns what is wrong with settings that name a schedule; nothing if they do not.

    Args:
        settings: as they were given.
        pointer: to them.
    """
    if "schedule" not in settings.model_fields_set:
        return []
    rule = "must not be given: each network is trained by itself"
    return [Fault(f"{pointer}/schedule", rule, settings.schedule.model_dump(mode="json"))]


def as_json(settings: TrainingSettings) -> dict[str, Any]:
    """Returns the settings as JSON, without the schedule."""
    return settings.model_dump(mode="json", exclude={"schedule"})

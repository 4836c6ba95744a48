"""Training settings of one network alone: what a request leaves open, its supernet's fill in."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from server.errors import Fault, InvalidRequestError
from server.tables import Json
from supernet.schedules.base import InvalidTrainingError
from supernet.settings import TrainingSettings

FINE_TUNING: Mapping[str, Any] = {"epochs": 5, "learning_rate": 0.01, "warmup_epochs": 0.5}
"""Few epochs at a small rate: the weights are good already."""


def schedule_faults(given: TrainingSettings, pointer: str) -> list[Fault]:
    """Returns what is wrong with settings that name a schedule; nothing if they do not.

    Args:
        given: settings of a request.
        pointer: to them.
    """
    if "schedule" not in given.model_fields_set:
        return []
    rule = "must not be given: each network is trained by itself"
    return [Fault(f"{pointer}/schedule", rule, given.schedule.model_dump(mode="json"))]


def completed(
    given: TrainingSettings,
    supernet_training: Json,
    pointer: str,
    *,
    num_images: int,
    num_workers: int = 1,
    defaults: Mapping[str, Any] | None = None,
) -> Json:
    """Returns complete settings as JSON, without a schedule.

    Args:
        given: settings of a request; only those fields count that the request set.
        supernet_training: what the supernet was trained with, for all others.
        pointer: to `given`.
        num_images: training images of the data set.
        num_workers: that train one network together.
        defaults: what goes before the supernet's.

    Raises:
        InvalidRequestError: what is given does not fit what the supernet was trained with.
    """
    values = {
        **{name: value for name, value in supernet_training.items() if name != "schedule"},
        **(defaults or {}),
        **given.model_dump(mode="json", exclude_unset=True),
    }
    try:
        settings = TrainingSettings.model_validate(values)
        settings.check_batch(num_images, num_workers)
    except InvalidTrainingError as error:
        raise InvalidRequestError.single(
            f"{pointer}/{error.field}", error.rule, error.value
        ) from None
    except ValidationError as error:
        raise InvalidRequestError(
            [
                Fault("/".join((pointer, *map(str, fault["loc"]))), fault["msg"], fault["input"])
                for fault in error.errors()
            ]
        ) from error
    return as_json(settings)


def as_json(settings: TrainingSettings) -> Json:
    """Returns the settings as JSON, without the schedule."""
    return settings.model_dump(mode="json", exclude={"schedule"})

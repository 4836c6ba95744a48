"""One architecture, trained alone: stand-alone baselines and fine-tuning."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from search_space.space import Architecture, SearchSpace
from supernet.schedules.base import Horizon, Loss, Schedule, Step, Subnet


class SingleSettings(BaseModel):
    """One architecture, trained on the labels and, if wanted, on a teacher's outputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["single"] = "single"
    architecture: dict[str, StrictInt | StrictFloat | StrictStr]
    distillation: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="Weight of the soft loss against the training's teacher, beside the labels'; "
        "0 needs no teacher.",
    )
    temperature: float = Field(default=1.0, gt=0, le=100)

    def build(self, space: SearchSpace, horizon: Horizon) -> Schedule:
        """Returns the schedule over a space.

        Raises:
            InvalidArchitectureError: the architecture is not of the space.
        """
        return Single(space, horizon, self)


class Single(Schedule):
    """Every step trains the one architecture."""

    def __init__(self, space: SearchSpace, horizon: Horizon, settings: SingleSettings) -> None:
        super().__init__(space, horizon)
        losses = [Loss("labels")]
        self.needs_teacher = settings.distillation > 0
        if self.needs_teacher:
            losses.append(Loss("teacher", settings.distillation, settings.temperature))
        self._subnet = Subnet(space.validate(settings.architecture), tuple(losses))

    def step(self, number: int, rng: np.random.Generator) -> Step:  # noqa: ARG002 (it never changes)
        """Returns the one architecture."""
        return Step((self._subnet,))

    def recurring(self) -> tuple[Architecture, ...]:
        """Returns the one architecture."""
        return (self._subnet.architecture,)

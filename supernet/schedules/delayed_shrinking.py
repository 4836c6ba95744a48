"""Delayed shrinking with a ramp (DepS; Annavajjala et al. 2024, ECCV)."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from search_space.space import Architecture, SearchSpace
from supernet.schedules.base import (
    Action,
    Horizon,
    InvalidTrainingError,
    Loss,
    Schedule,
    Step,
    Subnet,
)


class DelayedShrinkingSettings(BaseModel):
    """The largest network alone at first; then the sandwich rule under a rising rate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["delayed_shrinking"] = "delayed_shrinking"
    start: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="Share of the epochs that train the largest network alone; 0 distils from an "
        "untrained one.",
    )
    ramp_epochs: float = Field(
        default=5.0,
        ge=0,
        le=100_000,
        description="Epochs over which the smaller networks' effective rate rises linearly from 0 "
        "to that of the largest; 0 starts at once.",
    )
    num_random: int = Field(
        default=2, ge=0, le=64, description="Random networks per step, beside both extremes."
    )
    sort_channels: bool = Field(
        default=True, description="Sort hidden channels by importance when shrinking starts."
    )
    temperature: float = Field(default=1.0, gt=0, le=100)

    def build(self, space: SearchSpace, horizon: Horizon) -> Schedule:
        """Returns the schedule over a space.

        Raises:
            InvalidTrainingError: a part would have no step, or the ramp would not end within the
                training.
        """
        return DelayedShrinking(space, horizon, self)


class DelayedShrinking(Schedule):
    """Delayed epsilon-shrinking, in one training.

    1. Full-model warm-up: the largest network alone, on the labels.
    2. Its channels are sorted by importance, once.
    3. Each step trains the largest on the labels, the smallest and some random networks on its soft
       outputs. Theirs is weighted by beta, so that their effective rate beta(t) eta(t) climbs
       linearly from 0 to eta(W), the largest network's rate at the end W of the ramp, while the
       largest keeps eta(t); afterwards beta is 1 (SUPERNETS: E-Shrinking).

    The released code looks eta(W) up in tables for four lengths of training and masks gradients by
    full-size copies of all parameters. Here eta(W) comes from the schedule of the learning rate,
    whatever it is, and beta weights the losses: gradients outside a sub-network's slice are zero
    anyway, so both are the same update.

    Args:
        space: of the architectures.
        horizon: of the training.
        settings: when shrinking starts and how.

    Raises:
        InvalidTrainingError: a part would have no step, or the ramp would not end within the
            training.
    """

    def __init__(
        self, space: SearchSpace, horizon: Horizon, settings: DelayedShrinkingSettings
    ) -> None:
        super().__init__(space, horizon)
        self._settings = settings
        start_epoch = round(settings.start * horizon.epochs)
        self._start = start_epoch * horizon.steps_per_epoch
        self._num_ramp_steps = round(settings.ramp_epochs * horizon.steps_per_epoch)
        if (settings.start > 0 and start_epoch == 0) or start_epoch == horizon.epochs:
            raise InvalidTrainingError(
                "schedule.start",
                f"must be 0, or leave the largest network alone and what follows at least one of "
                f"{horizon.epochs} epochs each",
                settings.start,
            )
        if settings.ramp_epochs > 0 and self._num_ramp_steps == 0:
            raise InvalidTrainingError(
                "schedule.ramp_epochs",
                f"must be 0, or at least one step of {horizon.steps_per_epoch} per epoch",
                settings.ramp_epochs,
            )
        if start_epoch + settings.ramp_epochs >= horizon.epochs:
            raise InvalidTrainingError(
                "schedule.ramp_epochs",
                f"must end before the training does: with start {settings.start:g} of "
                f"{horizon.epochs} epochs it must be below {horizon.epochs - start_epoch}",
                settings.ramp_epochs,
            )

    def step(self, number: int, rng: np.random.Generator) -> Step:
        """Returns the largest network and, once shrinking has started, the others."""
        largest = Subnet(self.space.largest())
        if number < self._start:
            return Step((largest,))
        losses = (Loss("largest", self.ramp(number), self._settings.temperature),)
        drawn = [
            self.space.decode(row) for row in self.space.sample(self._settings.num_random, rng)
        ]
        others = (Subnet(architecture, losses) for architecture in (self.space.smallest(), *drawn))
        return Step((largest, *others))

    def ramp(self, number: int) -> float:
        """Returns beta, the weight of the smaller networks' losses in a step.

        With k steps since the start, W the step at which the ramp ends, S N its length in steps:
        beta = eta(W) (k + 1) / (S N) / eta(t) before W, 1 from then on (the released code's
        `min_multiplier` m is 1).
        """
        since = number - self._start
        if since >= self._num_ramp_steps:
            return 1.0
        at_its_end = self.learning_rate(self._start + self._num_ramp_steps)
        return at_its_end * (since + 1) / self._num_ramp_steps / self.learning_rate(number)

    def actions(self, number: int) -> tuple[Action, ...]:
        """Sorts the channels when shrinking starts, unless nothing was trained before."""
        is_start = number == self._start and number > 0
        return ("sort_channels",) if is_start and self._settings.sort_channels else ()

    def phase(self, number: int) -> str:
        """Returns which of the three parts a step belongs to."""
        if number < self._start:
            return "largest alone"
        return "ramp" if number < self._start + self._num_ramp_steps else "shrinking"

    def recurring(self) -> tuple[Architecture, ...]:
        """Returns both extremes."""
        return (self.space.largest(), self.space.smallest())

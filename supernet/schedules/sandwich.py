"""The sandwich rule with in-place distillation."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from search_space.space import Architecture, SearchSpace
from supernet.schedules.base import Horizon, Loss, Schedule, Step, Subnet

IN_PLACE = (Loss("largest"),)


class SandwichSettings(BaseModel):
    """The sandwich rule: largest, smallest and random networks in every step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sandwich"] = "sandwich"
    num_random: int = Field(
        default=2, ge=0, le=64, description="Random networks per step, beside both extremes."
    )

    def build(self, space: SearchSpace, horizon: Horizon) -> Schedule:
        """Returns the schedule over a space."""
        return Sandwich(space, horizon, self.num_random)


class Sandwich(Schedule):
    """The sandwich rule with in-place distillation (Yu and Huang 2019, arXiv 1903.05134, sec. 3).

    Each step trains the largest network on the labels, and the smallest and some random ones on the
    soft outputs of the largest, as BigNAS does (Yu et al. 2020, arXiv 2003.11142, section 3.1).

    Args:
        space: of the architectures.
        horizon: of the training.
        num_random: random architectures per step, beside the largest and the smallest.
    """

    def __init__(self, space: SearchSpace, horizon: Horizon, num_random: int) -> None:
        super().__init__(space, horizon)
        self._num_random = num_random

    def step(self, number: int, rng: np.random.Generator) -> Step:  # noqa: ARG002 (all are alike)
        """Returns the largest, the smallest and the random ones."""
        drawn = [self.space.decode(row) for row in self.space.sample(self._num_random, rng)]
        others = (
            Subnet(architecture, IN_PLACE) for architecture in (self.space.smallest(), *drawn)
        )
        return Step((Subnet(self.space.largest()), *others))

    def recurring(self) -> tuple[Architecture, ...]:
        """Returns both extremes."""
        return (self.space.largest(), self.space.smallest())

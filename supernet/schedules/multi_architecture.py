"""Several architectures in one pass (Liao et al. 2021, ViT-ResNAS, arXiv 2109.00642, sec. 3.3)."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from search_space.space import SearchSpace
from supernet.schedules.base import Horizon, Schedule, Step, Subnet
from supernet.schedules.sampling import DEPTHS, dimension, draw


class MultiArchitectureSettings(BaseModel):
    """The batch is divided among several random networks, all trained in one pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["multi_architecture"] = "multi_architecture"
    num_architectures: int = Field(default=2, ge=1, le=64, description="Networks per step.")
    widening_share: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Share of the epochs over which ever smaller options are admitted, the widest "
        "first.",
    )

    def build(self, space: SearchSpace, horizon: Horizon) -> Schedule:
        """Returns the schedule over a space."""
        return MultiArchitecture(space, horizon, self)


class MultiArchitecture(Schedule):
    """Multi-architectural sampling: each step trains several networks, each on its own images.

    Early in the training only the widest options of each choice are admitted: after `epoch` of W
    epochs min(1 + floor(epoch (n - 1) / W), n) of n (the released code's warm-up). Which blocks
    there are is drawn from all options from the start, as there.

    Args:
        space: of the architectures.
        horizon: of the training.
        settings: how many networks, how fast.
    """

    def __init__(
        self, space: SearchSpace, horizon: Horizon, settings: MultiArchitectureSettings
    ) -> None:
        super().__init__(space, horizon)
        self._num_architectures = settings.num_architectures
        self._widening_epochs = settings.widening_share * horizon.epochs
        self._is_width = np.array([dimension(c.name) not in DEPTHS for c in space.choices])

    def step(self, number: int, rng: np.random.Generator) -> Step:
        """Returns the networks among which the step's batch is divided."""
        drawn = draw(self.space, self.admitted(number), self._num_architectures, rng)
        return Step(tuple(map(Subnet, drawn)), is_divided=True)

    def admitted(self, number: int) -> np.ndarray:
        """Returns how many options of each choice a step admits, shape (num_choices,)."""
        every = self.space.num_options
        epoch = number // self.horizon.steps_per_epoch
        if epoch >= self._widening_epochs:
            return every
        widened = 1 + (epoch * (every - 1) // self._widening_epochs).astype(np.int64)
        return np.where(self._is_width, np.minimum(widened, every), every)

"""Stitched networks, one of them in each step (SN-Net and SN-Netv2).

Pan et al. 2023, arXiv 2302.06586, section 3.4; Pan et al. 2023, arXiv 2307.00154.
"""

from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from search_space.space import Architecture, SearchSpace
from search_space.stitching import StitchSettings
from supernet.schedules.base import Action, Horizon, Loss, Schedule, Step, Subnet
from supernet.schedules.cost_groups import cost_groups, default_gap, group_probabilities


class StitchingSettings(BaseModel):
    """One network of a stitched space in each step; anchors change slowly."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["stitching"] = "stitching"
    sampling: Literal["uniform", "cost_grouped"] = Field(
        default="cost_grouped",
        description="Whether every network is drawn as often (SN-Net), or every group of networks "
        "of about the same multiply-accumulates (SN-Netv2).",
    )
    group_gap_macs: int | None = Field(
        default=None,
        ge=0,
        le=10**18,
        description="By how much the costs of a group may exceed those of its cheapest network; "
        "null takes a thirteenth of the range, the published proportion.",
    )
    group_tilt: float | None = Field(
        default=None,
        gt=0,
        le=1e9,
        description="k, where the group number i of n, from 0, is drawn in proportion to "
        "i / k + 1 / n; null draws all groups as often.",
    )
    anchor_rate: float = Field(
        default=0.1,
        ge=0,
        le=100,
        description="Learning rate of the anchors' weights, as a share of that of the stitching "
        "layers; 0 leaves them as they are.",
    )
    distillation: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="Weight of the soft loss against the largest anchor as the training found it, "
        "beside the labels'.",
    )
    temperature: float = Field(default=1.0, gt=0, le=100)

    def build(self, space: SearchSpace, horizon: Horizon, network: StitchSettings) -> Schedule:
        """Returns the schedule over the space of a stitched family, or what is left of it."""
        return Stitching(space, horizon, self, network)


class Stitching(Schedule):
    """Each step trains one network, which may be a whole anchor.

    The released code of SN-Netv2 draws networks as this does, but trains all weights at one rate;
    that of SN-Net trains the anchors' at a tenth of it where they are hierarchical. There the
    teacher, where there is one, is another network; here it is the largest anchor.

    Args:
        space: of the architectures.
        horizon: of the training.
        settings: how networks are drawn and what they learn from.
        network: the family: what its networks cost, and which layers are stitching layers.
    """

    def __init__(
        self,
        space: SearchSpace,
        horizon: Horizon,
        settings: StitchingSettings,
        network: StitchSettings,
    ) -> None:
        super().__init__(space, horizon)
        self._settings = settings
        self._network = network
        self._stitches = tuple(f"{layer.name}." for layer in network.stitch_layers())
        self._losses: tuple[Loss, ...] = (Loss("labels"),)
        if settings.distillation > 0:
            self._losses += (Loss("teacher", settings.distillation, settings.temperature),)

    def step(self, number: int, rng: np.random.Generator) -> Step:  # noqa: ARG002 (all are alike)
        """Returns the one network."""
        if self._settings.sampling == "uniform":
            (row,) = self.space.sample(1, rng)
            architecture = self.space.decode(row)
        else:
            group = rng.choice(len(self.groups), p=self._probabilities)
            members = self.groups[group]
            architecture = members[rng.integers(len(members))]
        return Step((Subnet(architecture, self._losses),))

    @cached_property
    def groups(self) -> tuple[tuple[Architecture, ...], ...]:
        """All networks, in groups of about the same multiply-accumulates, cheapest first."""
        # A stitched space has no conditions: every combination of options is a network.
        counts = self.space.num_options.tolist()
        rows = np.indices(counts).reshape(len(counts), -1).T
        networks = [self.space.decode(row) for row in rows]
        macs: npt.NDArray[np.int64] = np.array(
            [self._network.macs(architecture) for architecture in networks]
        )
        gap = self._settings.group_gap_macs
        groups = cost_groups(macs, default_gap(macs) if gap is None else gap)
        return tuple(tuple(networks[position] for position in group) for group in groups)

    @cached_property
    def _probabilities(self) -> npt.NDArray[np.float64]:
        return group_probabilities(len(self.groups), self._settings.group_tilt)

    def rate_scale(self, parameter_name: str) -> float:
        """Returns 1 for stitching layers, and the anchors' share for all else."""
        return 1.0 if parameter_name.startswith(self._stitches) else self._settings.anchor_rate

    def actions(self, number: int) -> tuple[Action, ...]:
        """Keeps the largest anchor as it is at the start, where it is the teacher."""
        return ("keep_teacher",) if number == 0 and self._settings.distillation > 0 else ()

    def recurring(self) -> tuple[Architecture, ...]:
        """Returns nothing: no network is trained in most steps."""
        return ()

"""Which architectures a training step trains, and towards what.

A schedule is a value: what it returns is a function of its arguments, so that every rank of a
training, and a training that resumes, draws the same architectures.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from search_space.space import Architecture, SearchSpace

Targets = Literal["labels", "largest"]


@dataclass(frozen=True)
class Subnet:
    """One sub-network of a step.

    Attributes:
        architecture: what to train.
        targets: the images' labels, or the soft outputs of the largest network on the same images
            (which is then an earlier sub-network of the same step).
        weight: factor of its loss in the step's sum.
        distillation: weight of the soft cross-entropy against the training's teacher, a network
            beside the supernet, which is added to the loss on the labels.
    """

    architecture: Architecture
    targets: Targets = "labels"
    weight: float = 1.0
    distillation: float = 0.0


class Schedule(ABC):
    """Says which sub-networks a step trains.

    Attributes:
        sort_epoch: before which epoch the channels are sorted by importance, once; None for never.
    """

    sort_epoch: int | None = None

    @abstractmethod
    def step(self, epoch: float, rng: np.random.Generator) -> Sequence[Subnet]:
        """Returns the sub-networks of one step, in the order in which they are trained.

        Args:
            epoch: passes over the training images so far; 1.5 is the middle of the second.
            rng: of this step alone.
        """


@dataclass(frozen=True)
class Sandwich(Schedule):
    """The sandwich rule with in-place distillation (Yu and Huang 2019, arXiv 1903.05134, sec. 3).

    Each step trains the largest network on the labels, and the smallest and some random ones on
    the soft outputs of the largest.

    Attributes:
        space: of the architectures.
        num_random: random architectures per step, beside the largest and the smallest.
        sort_epoch: epochs at the start that train the largest network alone; after them its
            channels are sorted by importance. None starts with the whole rule.
    """

    space: SearchSpace
    num_random: int
    sort_epoch: int | None = None

    def step(self, epoch: float, rng: np.random.Generator) -> Sequence[Subnet]:
        """Returns the largest, the smallest and the random ones."""
        largest = Subnet(self.space.largest())
        if self.sort_epoch is not None and epoch < self.sort_epoch:
            return [largest]
        drawn = [self.space.decode(row) for row in self.space.sample(self.num_random, rng)]
        others = [self.space.smallest(), *drawn]
        return [largest, *(Subnet(architecture, "largest") for architecture in others)]


@dataclass(frozen=True)
class Single(Schedule):
    """Every step trains one architecture on the labels, and on a teacher where that is wished.

    Attributes:
        architecture: the only one.
        distillation: as of `Subnet`.
    """

    architecture: Architecture
    distillation: float = 0.0

    def step(self, epoch: float, rng: np.random.Generator) -> Sequence[Subnet]:  # noqa: ARG002 (it never changes)
        """Returns the one architecture."""
        return [Subnet(self.architecture, distillation=self.distillation)]

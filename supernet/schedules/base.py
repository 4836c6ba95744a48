"""What a schedule says of each training step.

A schedule is a value: what it returns is a function of its arguments, so that every rank of a
training, and a training that resumes, does the same.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np

from search_space.space import Architecture, SearchSpace
from supernet.errors import FieldError

Targets = Literal["labels", "largest", "teacher"]
Action = Literal["sort_channels", "keep_teacher"]


@dataclass(frozen=True)
class Loss:
    """One term of a sub-network's loss.

    Attributes:
        targets: the images' labels; or the soft outputs, on the same images, of the largest network
            of the same step (which comes before); or those of the training's frozen teacher.
        weight: its factor in the step's sum. It scales gradients; under SGD that is a rate of its
            own.
        temperature: divides both logits of a soft loss, which is then multiplied by its square
            (Hinton et al. 2015, arXiv 1503.02531, section 2); means nothing for labels.
    """

    targets: Targets = "labels"
    weight: float = 1.0
    temperature: float = 1.0


ON_LABELS = (Loss("labels"),)


@dataclass(frozen=True)
class Subnet:
    """One sub-network of a step.

    Attributes:
        architecture: what to train.
        losses: the terms of its loss, at least one.
    """

    architecture: Architecture
    losses: tuple[Loss, ...] = ON_LABELS


@dataclass(frozen=True)
class Step:
    """What one step trains.

    Attributes:
        subnets: in the order in which they are trained; their gradients are summed.
        is_divided: whether the batch is divided among the sub-networks, all of them in one pass;
            otherwise each sees the whole batch.
    """

    subnets: tuple[Subnet, ...]
    is_divided: bool = False


@dataclass(frozen=True)
class Horizon:
    """How long a training is, and its learning rate.

    Attributes:
        epochs: passes over the training images.
        steps_per_epoch: whole batches of each.
        learning_rate: at its peak.
        warmup_epochs: over which the rate rises linearly from nearly 0.
    """

    epochs: int
    steps_per_epoch: int
    learning_rate: float
    warmup_epochs: float = 0.0

    @property
    def num_steps(self) -> int:
        """Steps in all."""
        return self.epochs * self.steps_per_epoch

    def rate(self, step: int) -> float:
        """Returns the learning rate of one step: linear warm-up, then half a cosine down to 0.

        The cosine is that of Loshchilov and Hutter 2017 (arXiv 1608.03983, eq. 5) without restarts.
        """
        warmup = min(self.warmup_epochs * self.steps_per_epoch, self.num_steps)
        if step < warmup:
            return self.learning_rate * min(1.0, (step + 1) / warmup)
        progress = (step - warmup) / (self.num_steps - warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


class InvalidTrainingError(FieldError):
    """Settings of a training do not fit the space, the data or each other."""


class Schedule(ABC):
    """Says what each step of a training does.

    Attributes:
        needs_teacher: whether a teacher must be given from outside.

    Args:
        space: of the architectures.
        horizon: of the whole training.
    """

    needs_teacher: bool = False

    def __init__(self, space: SearchSpace, horizon: Horizon) -> None:
        self.space = space
        self.horizon = horizon

    @abstractmethod
    def step(self, number: int, rng: np.random.Generator) -> Step:
        """Returns what a step trains.

        Args:
            number: of the step, from 0.
            rng: of this step alone.
        """

    def learning_rate(self, number: int) -> float:
        """Returns the learning rate of a step: by default the horizon's."""
        return self.horizon.rate(number)

    def rate_scale(self, parameter_name: str) -> float:  # noqa: ARG002 (most scale nothing)
        """Returns the factor of a parameter's learning rate in every step, at least 0.

        Args:
            parameter_name: as the supernet has it ("stage1.block1.expand.conv.weight").
        """
        return 1.0

    def actions(self, number: int) -> tuple[Action, ...]:  # noqa: ARG002 (most steps have none)
        """Returns what is done, in this order, before a step.

        `sort_channels` sorts hidden channels by importance; `keep_teacher` freezes a copy of the
        largest network, which is the teacher of all later steps.
        """
        return ()

    def trained_widths(self, number: int) -> tuple[Architecture, ...]:  # noqa: ARG002 (most none)
        """Returns networks of all widths, but for the largest, that were trained before a step.

        Where channels are sorted before that step, these networks keep theirs.
        """
        return ()

    def phase(self, number: int) -> str:  # noqa: ARG002 (most schedules have only one)
        """Returns the name of the phase that a step belongs to; "" where there is only one."""
        return ""

    def recurring(self) -> tuple[Architecture, ...]:
        """Returns architectures that most steps train, for which preparations pay."""
        return (self.space.largest(),)

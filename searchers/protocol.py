"""The protocol between a search and its policy: ask for proposals, tell what was observed.

    searcher = settings.build(problem, seed)
    while budget remains:
        proposals = searcher.ask(count)
        searcher.tell([Observation(proposal, evaluate(proposal.architecture)) ...])

A searcher is deterministic given its settings, its seed and the log of its asks and tells, so it
is never stored: rebuilt from those three, it goes on as if nothing had happened.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from search_space.outcomes import METRIC_GOALS, Goal, Outcome
from search_space.space import Architecture, SearchSpace

FiniteNumber = Annotated[float, Field(strict=True, allow_inf_nan=False)]
MAX_WARM_START = 10_000
WarmStart = Annotated[
    tuple[dict[str, StrictInt | StrictFloat | StrictStr], ...],
    Field(
        max_length=MAX_WARM_START,
        description="Architectures that are proposed before any other, in this order: those that "
        "did well before, say. They must be of the space.",
    ),
]
"""A field of every searcher's settings, so that what it starts from is part of them by value."""
MetricName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.\-]+$")]


class MissingMetricError(ValueError):
    """An evaluation does not report a metric that the problem is about.

    Attributes:
        metric: what is missing.
    """

    def __init__(self, metric: str, measured: Mapping[str, float]) -> None:
        super().__init__(f"metric {metric!r} must be measured, got {sorted(measured)}")
        self.metric = metric


class UnsuitableProblemError(ValueError):
    """A searcher with these settings cannot do this problem.

    Attributes:
        field: of the settings, as a path ("reward.metric"); empty where it is the kind itself.
        rule: what would be accepted.
        value: what was given.
    """

    def __init__(self, field: str, rule: str, value: object) -> None:
        super().__init__(field, rule, value)  # all arguments, so that it can be pickled
        self.field = field
        self.rule = rule
        self.value = value

    def __str__(self) -> str:
        return f"searcher{self.field and '.'}{self.field} {self.rule}, got {self.value!r}"


def _natural_goal(values: dict[str, Any]) -> Any:
    """None, which is then refused, for a metric whose direction is not known."""
    return METRIC_GOALS.get(values["metric"])


class _OnMetric(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: MetricName


class Objective(_OnMetric):
    """A metric to optimize; a metric of `METRIC_GOALS` has its natural goal by default."""

    goal: Goal = Field(default_factory=_natural_goal, validate_default=True)


class Limit(_OnMetric):
    """A closed range that a metric must lie in, in natural units; open where a side is not given.

    A limit on a metric that is also an objective is usual: "accurate and fast, at most 5 ms".
    """

    lower: FiniteNumber | None = None
    upper: FiniteNumber | None = None

    @model_validator(mode="after")
    def _check_sides(self) -> Self:
        if self.lower is None and self.upper is None:
            raise ValueError(f"limit on {self.metric} must have a lower or an upper, got neither")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(
                f"limit on {self.metric} must have lower <= upper, "
                f"got lower {self.lower} and upper {self.upper}"
            )
        return self

    def violation(self, value: float) -> float:
        """Returns by how much a value lies outside, as a fraction of the side it passes.

        A side at 0 has no scale: there the excess itself is returned.

        Returns:
            0 exactly when the value is within; otherwise positive and finite.
        """
        excess = 0.0
        if self.upper is not None and value > self.upper:
            excess = (value - self.upper) / (abs(self.upper) or 1.0)
        elif self.lower is not None and value < self.lower:
            excess = (self.lower - value) / (abs(self.lower) or 1.0)
        return min(excess, sys.float_info.max)

    def violations(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Returns `violation` of each of many values, shape (count,)."""
        excess = np.zeros(len(values))
        with np.errstate(over="ignore"):  # the largest number stands for what is beyond it
            if self.upper is not None:
                above = (values - self.upper) / (abs(self.upper) or 1.0)
                excess = np.maximum(excess, above)
            if self.lower is not None:
                below = (self.lower - values) / (abs(self.lower) or 1.0)
                excess = np.maximum(excess, below)
        return np.minimum(excess, sys.float_info.max)


_Part = TypeVar("_Part", bound=_OnMetric)


def _distinct(parts: tuple[_Part, ...]) -> tuple[_Part, ...]:
    metrics = [part.metric for part in parts]
    if len(set(metrics)) != len(metrics):
        raise ValueError(f"metrics must be distinct, got {metrics}")
    return parts


Objectives = Annotated[tuple[Objective, ...], Field(min_length=1), AfterValidator(_distinct)]
"""One or more objectives on distinct metrics, as a field of a pydantic model."""
Limits = Annotated[tuple[Limit, ...], AfterValidator(_distinct)]
"""Any number of limits on distinct metrics, as a field of a pydantic model."""


@dataclass(frozen=True)
class Problem:
    """What is searched for: the best architectures of a space by some metrics, within limits.

    The only place where signs flip: metrics are in natural units and direction, losses are to be
    minimized.

    Attributes:
        space: where architectures come from.
        objectives: at least one, on distinct metrics.
        limits: on distinct metrics; may be empty.

    Raises:
        ValueError: there is no objective, or a metric occurs twice among objectives or limits.
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        if not self.objectives:
            raise ValueError("a problem must have at least one objective, got none")
        _distinct(self.objectives)
        _distinct(self.limits)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that every evaluation must report, each once."""
        return tuple(dict.fromkeys(part.metric for part in (*self.objectives, *self.limits)))

    def losses(self, metrics: Mapping[str, float]) -> npt.NDArray[np.float64]:
        """Returns the objectives' values as losses to minimize, shape (num_objectives,).

        Raises:
            MissingMetricError: an objective's metric is not among the metrics.
        """
        return self.loss_matrix([metrics]).reshape(-1)

    def loss_matrix(self, measurements: Sequence[Mapping[str, float]]) -> npt.NDArray[np.float64]:
        """Returns the losses of many measurements, shape (len(measurements), num_objectives).

        Raises:
            MissingMetricError: as `losses`.
        """
        values = [
            [_metric(metrics, objective.metric) for objective in self.objectives]
            for metrics in measurements
        ]
        columns = np.array(values, dtype=np.float64).reshape(-1, len(self.objectives))
        return self._losses_of(columns)

    def loss_columns(
        self, columns: Mapping[str, npt.NDArray[np.float64]]
    ) -> npt.NDArray[np.float64]:
        """Returns `losses` of what is measured or predicted for many architectures.

        Args:
            columns: shape (count,) of each metric of the problem.

        Returns:
            Shape (count, num_objectives).
        """
        values = [columns[objective.metric] for objective in self.objectives]
        return self._losses_of(np.stack(values, axis=1).astype(np.float64))

    def _losses_of(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Flips the signs of what is to be maximized, in place."""
        flipped = [objective.goal == "maximize" for objective in self.objectives]
        values[:, flipped] *= -1.0
        return values

    def violation(self, metrics: Mapping[str, float]) -> float:
        """Returns the sum over the limits of the relative excess (see `Limit.violation`).

        Relative, so that limits in milliseconds and in bytes weigh alike (Deb et al. 2002, section
        VI, sum raw constraint values and leave their scales to the user).

        Returns:
            0 exactly when every limit is kept; otherwise positive and finite.

        Raises:
            MissingMetricError: a limit's metric is not among the metrics.
        """
        excess = sum(limit.violation(_metric(metrics, limit.metric)) for limit in self.limits)
        return min(float(excess), sys.float_info.max)

    def violation_columns(
        self, columns: Mapping[str, npt.NDArray[np.float64]], count: int
    ) -> npt.NDArray[np.float64]:
        """Returns `violation` of what is measured or predicted for `count` architectures.

        Args:
            columns: shape (count,) of each metric of the limits.
            count: of the architectures; tells the shape where there is no limit.
        """
        excess = np.zeros(count)
        with np.errstate(over="ignore"):
            for limit in self.limits:
                excess = excess + limit.violations(columns[limit.metric])
        return np.minimum(excess, sys.float_info.max)


def _metric(metrics: Mapping[str, float], name: str) -> float:
    try:
        return metrics[name]
    except KeyError:
        raise MissingMetricError(name, metrics) from None


@dataclass(frozen=True)
class Proposal:
    """An architecture that a searcher wants evaluated.

    Attributes:
        number: counts the searcher's proposals from 0.
        architecture: a valid architecture of the problem's space.
    """

    number: int
    architecture: Architecture


@dataclass(frozen=True)
class Observation:
    """What came of a proposal."""

    proposal: Proposal
    outcome: Outcome


@dataclass(frozen=True)
class PredictionQuality:
    """How well a searcher had ranked proposals when it made them, before it learned from them.

    Attributes:
        first_number: the lowest number of the proposals that one state of the predictors ranked.
        count: how many of them were measured so far; more may follow.
        kendall: tau-b of predicted and measured values by metric, from -1 to 1; None where it is
            not defined (fewer than two, or all equal).
    """

    first_number: int
    count: int
    kendall: Mapping[str, float | None]


class Searcher(ABC):
    """A policy: what to evaluate next, given what was observed so far."""

    @property
    @abstractmethod
    def batch_size(self) -> int:
        """How many proposals to ask for at once where evaluations run in batches with a barrier."""

    @abstractmethod
    def ask(self, count: int) -> Sequence[Proposal]:
        """Returns the next proposals, numbered in order.

        No architecture is ever proposed twice, whatever became of it. Earlier proposals need not
        have been told: then the policy goes by what it knows.

        Returns:
            `count` proposals; fewer, perhaps none, only when the space holds no further one.

        Raises:
            ValueError: count is negative.
        """

    @abstractmethod
    def tell(self, observations: Sequence[Observation]) -> None:
        """Takes note of the outcomes of proposals, in any order, each once.

        Raises:
            ValueError: an observation is not of a proposal of this searcher, or was told before;
                nothing is noted then.
            MissingMetricError: a measurement lacks a metric of the problem; nothing is noted then.
        """

    def prediction_quality(self) -> Sequence[PredictionQuality]:
        """Returns how good predictions were that were made with proposals, batch after batch.

        Each batch is compared with what was predicted before anything of it was known. What is
        told of a batch later changes its entry, so this is a function of the log.

        Returns:
            By ascending first number; nothing from a searcher that predicts nothing (the default).
        """
        return ()

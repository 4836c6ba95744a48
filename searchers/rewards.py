"""What a learned policy is paid for an outcome.

A reward is one number, the larger the better, made of the metrics of one evaluation. What breaks
limits gets less than anything that keeps them, the less the more it violates them; what cannot be
had at all gets the least. (Feasibility first, as in constraint domination. MnasNet and N2N have no
such limits; N2N's softening of a limit over time is a setting.)

Rewards are always computed anew from everything that is known, as some of them are relative to it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from searchers.ledger import GrowingRows
from searchers.protocol import MetricName, Problem, UnsuitableProblemError

Values = npt.NDArray[np.float64]
Positive = Annotated[float, Field(ge=1e-12, le=1e30)]
MIN_RATIO = 1e-6
"""A cost of zero or less counts as this part of the target: its power would be infinite."""


class Known:
    """What was observed of architectures, in the order of telling.

    Args:
        problem: whose losses and violations count.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._metrics = GrowingRows(len(problem.metrics), np.float64)
        self._losses = GrowingRows(len(problem.objectives), np.float64)
        self._violations = GrowingRows(1, np.float64)

    def __len__(self) -> int:
        return len(self.violations)

    def add(self, metrics: Mapping[str, float] | None) -> int:
        """Notes an evaluation and returns its place; None: the architecture cannot be had."""
        if metrics is None:
            values = [0.0] * len(self.problem.metrics)
            losses, violation = np.full(len(self.problem.objectives), np.inf), np.inf
        else:
            losses, violation = self.problem.losses(metrics), self.problem.violation(metrics)
            values = [metrics[name] for name in self.problem.metrics]
        self._metrics.add(np.array([values]))
        self._losses.add(losses[np.newaxis])
        self._violations.add(np.array([[violation]]))
        return len(self) - 1

    @property
    def losses(self) -> Values:
        """Shape (count, num_objectives); infinite for what cannot be had."""
        return self._losses.rows

    @property
    def violations(self) -> Values:
        """Shape (count,); infinite for what cannot be had."""
        return self._violations.rows[:, 0]

    def metric(self, name: str) -> Values:
        """Returns a metric in natural units, shape (count,); 0 for what cannot be had."""
        return self._metrics.rows[:, self.problem.metrics.index(name)]


class Reward(Protocol):
    """What a reward's settings can do, beside being settings."""

    def check(self, problem: Problem) -> None:
        """Returns if the reward is defined for this problem.

        Raises:
            UnsuitableProblemError: it is not; the field is one of the reward's own.
        """

    def rewards(self, known: Known, weights: Values, num_updates: int) -> Values:
        """Returns the reward of everything known, shape (len(weights), len(known)).

        Args:
            known: not empty.
            weights: of the objectives, one row per sample, shape (n, num_objectives), of unit
                length and not negative.
            num_updates: how often the policy has learned.
        """


class ScalarizedReward(BaseModel):
    """One number of any objectives: the hypervolume scalarization of Golovin and Zhang 2020.

    The reward is min_i y_i / w_i over the objectives with w_i > 0 ("Random hypervolume
    scalarizations for provable multi-objective black box optimization", ICML, arXiv 2006.04655),
    for weights w of unit length. y_i is the share of all feasible evaluations so far that are worse
    in objective i (ties count half), which is ours: it needs no units, and a few broken networks do
    not spoil it. With random weights, uniform on the sphere, the policy is told the weights that
    its network will be paid by, so that one policy learns the whole front.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["scalarized"] = "scalarized"
    weights: (
        Annotated[
            tuple[Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)], ...],
            Field(min_length=1, max_length=100),
        ]
        | None
    ) = Field(
        default=None,
        description="One for each objective: in which proportion they shall be good. By default "
        "each proposal has random ones.",
    )

    def check(self, problem: Problem) -> None:  # noqa: D102 - as in Reward
        if self.weights is not None and len(self.weights) != len(problem.objectives):
            rule = f"must have one weight for each of {len(problem.objectives)} objectives"
            raise UnsuitableProblemError("weights", rule, list(self.weights))

    def rewards(self, known: Known, weights: Values, num_updates: int) -> Values:  # noqa: ARG002, D102 - as in Reward
        feasible = known.violations == 0
        quality = _shares_that_are_worse(known.losses, feasible)
        # Weights of exactly 0 do not count; the least of the others does.
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = quality[None] / weights[:, None]
        values = np.where(weights[:, None] > 0, ratios, np.inf).min(axis=2)
        return feasibility_first(values, known.violations)


def _shares_that_are_worse(losses: Values, counted: npt.NDArray[np.bool_]) -> Values:
    """Returns for each loss the share of the counted rows that are worse, ties as halves.

    Args:
        losses: shape (count, num_objectives).
        counted: shape (count,).

    Returns:
        From 0 to 1, shape of the losses; 0 where nothing is counted.
    """
    reference = np.sort(losses[counted], axis=0)
    count = len(reference)
    if count == 0:
        return np.zeros(losses.shape)
    shares = [
        1
        - (np.searchsorted(column, own, "left") + np.searchsorted(column, own, "right"))
        / (2 * count)
        for column, own in zip(reference.T, losses.T, strict=True)
    ]
    return np.stack(shares, axis=1)


class MnasNetReward(BaseModel):
    """MnasNet's: quality * (cost / target)^w (Tan et al. 2019, arXiv 1807.11626, equation 2).

    The quality is the problem's one objective to maximize. w is `alpha` where the cost is at most
    the target, else `beta`. Soft, the default and the paper's choice: both -0.07, so that twice the
    cost is worth 5 % of quality. Hard: 0 and -1; it soon proposes fast networks only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["mnasnet"] = "mnasnet"
    metric: MetricName = Field(
        description="The cost: a metric to minimize, or one with a limit, of the problem."
    )
    target: Positive = Field(description="In the metric's units: 75 (ms on a phone) in the paper.")
    alpha: float = Field(default=-0.07, ge=-10, le=0, description="Exponent within the target.")
    beta: float = Field(default=-0.07, ge=-10, le=0, description="Exponent beyond the target.")

    def check(self, problem: Problem) -> None:  # noqa: D102 - as in Reward
        _check_quality_and_cost(problem, self.metric)

    def rewards(self, known: Known, weights: Values, num_updates: int) -> Values:  # noqa: ARG002, D102 - as in Reward
        quality = known.metric(_quality(known.problem))
        ratio = np.maximum(known.metric(self.metric) / self.target, MIN_RATIO)
        values = quality * np.power(ratio, np.where(ratio <= 1, self.alpha, self.beta))
        return feasibility_first(_for_each(weights, values), known.violations)


class N2NReward(BaseModel):
    """N2N's: relative quality times C (2 - C), C the share saved (Ashok et al. 2018, 1709.06030).

    The quality is the problem's one objective to maximize, relative to the teacher's. What is not
    smaller than the teacher gets -1, and what cannot be had still less. With `soft_updates`, what
    breaks a limit gets eps - 1 + eps R instead, with eps = (1 - e / soft_updates)^4 after e
    updates: at first nearly R, in the end -1 (15 in the public code). Then limits are not
    feasibility first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["n2n"] = "n2n"
    metric: MetricName = Field(
        description="What shall be saved: a metric to minimize, or one with a limit."
    )
    teacher_cost: Positive = Field(description="That metric of the teacher.")
    teacher_quality: Positive = Field(
        description="The objective to maximize, of the teacher, in its units."
    )
    soft_updates: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="For how many updates limits are soft; 0: feasibility first from the start.",
    )

    def check(self, problem: Problem) -> None:  # noqa: D102 - as in Reward
        _check_quality_and_cost(problem, self.metric)

    def rewards(self, known: Known, weights: Values, num_updates: int) -> Values:  # noqa: D102 - as in Reward
        saved = 1 - known.metric(self.metric) / self.teacher_cost
        quality = known.metric(_quality(known.problem)) / self.teacher_quality
        values = np.where(saved > 0, quality * saved * (2 - saved), -1.0)
        violations = known.violations
        if self.soft_updates:
            softness = max(0.0, 1 - num_updates / self.soft_updates) ** 4
            values = np.where(violations > 0, softness - 1 + softness * values, values)
            violations = np.where(np.isinf(violations), np.inf, 0.0)
        return feasibility_first(_for_each(weights, values), violations)


RewardSettings = Annotated[
    ScalarizedReward | MnasNetReward | N2NReward, Field(discriminator="kind")
]
"""Everything that is a `Reward`."""


def feasibility_first(values: Values, violations: Values) -> Values:
    """Returns rewards of which those that break limits are less than all that keep them.

    With b = min(0, the least feasible reward) and u = max(1, |b|), a violation v gets
    b - u (1/2 + 1/2 v / (1 + v)), and what cannot be had gets b - u.

    Args:
        values: rewards as if there were no limits, shape (n, count).
        violations: 0 where feasible, infinite for what cannot be had; shape (count,).
    """
    feasible = violations == 0
    bound = np.minimum(0.0, np.where(feasible, values, np.inf).min(axis=1, keepdims=True))
    with np.errstate(invalid="ignore"):
        relative = np.where(np.isinf(violations), 1.0, violations / (1 + violations))
    penalty = np.maximum(1.0, np.abs(bound)) * (1 + relative) / 2
    return np.where(feasible, values, bound - penalty)


def draw_weights(
    reward: "ScalarizedReward | MnasNetReward | N2NReward",
    num_objectives: int,
    count: int,
    rng: np.random.Generator,
) -> Values:
    """Returns weights of unit length, shape (count, num_objectives), as a reward's settings say.

    Random ones are uniform on the part of the sphere that is not negative. The generator is used
    in the same way whatever the settings are.
    """
    rows = np.abs(rng.standard_normal((count, num_objectives)))
    if not isinstance(reward, ScalarizedReward):
        rows = np.ones_like(rows)
    elif reward.weights is not None:
        rows = np.tile(np.array(reward.weights), (count, 1))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(lengths > 0, rows / np.where(lengths > 0, lengths, 1), num_objectives**-0.5)


def _for_each(weights: Values, values: Values) -> Values:
    return np.tile(values, (len(weights), 1))


def _quality(problem: Problem) -> str:
    """Returns the metric of the one objective to maximize."""
    (metric,) = _maximized(problem)
    return metric


def _maximized(problem: Problem) -> Sequence[str]:
    return [objective.metric for objective in problem.objectives if objective.goal == "maximize"]


def _check_quality_and_cost(problem: Problem, metric: str) -> None:
    """Returns if a problem weighs one metric to maximize against one cost.

    Raises:
        UnsuitableProblemError: it does not.
    """
    if len(_maximized(problem)) != 1:
        rule = "must be 'scalarized' for objectives of which not exactly one is to be maximized"
        raise UnsuitableProblemError("kind", rule, [o.goal for o in problem.objectives])
    if metric not in problem.metrics or metric == _quality(problem):
        choices = [name for name in problem.metrics if name != _quality(problem)]
        rule = f"must be a metric to minimize, or with a limit, of the problem: {choices}"
        raise UnsuitableProblemError("metric", rule, metric)
    others = [o.metric for o in problem.objectives if o.metric not in (metric, _quality(problem))]
    if others:
        rule = "must be 'scalarized' for objectives beside a quality and the cost that it names"
        raise UnsuitableProblemError("kind", rule, others)

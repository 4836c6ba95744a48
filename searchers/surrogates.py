"""What a search believes of candidates: their losses, and whether limits are kept.

A Gaussian process for each objective, for each limit on another metric, and, where something was
infeasible, for whether that happens.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from search_space.outcomes import Infeasible, Measured
from search_space.space import Genes
from searchers.improvement import OpenBoxes, expected_improvement
from searchers.pareto import Losses
from searchers.predictors.base import Matrix, Vector
from searchers.predictors.gaussian_process import (
    GaussianProcess,
    GaussianProcessSettings,
    Posterior,
)
from searchers.predictors.targets import LossScaleKind, TargetScale, fit_loss_scale, fit_scale
from searchers.protocol import Limit, Observation, Problem
from searchers.space_columns import SpaceColumns

_REFUSED = " infeasible"
"""Names the process of whether there is no measurement at all; no metric begins with a space."""
ALL = slice(None)
MAX_SHARE = 1e6
"""A limit farther away than that from what was measured is taken to lie there."""
SHARE_DIGITS = 12
"""Losses that differ by less are equal."""
LARGEST = float(np.finfo(np.float64).max) / 4
MIN_DEVIATION = 1e-9
"""Of a standardized belief; a candidate is never known exactly before it is measured."""


class LossUnit:
    """Losses as shares of the range of what was measured: from 0 to 1, whatever their magnitude.

    Args:
        losses: what was measured, shape (count, num_objectives), one at least.
    """

    def __init__(self, losses: Losses) -> None:
        # Halves: the range of huge losses may exceed the largest float.
        self._low = losses.min(axis=0) / 2
        half = losses.max(axis=0) / 2 - self._low
        self._half_range = np.where(half > np.finfo(np.float64).tiny, half, 1.0)

    def shares(self, losses: npt.ArrayLike, objective: int | slice = ALL) -> Losses:
        """Returns losses, of one objective or of all in columns, in this unit."""
        low, half_range = self._low[objective], self._half_range[objective]
        with np.errstate(over="ignore"):  # what is that far away is clipped
            shares = (np.asarray(losses) / 2 - low) / half_range
        rounded: Losses = np.round(np.clip(shares, -MAX_SHARE, MAX_SHARE), SHARE_DIGITS)
        return rounded

    def losses(self, shares: Losses) -> Losses:
        """Returns what losses some shares are, shape (count, num_objectives)."""
        halves: Losses = self._low + np.clip(shares, -1, 2) * self._half_range
        return 2 * np.clip(halves, -LARGEST, LARGEST)


class Surrogates:
    """Processes of a problem's losses and limits, fitted to what was told.

    Args:
        problem: whose metrics are learned.
        settings: of the processes.
        scale: on which losses are learned.
        counts: whether processes see how often each option is taken.
    """

    def __init__(
        self,
        problem: Problem,
        settings: GaussianProcessSettings,
        scale: LossScaleKind,
        *,
        counts: bool,
    ) -> None:
        self._problem = problem
        self._settings = settings
        self._scale_kind = scale
        self._columns = SpaceColumns(problem.space, counts=counts)
        self._genes: list[Genes] = []
        self._metrics: list[dict[str, float]] = []
        self._refused: list[Genes] = []
        self._processes: dict[str, GaussianProcess] = {}
        self._scales: dict[str, TargetScale] = {}
        self._unit = LossUnit(np.zeros((1, len(problem.objectives))))
        self._limit_units: dict[str, LossUnit] = {}

    @property
    def num_measured(self) -> int:
        """How many measurements were noted."""
        return len(self._genes)

    def note(self, observations: Sequence[Observation]) -> None:
        """Takes note of outcomes; a failure says nothing of the architecture."""
        for observation in observations:
            genes = self._problem.space.encode(observation.proposal.architecture)
            match observation.outcome:
                case Measured(metrics):
                    self._genes.append(genes)
                    self._metrics.append({name: metrics[name] for name in self._problem.metrics})
                case Infeasible():
                    self._refused.append(genes)
                case _:
                    pass

    def fit(self, learned: Sequence[int]) -> None:
        """Learns from some measurements, by their positions in the order of telling."""
        rows = self._columns.matrix(np.stack([self._genes[i] for i in learned]))
        self._unit = LossUnit(self._problem.loss_matrix(self._metrics))
        losses = self.shares(self._problem.loss_matrix([self._metrics[i] for i in learned]))
        for position, objective in enumerate(self._problem.objectives):
            scale = fit_loss_scale(self._scale_kind, losses[:, position])
            self._learn(objective.metric, rows, losses[:, position], scale)
        for limit in self._other_limits():
            known = np.array([[metrics[limit.metric]] for metrics in self._metrics])
            self._limit_units[limit.metric] = LossUnit(known)
            values = self._limit_units[limit.metric].shares(known[learned])[:, 0]
            self._learn(limit.metric, rows, values, fit_scale("rank_normal", values))
        if self._refused:
            refused = self._columns.matrix(np.stack(self._refused[-len(learned) :]))
            labels = np.repeat([0.0, 1.0], [len(rows), len(refused)])
            both = np.concatenate([rows, refused])
            self._learn(_REFUSED, both, labels, fit_scale("standardized", labels))

    def shares(self, losses: Losses) -> Losses:
        """Returns losses as shares of the range of what was measured at the last fit."""
        return self._unit.shares(losses)

    def _learn(self, name: str, rows: Matrix, values: Vector, scale: TargetScale) -> None:
        process = GaussianProcess(self._settings, self._columns.scales)
        process.fit(rows, scale.forward(values))
        self._processes[name] = process
        self._scales[name] = scale

    def _other_limits(self) -> list[Limit]:
        """Returns the limits on metrics that are not objectives."""
        objectives = {objective.metric for objective in self._problem.objectives}
        return [limit for limit in self._problem.limits if limit.metric not in objectives]

    def beliefs(self, genes: Genes) -> "Beliefs":
        """Returns what is believed of candidates, shape (count, num_choices)."""
        matrix = self._columns.matrix(genes)
        posteriors = {name: one.posterior(matrix) for name, one in self._processes.items()}
        return Beliefs(self._problem, posteriors, self._scales, self._unit, self._limit_units)


class Beliefs:
    """What is believed of some candidates, as one after the other is assumed to be measured."""

    def __init__(
        self,
        problem: Problem,
        posteriors: dict[str, Posterior],
        scales: dict[str, TargetScale],
        unit: LossUnit,
        limit_units: dict[str, LossUnit],
    ) -> None:
        self._problem = problem
        self._posteriors = posteriors
        self._scales = scales
        self._unit = unit
        self._limit_units = limit_units

    def losses(self) -> Losses:
        """Returns the median losses as shares, shape (count, num_objectives)."""
        names = [objective.metric for objective in self._problem.objectives]
        columns = [self._scales[name].inverse(self._posteriors[name].mean) for name in names]
        return np.stack(columns, axis=1)

    def metrics(self) -> dict[str, Vector]:
        """Returns the median of each metric of the problem, in natural units."""
        losses = self._unit.losses(self.losses())
        found = {
            objective.metric: -losses[:, i] if objective.goal == "maximize" else losses[:, i]
            for i, objective in enumerate(self._problem.objectives)
        }
        for name in self._problem.metrics:
            if name not in found:
                shares = self._scales[name].inverse(self._posteriors[name].mean)
                found[name] = self._limit_units[name].losses(shares[:, None])[:, 0]
        return found

    def improvements(self, boxes: OpenBoxes) -> Vector:
        """Returns the volume that each candidate is expected to add, shape (count,)."""
        names = [objective.metric for objective in self._problem.objectives]
        means = np.stack([self._posteriors[name].mean for name in names], axis=1)
        deviations = np.stack([self._deviation(name) for name in names], axis=1)
        scales = [self._scales[name] for name in names]
        return expected_improvement(boxes, scales, means, deviations) * self.feasibility()

    def feasibility(self) -> Vector:
        """Returns how likely it is that all limits are kept and there is a measurement."""
        count = len(next(iter(self._posteriors.values())).mean)
        probability: Vector = np.ones(count)
        objectives = {o.metric: (i, o.goal) for i, o in enumerate(self._problem.objectives)}
        for limit in self._problem.limits:
            for bound, side in ((limit.upper, 1.0), (limit.lower, -1.0)):
                if bound is None:
                    continue
                if limit.metric not in objectives:
                    value = float(self._limit_units[limit.metric].shares(bound, 0))
                else:
                    position, goal = objectives[limit.metric]
                    sign = -1.0 if goal == "maximize" else 1.0
                    value, side = float(self._unit.shares(sign * bound, position)), side * sign
                probability *= self._below(limit.metric, value, side)
        if _REFUSED in self._posteriors:
            probability *= self._below(_REFUSED, 0.5, 1.0)
        return probability

    def keep(self, positions: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        """Forgets all candidates but those at some positions."""
        for posterior in self._posteriors.values():
            posterior.keep(positions)

    def assume(self, position: int) -> None:
        """Goes on as if a candidate had been measured as expected."""
        for posterior in self._posteriors.values():
            posterior.assume(position)

    def _below(self, name: str, bound: float, side: float) -> Vector:
        """Returns how likely values are at most a bound, or at least if `side` is negative."""
        from scipy.special import ndtr

        target = float(self._scales[name].forward([bound])[0])
        away = side * (target - self._posteriors[name].mean) / self._deviation(name)
        probability: Vector = ndtr(away)
        return probability

    def _deviation(self, name: str) -> Vector:
        posterior = self._posteriors[name]
        return np.maximum(posterior.deviation, MIN_DEVIATION * (1 + np.abs(posterior.mean)))

"""What is likely of architectures: one predictor for each metric of a problem.

Everything here is in natural units. What is predicted never leaves the searcher but as the order of
its proposals, and as the rank correlation with what was measured then.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search_space.features import features
from search_space.outcomes import Infeasible, Measured
from search_space.space import Genes
from search_space.stratified import evenly_spread
from searchers.predictors.base import Predictor, Vector
from searchers.predictors.ridge import RidgeSettings
from searchers.predictors.settings import PredictorSettings
from searchers.predictors.targets import TargetScale, TargetScaleKind, fit_scale
from searchers.protocol import Observation, Problem

Scores = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Losses of shape (count, num_objectives), and violations of shape (count,)."""
RANGE_BITS = 30
"""Predictions are told apart to 2^-30 of the range of what was measured. Sums of floating point
differ in their last bits from machine to machine, and what those decide must not: a search is
replayed from its log."""


MAX_LEARNED = 500
"""Architectures that a fit learns from. Support vectors take the square of it, some seconds."""


@dataclass(frozen=True)
class _Model:
    """The predictor of one metric, the scale that it learned on, and how far its values count."""

    scale: TargetScale
    predictor: Predictor
    unit: float

    def values(self, encoded: npt.NDArray[np.float32]) -> Vector:
        return _rounded(self.scale.inverse(self.predictor.mean(encoded)), self.unit)


class MetricModels:
    """Predictors of a problem's metrics, those of its limits included, and of what is infeasible.

    Fitted anew to what was told; the same log gives the same predictions, however often it was
    fitted in between. Of more than `MAX_LEARNED` measurements half are the newest, which lie where
    the search is, and half are spread evenly over the older ones.

    Args:
        problem: whose metrics are predicted.
        predictor: the method, the same for each metric.
        targets: the scale on which it learns.
        seed: of the predictors.
    """

    def __init__(
        self,
        problem: Problem,
        predictor: PredictorSettings,
        targets: TargetScaleKind,
        seed: int,
    ) -> None:
        self._problem = problem
        self._predictor = predictor
        self._targets = targets
        self._seed = seed
        self._rows: list[Genes] = []
        self._values: list[list[float]] = []  # in the order of problem.metrics
        self._infeasible: list[Genes] = []
        self._models: dict[str, _Model] = {}
        self._feasibility: Predictor | None = None

    @property
    def num_measured(self) -> int:
        """How many architectures the predictors may learn from."""
        return len(self._rows)

    @property
    def models(self) -> dict[str, Predictor]:
        """The fitted predictors by metric; none before a fit."""
        return {metric: model.predictor for metric, model in self._models.items()}

    def note(self, observations: Sequence[Observation]) -> None:
        """Takes note of outcomes; the next fit learns from them. A failure says nothing."""
        for observation in observations:
            outcome = observation.outcome
            if isinstance(outcome, Measured):
                self._rows.append(self._problem.space.encode(observation.proposal.architecture))
                self._values.append([outcome.metrics[name] for name in self._problem.metrics])
            elif isinstance(outcome, Infeasible):
                row = self._problem.space.encode(observation.proposal.architecture)
                self._infeasible.append(row)

    def fit(self) -> None:
        """Learns from what was noted, one measurement at least.

        Where something was infeasible, a linear model tells how likely that is of others.
        """
        learned = _learned(len(self._rows))
        encoded = features(self._problem.space, np.stack([self._rows[i] for i in learned]))
        values = np.array([self._values[i] for i in learned])
        for position, metric in enumerate(self._problem.metrics):
            known = values[:, position]
            scale = fit_scale(self._targets, known)
            predictor = self._predictor.build(self._seed)
            predictor.fit(encoded, scale.forward(known))
            self._models[metric] = _Model(scale, predictor, _unit(known))
        if self._infeasible:
            rows = [self._infeasible[i] for i in _learned(len(self._infeasible))]
            refused = features(self._problem.space, np.stack(rows))
            labels = np.repeat([0.0, 1.0], [len(encoded), len(refused)])
            self._feasibility = RidgeSettings().build(self._seed)
            self._feasibility.fit(np.concatenate([encoded, refused]), labels)

    def predict(self, encoded: npt.NDArray[np.float32]) -> dict[str, Vector]:
        """Returns the predicted values of each metric.

        Args:
            encoded: `search_space.features.features` of architectures, shape (count, d).
        """
        return {metric: model.values(encoded) for metric, model in self._models.items()}

    def scores(self, encoded: npt.NDArray[np.float32]) -> Scores:
        """Returns predicted losses and violations; what is likely infeasible violates, too.

        By how much it is likelier than not, as if that were the relative excess of a limit.

        Args:
            encoded: as in `predict`.
        """
        columns = self.predict(encoded)
        violations = self._problem.violation_columns(columns, len(encoded))
        if self._feasibility is not None:
            excess = _rounded(self._feasibility.mean(encoded), 2.0**-RANGE_BITS) - 0.5
            violations = violations + np.maximum(excess, 0)
        return self._problem.loss_columns(columns), violations


def _learned(count: int) -> list[int]:
    """Returns the positions, of so many, that a fit learns from."""
    newest = min(count, MAX_LEARNED if count <= MAX_LEARNED else MAX_LEARNED // 2)
    older = evenly_spread(MAX_LEARNED - newest, count - newest) if count > newest else []
    return [*older, *range(count - newest, count)]


def _rounded(values: Vector, unit: float) -> Vector:
    """Returns the values to multiples of a unit; as they are where that is 0."""
    return values if unit == 0 else np.round(values / unit) * unit


def _unit(known: Vector) -> float:
    """Returns `RANGE_BITS` binary digits below the range of known values; 0 without a range.

    Powers of two, so that nothing but the rounding itself changes a value.
    """
    spread = float(np.ptp(known / 2))  # half: the range of huge numbers may exceed the largest
    return float(np.ldexp(1.0, np.frexp(spread)[1] - RANGE_BITS)) if spread > 0 else 0.0

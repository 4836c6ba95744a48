"""How good predictions were: remembered when proposals are made, compared when they are told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from search_space.outcomes import Measured
from searchers.protocol import Observation, PredictionQuality, Proposal
from searchers.trust import kendall_tau_b

Columns = Mapping[str, npt.NDArray[np.float64]]


@dataclass
class _Batch:
    """Proposals that one state of the predictors ranked, and what was measured of them."""

    first_number: int
    predicted: dict[str, list[float]] = field(default_factory=dict)
    measured: dict[str, list[float]] = field(default_factory=dict)
    quality: PredictionQuality | None = None


class PredictionLog:
    """Compares what a searcher predicted of its proposals with what was measured.

    Predicted values stay here: they are never told, stored or reported as metrics.

        log.remember(version, proposals, columns)   # in ask, before anything of them is known
        log.compare(observations)                   # in tell, before the predictors learn from them
        log.quality()                               # what `Searcher.prediction_quality` returns
    """

    def __init__(self) -> None:
        self._batches: dict[int, _Batch] = {}  # by version
        self._waiting: dict[int, tuple[int, dict[str, float]]] = {}  # by number

    def remember(self, version: int, proposals: Sequence[Proposal], columns: Columns) -> None:
        """Notes what is predicted of proposals that were just made.

        Args:
            version: of the predictors; equal for all proposals that one fit ranks.
            proposals: new ones.
            columns: predicted values in natural units by metric, shape (len(proposals),) each.
        """
        if not proposals:
            return
        self._batches.setdefault(version, _Batch(proposals[0].number))
        for position, proposal in enumerate(proposals):
            values = {metric: float(column[position]) for metric, column in columns.items()}
            self._waiting[proposal.number] = (version, values)

    def compare(self, observations: Sequence[Observation]) -> None:
        """Notes what was measured; what was not measured, or not predicted, says nothing."""
        touched = set()
        for observation in observations:
            version, predicted = self._waiting.pop(observation.proposal.number, (-1, None))
            if predicted is None or not isinstance(observation.outcome, Measured):
                continue
            batch = self._batches[version]
            for metric, value in predicted.items():
                batch.predicted.setdefault(metric, []).append(value)
                batch.measured.setdefault(metric, []).append(observation.outcome.metrics[metric])
            touched.add(version)
        for version in touched:
            self._batches[version].quality = _quality_of(self._batches[version])

    def quality(self) -> tuple[PredictionQuality, ...]:
        """Returns an entry for each batch of which something was measured, oldest first."""
        found = [batch.quality for batch in self._batches.values() if batch.quality is not None]
        return tuple(sorted(found, key=lambda entry: entry.first_number))


def _quality_of(batch: _Batch) -> PredictionQuality:
    kendall: dict[str, float | None] = {}
    for metric, predicted in batch.predicted.items():
        tau = kendall_tau_b(predicted, batch.measured[metric])
        kendall[metric] = None if np.isnan(tau) else tau
    counts = [len(values) for values in batch.measured.values()]
    return PredictionQuality(batch.first_number, max(counts, default=0), kendall)

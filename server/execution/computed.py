"""Evaluates architectures by computation: no weights, no data, no workers."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from search_space.families import space_settings
from search_space.family import NetworkSettings
from search_space.outcomes import Infeasible, Measured, Outcome
from search_space.space import Architecture
from server.execution.context import JobContext
from server.execution.evaluation import Evaluator
from workers.protocol import Latency

PROVENANCE = {"method": "computed", "from": "the architecture"}


class ComputingEvaluator(Evaluator):
    """Computes all that the family of a search's space knows on paper."""

    def __init__(self, context: JobContext) -> None:
        family = space_settings(context.job.spec["space"])
        assert isinstance(family, NetworkSettings), "refused at the door"
        self._context = context
        self._family = family
        self._space = family.build()

    def evaluate(self, batch: Sequence[Architecture]) -> Iterator[Mapping[str, Outcome]]:
        """As of every evaluator, all at once; a figure that is not finite makes one infeasible."""
        self._context.check_stop()
        if not batch:
            return
        figures = self._family.compute(np.stack([self._space.encode(each) for each in batch]))
        yield {
            architecture.digest: _outcome({n: float(v[row]) for n, v in figures.items()})
            for row, architecture in enumerate(batch)
        }

    def measure_again(
        self,
        finalists: Sequence[Architecture],  # noqa: ARG002 - of no use here
    ) -> Mapping[str, Latency]:
        """Nothing is measured again: nothing was measured."""
        return {}

    def forget_all_but(self, digests: set[str]) -> None:
        """Nothing is kept."""


def _outcome(metrics: Mapping[str, float]) -> Outcome:
    for name, value in metrics.items():
        if not math.isfinite(value):
            return Infeasible(f"its {name} is {value}")
    return Measured(metrics, dict.fromkeys(metrics, PROVENANCE))

"""Measures networks with their old and their new weights, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_space.outcomes import Measured, Outcome
from search_space.space import Architecture
from server.execution.context import JobContext, JobFailedError, JobStopped
from server.execution.evaluation import results_of, start_pool
from server.fronts import intervals_of
from supernet.settings import AccuracySettings
from workers.evaluation import NetworksEvaluatorSpec
from workers.measurement import MeasurementCancelledError, MeasurementError
from workers.measurer import RayMeasurer
from workers.protocol import EvaluationTask, with_latency
from workers.settings import LatencySettings, ResourceSettings


@dataclass(frozen=True)
class Weighted:
    """An architecture with weights: the file of a supernet that has it."""

    architecture: Architecture
    supernet_path: Path


@dataclass(frozen=True)
class Comparison:
    """How networks are compared.

    Attributes:
        data_path: the data set.
        accuracy: how accuracy is found.
        latency: how latency is measured; None if it is not.
        resources: of the evaluators.
        reference: what is measured beside all networks.
        baseline_ms: the reference network's speed that latencies are scaled to; None takes today's.
        seed: of the measurement.
    """

    data_path: Path
    accuracy: AccuracySettings
    latency: LatencySettings | None
    resources: ResourceSettings
    reference: Weighted
    baseline_ms: float | None
    seed: int

    def figures(self, context: JobContext, networks: Sequence[Weighted]) -> list[dict[str, Any]]:
        """Returns metrics, intervals and provenance of each network, in order.

        Accuracies first; then, while nothing else of ours works, all latencies in the same rounds.

        Raises:
            JobStopped: the job shall stop.
            JobSetBackError: others hold what the evaluators need.
            JobFailedError: a network cannot be evaluated or measured.
        """
        evaluated = self._evaluate(context, [*networks, self.reference])
        outcomes = [outcome for outcome, _ in evaluated[:-1]]
        if self.latency is not None:
            context.check_stop()
            context.event("measuring", count=len(networks))
            models = [model for _, model in evaluated]
            outcomes = self._with_latencies(context, outcomes, models)
        return [_figures(outcome) for outcome in outcomes]

    def _evaluate(
        self, context: JobContext, networks: Sequence[Weighted]
    ) -> list[tuple[Outcome, bytes]]:
        """Returns the outcome and the ONNX model of each network."""
        paths = {number: network.supernet_path for number, network in enumerate(networks)}
        tasks = [
            EvaluationTask(number, dict(network.architecture), seed=self.seed)
            for number, network in enumerate(networks)
        ]
        tasks.sort(key=lambda task: paths[task.number])  # each supernet is then read about once
        memory_bytes = self.resources.activation_memory_bytes
        spec = NetworksEvaluatorSpec(paths, self.data_path, self.accuracy, memory_bytes)
        found: dict[int, tuple[Outcome, bytes]] = {}
        with start_pool(context, spec, self.resources) as pool:
            for results in results_of(context, pool, tasks):
                found |= {
                    result.number: (result.outcome, result.model or b"") for result in results
                }
        for outcome, _ in found.values():
            _require_measured(outcome)
        return [found[number] for number in range(len(networks))]

    def _with_latencies(
        self, context: JobContext, outcomes: Sequence[Outcome], models: Sequence[bytes]
    ) -> list[Outcome]:
        """Returns the outcomes completed by latencies; the last model is the reference's."""
        assert self.latency is not None
        measurer = RayMeasurer()
        try:
            latencies = measurer.measure(
                models[:-1],
                models[-1],
                self.latency,
                seed=self.seed,
                baseline_ms=self.baseline_ms,
                finalists=True,
                should_cancel=context.stop.is_set,
            )
        except MeasurementCancelledError:
            raise JobStopped from None
        except MeasurementError as error:
            raise JobFailedError(f"latencies cannot be measured: {error}") from error
        finally:
            measurer.close()
        return [with_latency(*pair) for pair in zip(outcomes, latencies, strict=True)]


def _require_measured(outcome: Outcome) -> Measured:
    if not isinstance(outcome, Measured):
        raise JobFailedError(f"a network cannot be evaluated: {outcome.reason}")
    return outcome


def _figures(outcome: Outcome) -> dict[str, Any]:
    measured = _require_measured(outcome)
    return {
        "metrics": dict(measured.metrics),
        "intervals": intervals_of(measured.provenance),
        "provenance": dict(measured.provenance),
    }

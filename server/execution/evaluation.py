"""Evaluates batches of architectures: accuracies by the pool, then latencies in quiet."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

from search_space.outcomes import Failed, Infeasible, Outcome
from search_space.space import Architecture
from server.execution.context import JobContext, JobFailedError, JobSetBackError, JobStopped
from supernet.proxy_settings import ProxySettings
from supernet.settings import AccuracySettings
from workers.evaluation import SupernetEvaluatorSpec
from workers.measurement import MeasurementCancelledError, MeasurementError
from workers.measurer import RayMeasurer
from workers.pools import RayPool
from workers.protocol import (
    EvaluationTask,
    EvaluatorSpec,
    Latency,
    PoolBusyError,
    PoolCancelledError,
    PoolError,
    WorkerPool,
    with_latency,
)
from workers.settings import LatencySettings, ResourceSettings

POLL_S = 0.5


def open_pool(
    context: JobContext,
    supernet_version: str,
    data_set_version: str,
    accuracy: AccuracySettings,
    resources: ResourceSettings,
    proxies: ProxySettings | None = None,
) -> RayPool:
    """Returns evaluators of one supernet on one data set; raises what `start_pool` raises."""
    spec = SupernetEvaluatorSpec(
        supernet_path=context.artifacts.path(supernet_version),
        data_path=context.artifacts.path(data_set_version),
        accuracy=accuracy,
        proxies=proxies,
    )
    return start_pool(context, spec, resources)


def start_pool(context: JobContext, spec: EvaluatorSpec, resources: ResourceSettings) -> RayPool:
    """Returns evaluators, each in a process of its own.

    Raises:
        JobFailedError: they cannot be started.
        JobSetBackError: others hold what they need.
        JobStopped: the job shall stop.
    """
    try:
        return RayPool(spec, resources, should_cancel=context.stop.is_set)
    except PoolCancelledError:
        raise JobStopped from None
    except PoolBusyError as error:
        raise JobSetBackError(str(error)) from error
    except PoolError as error:
        raise JobFailedError(f"no evaluators can be started: {error}") from error


class Evaluator(ABC):
    """Turns architectures into outcomes, batch by batch."""

    @abstractmethod
    def evaluate(self, batch: Sequence[Architecture]) -> dict[str, Outcome]:
        """Returns the outcome of each architecture, by digest.

        Raises:
            JobStopped: the job shall stop.
            JobFailedError: nothing can be evaluated or measured at all.
        """

    @abstractmethod
    def measure_again(self, finalists: Sequence[Architecture]) -> Mapping[str, Latency]:
        """Returns new latencies of networks measured side by side, by digest.

        One that can no longer be measured is left out. Without a latency to measure, nothing is.

        Raises:
            JobStopped: the job shall stop.
            JobFailedError: nothing can be evaluated or measured at all.
        """

    @abstractmethod
    def forget_all_but(self, digests: set[str]) -> None:
        """Drops what is kept of other architectures, so that memory stays bounded."""


class BatchEvaluator(Evaluator):
    """Turns architectures into outcomes, batch by batch.

    Latencies are measured only when all accuracies of the batch are there, so that nothing else of
    ours runs beside them.

    Args:
        context: of the job.
        pool: evaluates accuracies and writes the networks as ONNX.
        latency: how to measure; None where latency does not matter.
        reference: the architecture whose network is measured beside every batch.
        baseline_ms: the reference network's speed on the first occasion; None if this is it.
        seed: of evaluation and measurement.
    """

    def __init__(
        self,
        context: JobContext,
        pool: WorkerPool,
        latency: LatencySettings | None,
        reference: Architecture,
        baseline_ms: float | None,
        seed: int,
    ) -> None:
        self._context = context
        self._pool = pool
        self._latency = latency
        self._reference = reference
        self._baseline_ms = baseline_ms
        self._seed = seed
        self._numbers = itertools.count()
        self._measurer = RayMeasurer()
        self._models: dict[str, bytes] = {}
        self._reference_model: bytes | None = None

    def evaluate(self, batch: Sequence[Architecture]) -> dict[str, Outcome]:
        """As of every evaluator: accuracies first, then the latencies of those that have one."""
        outcomes = dict(self._evaluate(batch))
        models = {digest: self._models[digest] for digest in outcomes if digest in self._models}
        for digest, measured in self._measure(models, finalists=False).items():
            outcomes[digest] = with_latency(outcomes[digest], measured)
        return outcomes

    def measure_again(self, finalists: Sequence[Architecture]) -> Mapping[str, Latency]:
        """As of every evaluator; a network that is not kept any more is made again."""
        if self._latency is None or not finalists:
            return {}
        unknown = [a for a in finalists if a.digest not in self._models]
        for _ in self._evaluate(unknown):  # for their networks only: they were kept by another run
            pass
        models = {a.digest: self._models[a.digest] for a in finalists if a.digest in self._models}
        measured = self._measure(models, finalists=True)
        return {d: latency for d, latency in measured.items() if isinstance(latency, Latency)}

    def forget_all_but(self, digests: set[str]) -> None:
        """As of every evaluator: the networks go, which exporting and measuring need."""
        self._models = {d: model for d, model in self._models.items() if d in digests}

    def _evaluate(self, batch: Sequence[Architecture]) -> Iterator[tuple[str, Outcome]]:
        """Yields the outcomes of the pool as they come; keeps the networks."""
        tasks = {next(self._numbers): architecture for architecture in batch}
        self._pool.submit([EvaluationTask(n, dict(a), seed=self._seed) for n, a in tasks.items()])
        while self._pool.num_pending:
            self._context.check_stop()
            try:
                results = self._pool.collect(POLL_S)
            except PoolError as error:
                raise JobFailedError(f"the architectures cannot be evaluated: {error}") from error
            for result in results:
                digest = tasks[result.number].digest
                if result.model is not None:
                    self._models[digest] = result.model
                yield digest, result.outcome

    def _measure(
        self, models: Mapping[str, bytes], *, finalists: bool
    ) -> dict[str, Latency | Infeasible | Failed]:
        if self._latency is None or not models:
            return {}
        if self._reference_model is None:
            self._reference_model = self._network_of_reference()
        self._context.check_stop()
        try:
            measured = self._measurer.measure(
                list(models.values()),
                self._reference_model,
                self._latency,
                seed=self._seed,
                baseline_ms=self._baseline_ms,
                finalists=finalists,
                should_cancel=self._context.stop.is_set,
            )
        except MeasurementCancelledError:
            raise JobStopped from None
        except MeasurementError as error:
            raise JobFailedError(f"latencies cannot be measured: {error}") from error
        for latency in measured:
            if isinstance(latency, Latency):
                self._baseline_ms = latency.reference_baseline_ms
        return dict(zip(models, measured, strict=True))

    def _network_of_reference(self) -> bytes:
        for digest, outcome in self._evaluate([self._reference]):
            if digest not in self._models:
                raise JobFailedError(f"the reference network cannot be evaluated: {outcome}")
        return self._models[self._reference.digest]

"""Evaluates batches of architectures: accuracies by the pool, then latencies in quiet."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import reduce
from operator import add

from search_space.family import NetworkSettings
from search_space.outcomes import Failed, Infeasible, Outcome
from search_space.prefixes import prefix_order
from search_space.space import Architecture
from server.execution.context import JobContext, JobFailedError, JobSetBackError, JobStopped
from supernet.proxy_settings import ProxySettings
from supernet.settings import AccuracySettings
from workers.evaluation import SupernetEvaluatorSpec
from workers.measurement import MeasurementCancelledError, MeasurementError
from workers.measurer import RayMeasurer
from workers.pools import RayPool
from workers.protocol import (
    EvaluationResult,
    EvaluationTask,
    EvaluatorSpec,
    Latency,
    PoolBusyError,
    PoolCancelledError,
    PoolError,
    WorkerPool,
    WorkReport,
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
    *,
    returns_models: bool,
) -> RayPool:
    """Returns evaluators of one supernet on one data set; raises what `start_pool` raises.

    Args:
        context: of the job.
        supernet_version: digest of the supernet's file.
        data_set_version: digest of the data set's file.
        accuracy: how accuracy is found.
        resources: of the evaluators.
        proxies: which figures of untrained networks are wanted as well.
        returns_models: whether the networks themselves are wanted, to be measured.
    """
    spec = SupernetEvaluatorSpec(
        supernet_path=context.artifacts.path(supernet_version),
        data_path=context.artifacts.path(data_set_version),
        accuracy=accuracy,
        proxies=proxies,
        memory_bytes=resources.activation_memory_bytes,
        returns_models=returns_models,
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


def results_of(
    context: JobContext, pool: WorkerPool, tasks: Sequence[EvaluationTask]
) -> Iterator[list[EvaluationResult]]:
    """Yields the results of tasks as they come, group by group.

    When all have come, what the work took becomes an event of the job ("evaluated").

    Args:
        context: of the job.
        pool: with nothing else to do.
        tasks: of which those that begin alike stand beside one another.

    Raises:
        JobStopped: the job shall stop.
        JobFailedError: the pool has lost its workers for good.
    """
    reports: list[WorkReport] = []
    pool.submit(tasks)
    while pool.num_pending:
        context.check_stop()
        try:
            results = pool.collect(POLL_S)
        except PoolError as error:
            raise JobFailedError(f"the architectures cannot be evaluated: {error}") from error
        reports += [result.report for result in results if result.report is not None]
        if results:
            yield results
    if reports:
        context.event("evaluated", **asdict(reduce(add, reports)))


class Evaluator(ABC):
    """Turns architectures into outcomes, batch by batch."""

    @abstractmethod
    def evaluate(self, batch: Sequence[Architecture]) -> Iterator[Mapping[str, Outcome]]:
        """Yields the outcomes of architectures, by digest, some at a time: what is final.

        What was yielded is worth recording at once: a job that dies then goes on from there.

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
    ours runs beside them. Without latencies outcomes are final group by group.

    Args:
        context: of the job.
        pool: evaluates accuracies; writes the networks as ONNX where latencies are measured.
        network: settings of the family, by which architectures are put in order.
        latency: how to measure; None where latency does not matter.
        baseline_ms: the reference network's speed on the first occasion; None if this is it.
        seed: of evaluation and measurement.
        floors: gives the floors of those architectures of a batch that have one, by digest; see
            `EvaluationTask`.
        on_left: told after each group how many of the batch are not evaluated yet.
    """

    def __init__(
        self,
        context: JobContext,
        pool: WorkerPool,
        network: NetworkSettings,
        latency: LatencySettings | None,
        baseline_ms: float | None,
        seed: int,
        *,
        floors: Callable[[Sequence[Architecture]], Mapping[str, float]] = lambda _: {},
        on_left: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._context = context
        self._pool = pool
        self._network = network
        self._latency = latency
        self._reference = network.build().largest()
        self._baseline_ms = baseline_ms
        self._seed = seed
        self._floors = floors
        self._on_left = on_left
        self._numbers = itertools.count()
        self._measurer = RayMeasurer()
        self._models: dict[str, bytes] = {}
        self._reference_model: bytes | None = None

    def evaluate(self, batch: Sequence[Architecture]) -> Iterator[Mapping[str, Outcome]]:
        """As of every evaluator: accuracies first, then the latencies of those that have one."""
        outcomes: dict[str, Outcome] = {}
        num_left = len(batch)
        for group in self._evaluate(batch, self._floors(batch)):
            num_left -= len(group)
            if self._latency is None:
                yield group
            outcomes |= group
            if num_left:
                self._on_left(num_left)
        if self._latency is None:
            return
        models = {digest: self._models[digest] for digest in outcomes if digest in self._models}
        for digest, measured in self._measure(models, finalists=False).items():
            outcomes[digest] = with_latency(outcomes[digest], measured)
        yield outcomes

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

    def _evaluate(
        self, batch: Sequence[Architecture], floors: Mapping[str, float] | None = None
    ) -> Iterator[dict[str, Outcome]]:
        """Yields the outcomes of the pool as they come; keeps the networks.

        Networks that begin alike go to the workers together: they share work.
        """
        floors = floors or {}
        ordered = [batch[position] for position in prefix_order(self._network, batch)]
        architectures = {next(self._numbers): architecture for architecture in ordered}
        tasks = [
            EvaluationTask(number, dict(a), self._seed, floors.get(a.digest))
            for number, a in architectures.items()
        ]
        for results in results_of(self._context, self._pool, tasks):
            found = {architectures[result.number].digest: result for result in results}
            self._models |= {d: result.model for d, result in found.items() if result.model}
            yield {digest: result.outcome for digest, result in found.items()}

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
        digest = self._reference.digest
        for outcomes in self._evaluate([self._reference]):
            if digest not in self._models:
                raise JobFailedError(
                    f"the reference network cannot be evaluated: {outcomes[digest]}"
                )
        return self._models[digest]

"""What evaluators and pools promise; imports neither torch nor ray.

A task is a value, and its result depends on the task alone: not on which worker ran it, nor on what
that worker ran before or beside it. Tasks are evaluated in groups only because networks that begin
alike share work.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, Self

from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from search_space.space import Option


@dataclass(frozen=True)
class EvaluationTask:
    """One architecture to evaluate.

    Attributes:
        number: the caller's name for the task, unique among the tasks of a pool.
        architecture: active choices and their options.
        seed: the only source of randomness of the evaluation.
        floor_percent: the top-1 below which the network is of no use: its evaluation may end as
            soon as that is proved of it. None classifies all images.
    """

    number: int
    architecture: Mapping[str, Option]
    seed: int = 0
    floor_percent: float | None = None


@dataclass(frozen=True)
class WorkReport:
    """What the evaluation of a group took, and what it saved: see docs/evaluation-engine.md.

    Attributes:
        networks: that were evaluated.
        images: that were classified, summed over the networks.
        block_executions: blocks that were run on a batch of images, to calibrate or to classify.
        block_executions_saved: those that one network after the other would have taken beyond.
        kept_bytes: of intermediate results, kept for later groups.
        peak_bytes: of those and of what waited for another network of the group, at most.
        wall_s: seconds.
        dropped: networks of which fewer images were classified, as they fell below their floor.
    """

    networks: int
    images: int
    block_executions: int
    block_executions_saved: int
    kept_bytes: int
    peak_bytes: int
    wall_s: float
    dropped: int

    def __add__(self, other: "WorkReport") -> "WorkReport":
        """Returns both together: work adds up, memory is the larger of the two."""
        mine, others = asdict(self), asdict(other)
        memory = {"kept_bytes", "peak_bytes"}
        return WorkReport(
            **{
                name: max(mine[name], others[name]) if name in memory else mine[name] + others[name]
                for name in mine
            }
        )


@dataclass(frozen=True)
class EvaluationResult:
    """What became of a task.

    Attributes:
        number: the task's.
        outcome: metrics with their provenance, or why there are none.
        model: the network as a serialized ONNX model, ready to be measured; None without metrics,
            and where nobody asked for it.
        traceback: where an error was raised, for the log of the process that drives the pool.
        report: of the group that this result ends; None with all but the last of a group, and where
            nothing is reported.
    """

    number: int
    outcome: Outcome
    model: bytes | None = None
    traceback: str = ""
    report: WorkReport | None = None


class Evaluator(Protocol):
    """Turns architectures into metrics."""

    def evaluate(self, tasks: Sequence[EvaluationTask]) -> list[EvaluationResult]:
        """Returns one result of each task, in their order, each a function of its task alone.

        Neighbours should begin alike (`search_space.prefixes.prefix_order`).

        An architecture that cannot be had is `Infeasible`. What is raised is the fault of any of
        the tasks: each is tried again alone. What is raised then becomes `Failed`, except running
        out of memory, which becomes `Infeasible`. So whoever has run out of memory must give back,
        before it raises, all that it keeps for later.
        """
        ...


class EvaluatorSpec(Protocol):
    """A picklable description from which every worker process builds its own evaluator."""

    def build(self, num_threads: int) -> Evaluator:
        """Returns an evaluator that computes with this many threads; slow work belongs here."""
        ...


class PoolError(RuntimeError):
    """No worker can be had, whatever the task: the job cannot go on."""


class PoolBusyError(PoolError):
    """The workers did not start in time although the cluster has what they need: others hold it."""


class PoolCancelledError(Exception):
    """The start of a pool was ended because it was asked to."""


class WorkerPool(ABC):
    """Evaluates tasks, in any order, on workers of its own.

    Not thread-safe: one thread drives a pool. Use it as a context manager, which closes it.
    """

    @abstractmethod
    def submit(self, tasks: Sequence[EvaluationTask]) -> None:
        """Queues tasks and returns at once.

        Neighbours are evaluated together where that can be, so tasks that begin alike should stand
        beside one another.

        Raises:
            ValueError: a task's number is that of one not yet collected.
        """

    @abstractmethod
    def collect(self, timeout_s: float) -> list[EvaluationResult]:
        """Returns the results that are finished, each once.

        Waits up to `timeout_s` for the first; returns an empty list if none came or nothing is
        queued. The results of a group come together.

        Raises:
            PoolError: the workers cannot be started again.
        """

    @abstractmethod
    def cancel(self) -> None:
        """Forgets every task that is queued or running; their results never come.

        On return no worker is busy: the pool can take new tasks at once.
        """

    @abstractmethod
    def close(self) -> None:
        """Cancels and gives the workers back; closing twice does nothing."""

    @property
    @abstractmethod
    def num_pending(self) -> int:
        """Tasks submitted and neither collected nor cancelled."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


@dataclass(frozen=True)
class Latency:
    """The latency of one network, measured beside a reference network.

    Attributes:
        latency_ms: the figure to report: `raw_ms * factor`.
        median_ms: median of the samples, times `factor`.
        p10_ms: 10th percentile of the samples, times `factor`.
        p90_ms: 90th percentile of the samples, times `factor`.
        raw_ms: the settings' statistic (10th percentile or median) of the samples as the clock told
            them.
        factor: `reference_baseline_ms / reference_ms` with drift correction, 1 without.
        reference_ms: the same statistic of the reference network's samples in the same rounds.
        reference_baseline_ms: the speed of the reference network that latencies are scaled to.
        repeats: number of samples.
        inferences_per_sample: a sample is the mean over this many.
        total_s: time from loading the models to the last sample, of the whole batch of networks.
        num_networks: networks measured in the same rounds, the reference not counted.
        settings: `LatencySettings` as JSON.
        runtime_version: version of the runtime.
        device: description of the machine (processor, cores, system).
        purpose: "search" or "finalist".
    """

    latency_ms: float
    median_ms: float
    p10_ms: float
    p90_ms: float
    raw_ms: float
    factor: float
    reference_ms: float
    reference_baseline_ms: float
    repeats: int
    inferences_per_sample: int
    total_s: float
    num_networks: int
    settings: Mapping[str, Any]
    runtime_version: str
    device: Mapping[str, Any]
    purpose: str

    def provenance(self) -> dict[str, Any]:
        """Returns JSON values that say how `latency_ms` was obtained."""
        names = [name for name in self.__dataclass_fields__ if name != "latency_ms"]
        values = {name: getattr(self, name) for name in names}
        return {"method": "measured", **values}


LatencyOutcome = Latency | Infeasible | Failed
"""What a measurement says of one network."""


def with_latency(evaluated: Outcome, measured: LatencyOutcome) -> Outcome:
    """Returns the outcome of an evaluation completed by its measured latency.

    Args:
        evaluated: what the evaluator said; returned as it is unless `Measured`.
        measured: the latency (replaces an earlier one), or why there is none, which is then the
            outcome.
    """
    if not isinstance(evaluated, Measured):
        return evaluated
    if not isinstance(measured, Latency):
        return measured
    return replace(
        evaluated,
        metrics={**evaluated.metrics, "latency_ms": measured.latency_ms},
        provenance={**evaluated.provenance, "latency_ms": measured.provenance()},
    )


class TrainingFailedError(RuntimeError):
    """A training ended in an error that trying again would only repeat, or did so too often."""


class TrainingCancelledError(Exception):
    """A training stopped because it was told to; its newest checkpoint is kept."""

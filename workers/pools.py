"""Pools of workers: in this process, or in Ray actors that may die and are replaced."""

import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray

from search_space.outcomes import Failed, Infeasible, Outcome
from workers import cluster
from workers.failures import is_out_of_memory, summary
from workers.protocol import (
    EvaluationResult,
    EvaluationTask,
    Evaluator,
    EvaluatorSpec,
    PoolBusyError,
    PoolCancelledError,
    PoolError,
    WorkerPool,
)
from workers.settings import ResourceSettings

logger = logging.getLogger(__name__)

START_POLL_S = 0.5


class _Pending:
    """Tasks that wait for a worker, and the numbers of all that are not collected yet."""

    def __init__(self) -> None:
        self.waiting: deque[EvaluationTask] = deque()
        self.numbers: set[int] = set()

    def add(self, tasks: Sequence[EvaluationTask]) -> None:
        """Appends tasks, all or none of them."""
        new = [task.number for task in tasks]
        doubled = sorted({n for n in new if n in self.numbers or new.count(n) > 1})
        if doubled:
            raise ValueError(f"number of a task must be unique in its pool, got {doubled} again")
        self.numbers.update(new)
        self.waiting.extend(tasks)

    def clear(self) -> None:
        """Forgets all tasks."""
        self.waiting.clear()
        self.numbers.clear()


def evaluate_safely(evaluator: Evaluator, task: EvaluationTask) -> EvaluationResult:
    """Returns the evaluator's result; what it raises becomes an outcome with a traceback.

    Out of memory is `Infeasible`: the network does not fit this machine, and trying again would not
    help. Everything else is `Failed`.
    """
    try:
        return evaluator.evaluate(task)
    except Exception as error:
        outcome: Outcome
        if is_out_of_memory(error):
            outcome = Infeasible(f"out of memory while evaluating: {summary(error)}")
        else:
            outcome = Failed(f"evaluation raised {summary(error)}")
        return EvaluationResult(task.number, outcome, traceback=traceback.format_exc())


def _log_traceback(result: EvaluationResult) -> None:
    if result.traceback:
        logger.warning("task %d: %s\n%s", result.number, result.outcome, result.traceback)


class LocalPool(WorkerPool):
    """Evaluates in this process, one task in each call of `collect`, in the order of submission.

    For tests, libraries and machines without Ray. A network that kills its process kills this one.

    Args:
        spec: what the evaluator is built from.
        num_threads: threads that it computes with.
    """

    def __init__(self, spec: EvaluatorSpec, num_threads: int = 1) -> None:
        self._evaluator = spec.build(num_threads)
        self._pending = _Pending()

    def submit(self, tasks: Sequence[EvaluationTask]) -> None:
        """See `WorkerPool.submit`."""
        self._pending.add(tasks)

    def collect(self, timeout_s: float) -> list[EvaluationResult]:
        """See `WorkerPool.collect`; an evaluation is not interrupted by the timeout."""
        del timeout_s
        if not self._pending.waiting:
            return []
        task = self._pending.waiting.popleft()
        result = evaluate_safely(self._evaluator, task)
        self._pending.numbers.remove(task.number)
        _log_traceback(result)
        return [result]

    def cancel(self) -> None:
        """See `WorkerPool.cancel`."""
        self._pending.clear()

    def close(self) -> None:
        """See `WorkerPool.close`."""
        self.cancel()

    @property
    def num_pending(self) -> int:
        """See `WorkerPool.num_pending`."""
        return len(self._pending.numbers)


class _EvaluationActor:
    """A worker process that holds one evaluator."""

    def start(self, spec: EvaluatorSpec, num_threads: int) -> None:
        self._evaluator = spec.build(num_threads)

    def evaluate(self, task: EvaluationTask) -> EvaluationResult:
        return evaluate_safely(self._evaluator, task)


@dataclass(eq=False)
class _Worker:
    """One actor as the pool sees it: starting or busy while it has a `call`, else idle."""

    actor: Any
    call: Any = None
    task: EvaluationTask | None = None


class RayPool(WorkerPool):
    """Evaluates in Ray actors, each with cores and an evaluator of its own.

    A worker that dies is replaced, and its task is tried again by the next free worker; a task
    whose workers died `max_attempts` times is `Failed`, so that one bad network cannot stop a
    search. Where Ray itself killed the worker because the machine's memory ran low, the task is
    `Failed` at once: that is not tried again blindly, and whose memory it was is not known.

    The connection (`workers.cluster.connect`) is the caller's. Until `close`, the pool holds its
    cores also while it is idle, but uses no time on them.

    Args:
        spec: what each worker builds its evaluator from.
        resources: number of workers, and cores and GPUs of each.
        max_attempts: how often a task is tried.
        start_timeout_s: how long the first workers may take.
        should_cancel: asked now and then until they have started.

    Raises:
        PoolError: the cluster lacks the resources, or no evaluator can be built.
        PoolBusyError: others hold the resources.
        PoolCancelledError: `should_cancel` said so.
    """

    def __init__(
        self,
        spec: EvaluatorSpec,
        resources: ResourceSettings,
        *,
        max_attempts: int = 3,
        start_timeout_s: float = 120.0,
        should_cancel: Callable[[], bool] = lambda: False,
    ) -> None:
        self._spec = spec
        self._resources = resources
        self._max_attempts = max_attempts
        self._pending = _Pending()
        self._deaths: dict[int, int] = {}  # task number -> workers that died of it
        self._failed_starts = 0
        self._closed = False
        self._workers = [self._start_worker() for _ in range(resources.num_workers)]
        try:
            self._await_start(start_timeout_s, should_cancel)
        except BaseException:
            self.close()
            raise

    def submit(self, tasks: Sequence[EvaluationTask]) -> None:
        """See `WorkerPool.submit`."""
        if self._closed:
            raise ValueError("the pool must be open to submit, got a closed one")
        self._pending.add(tasks)
        self._assign()

    def collect(self, timeout_s: float) -> list[EvaluationResult]:
        """See `WorkerPool.collect`."""
        deadline = time.monotonic() + timeout_s
        results: list[EvaluationResult] = []
        while self._pending.numbers and not results:
            remaining = max(0.0, deadline - time.monotonic())
            results = self._advance(remaining)
            if time.monotonic() >= deadline:
                break
        return results

    def cancel(self) -> None:
        """See `WorkerPool.cancel`; busy workers are killed and replaced."""
        self._pending.clear()
        self._deaths.clear()
        for position, worker in enumerate(self._workers):
            if worker.task is not None:
                self._kill(worker)
                self._workers[position] = self._start_worker()

    def close(self) -> None:
        """See `WorkerPool.close`."""
        self._pending.clear()
        self._closed = True
        for worker in self._workers:
            self._kill(worker)
        self._workers = []

    @property
    def num_pending(self) -> int:
        """See `WorkerPool.num_pending`."""
        return len(self._pending.numbers)

    def _start_worker(self) -> _Worker:
        cpus, gpus = self._resources.cpus_per_worker, self._resources.gpus_per_worker
        held = {"num_cpus": cpus, "num_gpus": gpus, "resources": self._resources.custom_per_worker}
        actor = ray.remote(_EvaluationActor).options(**held).remote()
        return _Worker(actor, call=actor.start.remote(self._spec, cpus))

    def _await_start(self, timeout_s: float, should_cancel: Callable[[], bool]) -> None:
        deadline = time.monotonic() + timeout_s
        while any(worker.call is not None for worker in self._workers):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise self._not_started(timeout_s)
            if should_cancel():
                raise PoolCancelledError("the start of the workers was cancelled")
            self._advance(min(remaining, START_POLL_S))

    def _not_started(self, timeout_s: float) -> PoolError:
        offered = cluster.resources().offered
        could_ever = all(
            amount <= offered.get(name, 0) for name, amount in self._resources.total().items()
        )
        return (PoolBusyError if could_ever else PoolError)(
            f"{len(self._workers)} workers of {self._resources.cpus_per_worker} CPUs and "
            f"{self._resources.gpus_per_worker} GPUs must start within {timeout_s:.0f} s; "
            f"the cluster has {ray.available_resources()} free of {ray.cluster_resources()}"
        )

    def _advance(self, timeout_s: float) -> list[EvaluationResult]:
        """Waits for any call to end, deals with all that ended, and hands out waiting tasks."""
        calls = {worker.call: worker for worker in self._workers if worker.call is not None}
        if not calls:
            self._assign()
            return []
        done, _ = ray.wait(list(calls), num_returns=1, timeout=timeout_s)
        if done:
            done, _ = ray.wait(list(calls), num_returns=len(calls), timeout=0)
        results = [result for call in done for result in self._finish(calls[call])]
        self._assign()
        return results

    def _finish(self, worker: _Worker) -> list[EvaluationResult]:
        """Takes the end of a worker's call; returns the results it decided."""
        call, task = worker.call, worker.task
        worker.call = worker.task = None
        try:
            result = ray.get(call)
        except ray.exceptions.RayTaskError as error:
            if task is None:
                cause = summary(error.cause)
                raise PoolError(f"the evaluator cannot be built: {cause}") from error
            self._forget(task)  # the result itself could not be sent
            return [EvaluationResult(task.number, Failed(f"worker raised {summary(error.cause)}"))]
        except ray.exceptions.RayError as error:
            if not cluster.is_alive():  # no fault of the task's
                raise PoolError(f"Ray was lost: {summary(error)}") from error
            self._workers[self._workers.index(worker)] = self._replace(worker)
            return self._after_death(task, error)
        if task is None:
            self._failed_starts = 0
            return []
        self._forget(task)
        _log_traceback(result)
        return [result]

    def _replace(self, worker: _Worker) -> _Worker:
        self._kill(worker)
        return self._start_worker()

    def _after_death(
        self, task: EvaluationTask | None, error: ray.exceptions.RayError
    ) -> list[EvaluationResult]:
        """Decides what becomes of the task, or of the start, that a worker died in."""
        if task is None:
            self._failed_starts += 1
            if self._failed_starts > self._max_attempts:
                raise PoolError(
                    f"workers died {self._failed_starts} times while they started"
                ) from error
            return []
        deaths = self._deaths[task.number] = self._deaths.get(task.number, 0) + 1
        logger.warning("worker died in task %d (%d times): %s", task.number, deaths, error)
        if isinstance(error, ray.exceptions.OutOfMemoryError):
            reason = f"worker killed by Ray for low memory of the machine: {summary(error)}"
        elif deaths >= self._max_attempts:
            reason = f"worker died {deaths} times while evaluating this architecture"
        else:
            self._pending.waiting.appendleft(task)
            return []
        self._forget(task)
        return [EvaluationResult(task.number, Failed(reason))]

    def _forget(self, task: EvaluationTask) -> None:
        self._pending.numbers.remove(task.number)
        self._deaths.pop(task.number, None)

    def _assign(self) -> None:
        for worker in self._workers:
            if worker.call is None and self._pending.waiting:
                worker.task = self._pending.waiting.popleft()
                worker.call = worker.actor.evaluate.remote(worker.task)

    @staticmethod
    def _kill(worker: _Worker) -> None:
        ray.kill(worker.actor)
        worker.call = worker.task = None

"""Pools of workers: in this process, or in Ray actors that may die and are replaced."""

import logging
import time
import traceback
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
from workers.task_queue import TaskQueue

logger = logging.getLogger(__name__)

START_POLL_S = 0.5


def evaluate_safely(
    evaluator: Evaluator, tasks: Sequence[EvaluationTask]
) -> list[EvaluationResult]:
    """Returns the evaluator's results; what it raises becomes an outcome with a traceback.

    What a group raises is the fault of one of its tasks, or of their number: each is tried again
    alone. So is a single task that ran out of memory, as what was kept for later is free by then.
    """
    try:
        return evaluator.evaluate(tasks)
    except Exception as error:
        if len(tasks) == 1 and not is_out_of_memory(error):
            return [_raised(tasks[0], error)]
        logger.warning("a group of %d is tried one by one: %s", len(tasks), summary(error))
    return [result for task in tasks for result in _evaluate_alone(evaluator, task)]


def _evaluate_alone(evaluator: Evaluator, task: EvaluationTask) -> list[EvaluationResult]:
    try:
        return evaluator.evaluate([task])
    except Exception as error:
        return [_raised(task, error)]


def _raised(task: EvaluationTask, error: Exception) -> EvaluationResult:
    """Returns what becomes of a task whose evaluation raised; called where that is handled.

    Out of memory is `Infeasible`: the network does not fit this machine, and trying again would not
    help. Everything else is `Failed`.
    """
    outcome: Outcome
    if is_out_of_memory(error):
        outcome = Infeasible(f"out of memory while evaluating: {summary(error)}")
    else:
        outcome = Failed(f"evaluation raised {summary(error)}")
    return EvaluationResult(task.number, outcome, traceback=traceback.format_exc())


def _log_tracebacks(results: Sequence[EvaluationResult]) -> None:
    for result in results:
        if result.traceback:
            logger.warning("task %d: %s\n%s", result.number, result.outcome, result.traceback)


class LocalPool(WorkerPool):
    """Evaluates in this process, one group in each call of `collect`, in the order of submission.

    For tests, libraries and machines without Ray. A network that kills its process kills this one.

    Args:
        spec: what the evaluator is built from.
        num_threads: threads that it computes with.
    """

    def __init__(self, spec: EvaluatorSpec, num_threads: int = 1) -> None:
        self._evaluator = spec.build(num_threads)
        self._queue = TaskQueue(num_workers=1)

    def submit(self, tasks: Sequence[EvaluationTask]) -> None:
        """See `WorkerPool.submit`."""
        self._queue.add(tasks)

    def collect(self, timeout_s: float) -> list[EvaluationResult]:
        """See `WorkerPool.collect`; an evaluation is not interrupted by the timeout."""
        del timeout_s
        tasks = self._queue.take(0)
        if not tasks:
            return []
        results = evaluate_safely(self._evaluator, tasks)
        for task in tasks:
            self._queue.finish(task)
        _log_tracebacks(results)
        return results

    def cancel(self) -> None:
        """See `WorkerPool.cancel`."""
        self._queue.clear()

    def close(self) -> None:
        """See `WorkerPool.close`."""
        self.cancel()

    @property
    def num_pending(self) -> int:
        """See `WorkerPool.num_pending`."""
        return len(self._queue)


class _EvaluationActor:
    """A worker process that holds one evaluator."""

    def start(self, spec: EvaluatorSpec, num_threads: int) -> None:
        self._evaluator = spec.build(num_threads)

    def evaluate(self, tasks: Sequence[EvaluationTask]) -> list[EvaluationResult]:
        return evaluate_safely(self._evaluator, tasks)


@dataclass(eq=False)
class _Worker:
    """One actor as the pool sees it: starting or busy while it has a `call`, else idle."""

    actor: Any
    call: Any = None
    tasks: tuple[EvaluationTask, ...] = ()


class RayPool(WorkerPool):
    """Evaluates in Ray actors, each with cores and an evaluator of its own, group by group.

    A worker that dies is replaced. Which task of its group it died of is not known: each is tried
    again by itself, by the next free worker. A task whose workers died `max_attempts` times while
    they had nothing else to do is `Failed`, so that one bad network cannot stop a search. Where Ray
    itself killed such a worker because the machine's memory ran low, the task is `Failed` at once:
    that is not tried again blindly, and whose memory it was is not known.

    The connection (`workers.cluster.connect`) is the caller's. Until `close`, the pool holds its
    cores also while it is idle, but uses no time on them.

    Args:
        spec: what each worker builds its evaluator from.
        resources: number of workers, and cores and GPUs of each.
        max_attempts: how often a task is tried by itself.
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
        self._queue = TaskQueue(resources.num_workers)
        self._deaths: dict[int, int] = {}  # task number -> workers that died of it alone
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
        self._queue.add(tasks)
        self._assign()

    def collect(self, timeout_s: float) -> list[EvaluationResult]:
        """See `WorkerPool.collect`."""
        deadline = time.monotonic() + timeout_s
        results: list[EvaluationResult] = []
        while len(self._queue) and not results:
            remaining = max(0.0, deadline - time.monotonic())
            results = self._advance(remaining)
            if time.monotonic() >= deadline:
                break
        return results

    def cancel(self) -> None:
        """See `WorkerPool.cancel`; busy workers are killed and replaced."""
        self._queue.clear()
        self._deaths.clear()
        for position, worker in enumerate(self._workers):
            if worker.tasks:
                self._kill(worker)
                self._workers[position] = self._start_worker()

    def close(self) -> None:
        """See `WorkerPool.close`."""
        self._queue.clear()
        self._closed = True
        for worker in self._workers:
            self._kill(worker)
        self._workers = []

    @property
    def num_pending(self) -> int:
        """See `WorkerPool.num_pending`."""
        return len(self._queue)

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
        call, tasks = worker.call, worker.tasks
        worker.call, worker.tasks = None, ()
        try:
            results: list[EvaluationResult] = ray.get(call)
        except ray.exceptions.RayTaskError as error:
            if not tasks:
                cause = summary(error.cause)
                raise PoolError(f"the evaluator cannot be built: {cause}") from error
            # The results themselves could not be sent.
            return self._decide(tasks, Failed(f"worker raised {summary(error.cause)}"))
        except ray.exceptions.RayError as error:
            if not cluster.is_alive():  # no fault of the tasks'
                raise PoolError(f"Ray was lost: {summary(error)}") from error
            self._workers[self._workers.index(worker)] = self._replace(worker)
            return self._after_death(tasks, error)
        if not tasks:
            self._failed_starts = 0
            return []
        for task in tasks:
            self._forget(task)
        _log_tracebacks(results)
        return results

    def _decide(self, tasks: Sequence[EvaluationTask], outcome: Outcome) -> list[EvaluationResult]:
        """Returns the outcome of a single task; tasks of a group are tried again one by one."""
        if len(tasks) > 1:
            self._queue.put_back_alone(tasks)
            return []
        self._forget(tasks[0])
        return [EvaluationResult(tasks[0].number, outcome)]

    def _replace(self, worker: _Worker) -> _Worker:
        self._kill(worker)
        return self._start_worker()

    def _after_death(
        self, tasks: Sequence[EvaluationTask], error: ray.exceptions.RayError
    ) -> list[EvaluationResult]:
        """Decides what becomes of the tasks, or of the start, that a worker died in."""
        if not tasks:
            self._failed_starts += 1
            if self._failed_starts > self._max_attempts:
                raise PoolError(
                    f"workers died {self._failed_starts} times while they started"
                ) from error
            return []
        numbers = [task.number for task in tasks]
        if len(tasks) > 1:
            logger.warning("worker died in tasks %s, which go on one by one: %s", numbers, error)
            self._queue.put_back_alone(tasks)
            return []
        deaths = self._deaths[numbers[0]] = self._deaths.get(numbers[0], 0) + 1
        logger.warning("worker died in task %d (%d times): %s", numbers[0], deaths, error)
        if isinstance(error, ray.exceptions.OutOfMemoryError):
            reason = f"worker killed by Ray for low memory of the machine: {summary(error)}"
        elif deaths >= self._max_attempts:
            reason = f"worker died {deaths} times while evaluating this architecture"
        else:
            self._queue.put_back_alone(tasks)
            return []
        return self._decide(tasks, Failed(reason))

    def _forget(self, task: EvaluationTask) -> None:
        self._queue.finish(task)
        self._deaths.pop(task.number, None)

    def _assign(self) -> None:
        for position, worker in enumerate(self._workers):
            if worker.call is None and self._queue.num_waiting:
                worker.tasks = self._queue.take(position)
                worker.call = worker.actor.evaluate.remote(worker.tasks)

    @staticmethod
    def _kill(worker: _Worker) -> None:
        ray.kill(worker.actor)
        worker.call, worker.tasks = None, ()

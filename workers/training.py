"""Training jobs under Ray Train: one or more worker processes, on CPUs or GPUs.

Ray Train carries the processes, their process group and their restart. Checkpoints are ours
(`supernet.checkpoints`), so that a restarted worker, a restarted runner and a restarted machine all
resume in the same way: from the newest complete one.

Epoch reports travel through a small actor that the caller polls; the flag that cancels travels back
the same way. What runs inside the workers is `workers.train_worker`.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ray
import ray.train
import ray.train.torch

from supernet.reports import EpochReport
from workers import cluster
from workers.failures import summary
from workers.protocol import TrainingCancelledError, TrainingFailedError
from workers.settings import ResourceSettings
from workers.sharing import mark
from workers.train_worker import train_worker
from workers.training_job import Progress, TrainingJob, TrainingResult

logger = logging.getLogger(__name__)

_FIELDS = {"CPU": "cpus_per_worker", "GPU": "gpus_per_worker"}


def run_training(
    job: TrainingJob,
    *,
    on_report: Callable[[EpochReport], None] = lambda _: None,
    should_cancel: Callable[[], bool] = lambda: False,
    poll_s: float = 0.5,
    hard_stop_s: float = 60.0,
) -> TrainingResult:
    """Trains a supernet to the end, resuming from the job's newest checkpoint; blocks until then.

    A worker process that dies is restarted, `max_worker_deaths` times at most; all workers then go
    on from the newest checkpoint. Callable from any thread, and from several at once.

    Args:
        job: what to train.
        on_report: called from the calling thread, once for each epoch that this call trained.
        should_cancel: polled from the calling thread.
        poll_s: how often to look.
        hard_stop_s: a cancelled training stops after the step under way; workers that have not
            by then are killed.

    Raises:
        TrainingCancelledError: `should_cancel` said so; the state is in a checkpoint.
        TrainingFailedError: names the cause (a diverged loss, a full disk, ...).
        ClusterError: the cluster lacks the resources that the job asks for.
        Exception: whatever `on_report` or `should_cancel` raises, once the workers have stopped.
    """
    check_resources(job.resources)
    mark(job.folder, job.attempt)
    run = _Run(job)
    run.start()
    try:
        while run.is_alive():
            run.join(poll_s)
            run.pass_on_reports(on_report)
            if run.is_alive() and should_cancel():
                break
    finally:
        was_running = run.is_alive()
        run.stop(hard_stop_s)
    run.pass_on_reports(on_report)
    if was_running:
        raise TrainingCancelledError(f"training {job.name} was cancelled")
    return run.result()


def check_resources(asked: ResourceSettings) -> None:
    """Returns if the cluster has what is asked for; Ray would wait for what never comes.

    Raises:
        ClusterError: it has not.
    """
    offered = cluster.resources().offered
    for name, per_worker in asked.per_worker().items():
        field = _FIELDS.get(name, f"custom_per_worker {name}")
        total = offered.get(name, 0)
        if asked.num_workers * per_worker > total:
            raise cluster.ClusterError(
                f"num_workers x {field} must be at most the cluster's {total:g}, "
                f"got {asked.num_workers} x {per_worker:g}"
            )


class _StopAtFinalErrors(ray.train.UserCallback):  # type: ignore[misc]  # Ray ships no types
    """Keeps Ray Train from repeating what would only fail again; runs in its controller."""

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Raises, which ends the run, unless workers only died."""
        del run_context
        for error in worker_exceptions.values():
            if isinstance(error, TrainingFailedError):
                raise error


class _Trainer(ray.train.torch.TorchTrainer):  # type: ignore[misc]  # Ray ships no types
    """Ray Train without the actors that do nothing here; each is a process that imports Ray Train.

    One shares out Ray's data sets, of which we use none. The other frees a dead controller's cores,
    of whose death it learns from the dashboard only.
    """

    def _create_default_callbacks(self) -> list[Any]:
        unused = {"DatasetsCallback"}
        if not cluster.has_dashboard():
            unused.add("PlacementGroupCleanerCallback")
        callbacks = super()._create_default_callbacks()
        return [callback for callback in callbacks if type(callback).__name__ not in unused]


class _Run(threading.Thread):
    """One `_Trainer.fit()` in a thread of its own, and the actor that talks to its workers."""

    def __init__(self, job: TrainingJob) -> None:
        super().__init__(name=f"training {job.name}", daemon=True)
        self._job = job
        self._epochs: list[EpochReport] = []
        self._error: Exception | None = None
        # Restarted if it dies: the cancel flag is repeated, at worst some reports are lost.
        actor = ray.remote(Progress).options(num_cpus=0, max_restarts=-1, max_task_retries=-1)
        self._progress = actor.remote()

    def run(self) -> None:
        """Runs the training; `result` tells how it ended."""
        try:
            self._trainer().fit()
        except Exception as error:  # handed to the thread that waits
            self._error = error

    def _trainer(self) -> Any:
        job, resources = self._job, self._job.resources
        per_worker = {name: amount for name, amount in resources.per_worker().items() if amount}
        storage = job.folder.resolve() / "ray"
        storage.mkdir(parents=True, exist_ok=True)
        return _Trainer(
            train_worker,
            train_loop_config={"job": job, "progress": self._progress},
            scaling_config=ray.train.ScalingConfig(
                num_workers=resources.num_workers,
                use_gpu=resources.gpus_per_worker > 0,
                resources_per_worker=per_worker,
            ),
            run_config=ray.train.RunConfig(
                name=f"{job.name}-attempt{job.attempt}",
                storage_path=str(storage),
                failure_config=ray.train.FailureConfig(
                    max_failures=resources.max_worker_deaths,
                    controller_failure_limit=resources.max_worker_deaths,
                ),
                callbacks=[_StopAtFinalErrors()],
            ),
        )

    def pass_on_reports(self, on_report: Callable[[EpochReport], None]) -> None:
        """Calls `on_report` for each epoch that is new: restarted workers repeat some."""
        for report in ray.get(self._progress.take_reports.remote()):
            if not self._epochs or report.epoch > self._epochs[-1].epoch:
                self._epochs.append(report)
                on_report(report)

    def stop(self, hard_stop_s: float) -> None:
        """Returns when no worker runs any more; at once if the training has ended."""
        if not self.is_alive():
            return
        ray.get(self._progress.cancel.remote())
        self.join(hard_stop_s)
        while self.is_alive():
            logger.warning("training %s did not stop in time: killing it", self._job.name)
            for handle in ray.get(self._progress.take_workers.remote()):
                worker = ray.cloudpickle.loads(handle)
                ray.kill(worker)  # the one that Ray starts in its place sees the flag and ends
            self.join(hard_stop_s)

    def result(self) -> TrainingResult:
        """Returns what the ended training left, or raises why it failed."""
        for text in ray.get(self._progress.tracebacks.remote()):
            logger.error("training %s failed in a worker:\n%s", self._job.name, text)
        if self._error is not None:
            cause = getattr(self._error, "controller_failure", self._error)
            if isinstance(cause, TrainingFailedError):
                message = str(cause)
            elif isinstance(self._error, ray.train.WorkerGroupError):
                num_deaths = self._job.resources.max_worker_deaths
                message = f"workers died more than {num_deaths} times: {summary(cause)}"
            else:
                message = f"Ray Train failed: {summary(cause)}"
            raise TrainingFailedError(message) from self._error
        result, sampled_digests = ray.get(self._progress.finished.remote())
        if result is None:
            raise TrainingFailedError(f"training {self._job.name} ended without a result")
        if len(set(sampled_digests)) != 1:
            raise TrainingFailedError(
                f"all ranks must train the same architectures, got sequences {sampled_digests}"
            )
        assert isinstance(result, TrainingResult)
        return replace(result, sampled_digests=sampled_digests, epochs=tuple(self._epochs))

"""Architectures trained alone, side by side, under Ray Tune.

What a shared accuracy is worth shows when the same architecture is trained by itself. Ray Tune
carries the trials and stops those early that fall behind, where ASHA (Li et al. 2020, arXiv
1810.05934) is wished. Checkpoints are ours, so that a trial which was cut short goes on.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import ray
import ray.tune
import ray.tune.schedulers
import torch

from search_space.family import NetworkSettings
from search_space.space import Option
from supernet.base import Supernet
from supernet.checkpoints import CheckpointFolder
from supernet.data import TensorData
from supernet.evaluate import evaluate_architecture
from supernet.schedules.single import SingleSettings
from supernet.settings import AccuracySettings, TrainingSettings
from supernet.training import train
from workers.failures import summary
from workers.protocol import TrainingCancelledError, TrainingFailedError
from workers.provenance import accuracy_provenance
from workers.settings import ResourceSettings
from workers.sharing import check_shared
from workers.train_worker import would_repeat
from workers.training import check_resources

logger = logging.getLogger(__name__)

METRIC = "top1_percent"
REDUCTION_FACTOR = 2
"""Of the trials that reach a rung, ASHA lets the better half go on (the paper's: the best quarter).

What is stopped does not count, and a correlation needs what it can get.
"""


_QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # writes no files for other tools
    "RAY_AIR_NEW_OUTPUT": "0",  # prints no tables, which `verbose=0` alone does not see to
}
# It misses those files.
_NOISY_LOGGER = "ray.tune.analysis.experiment_analysis"


@dataclass(frozen=True)
class StandaloneJob:
    """Everything that decides what is trained alone.

    Attributes:
        name: names the job in logs and in Ray's files.
        network: the family and its choices.
        architectures: of its space, by the caller's numbers.
        data_path: a data set as `supernet.datasets.write_data_set` left it.
        training: of each; its schedule is not used.
        accuracy: how each is evaluated after every epoch.
        folder: where checkpoints and Ray's files go.
        use_asha: whether what falls behind is stopped early.
        resources: of each training; `num_workers` of them at once.
        seed: of every training: what differs between them is the architecture.
        attempt: the job's fencing token, part of the names of its checkpoints.
    """

    name: str
    network: NetworkSettings
    architectures: Mapping[int, Mapping[str, Option]]
    data_path: Path
    training: TrainingSettings
    accuracy: AccuracySettings
    folder: Path
    use_asha: bool
    resources: ResourceSettings = field(default_factory=ResourceSettings)
    seed: int = 0
    attempt: int = 0


@dataclass(frozen=True)
class StandaloneResult:
    """What came of training one architecture alone.

    Attributes:
        number: the caller's.
        status: "trained" to the end, "stopped" early by ASHA, or "failed".
        num_epochs: how long it was trained, in all attempts.
        history: validation accuracy after each epoch that this call trained.
        provenance: how the last of them was found; empty for a failure.
        reason: of a failure.
    """

    number: int
    status: Literal["trained", "stopped", "failed"]
    num_epochs: int
    history: tuple[float, ...]
    provenance: Mapping[str, Any]
    reason: str | None = None


def train_standalone(
    job: StandaloneJob,
    *,
    on_result: Callable[[StandaloneResult], None],
    should_cancel: Callable[[], bool] = lambda: False,
    poll_s: float = 0.5,
) -> None:
    """Trains every architecture of the job alone; blocks until all have ended.

    A trial whose process dies is tried again, from its newest checkpoint, `max_worker_deaths`
    times. An error that would only repeat (a diverged loss, ...) ends its own trial alone. Callable
    from any thread.

    Args:
        job: what to train.
        on_result: called from the calling thread with each trial's end, soon after it.
        should_cancel: polled from the calling thread.
        poll_s: how often to look.

    Raises:
        TrainingCancelledError: `should_cancel` said so; the trials' checkpoints are kept.
        TrainingFailedError: Ray Tune failed, which names the cause.
        ClusterError: the cluster lacks the resources that the job asks for.
        Exception: whatever `on_result` or `should_cancel` raises, once the trials have stopped.
    """
    if not job.architectures:
        return
    check_resources(job.resources)
    run = _Run(job)
    run.start()
    cancelled = False
    try:
        while run.is_alive() and not cancelled:
            run.join(poll_s)
            run.pass_on(on_result)
            cancelled = run.is_alive() and should_cancel()
    finally:
        run.stop_and_wait()
    if cancelled:
        raise TrainingCancelledError(f"stand-alone training of {job.name} was cancelled")
    run.pass_on(on_result)
    if run.error is not None:
        raise TrainingFailedError(f"Ray Tune failed: {summary(run.error)}") from run.error


class _Run(threading.Thread):
    """One `Tuner.fit()` in a thread of its own, and what its trials have come to."""

    def __init__(self, job: StandaloneJob) -> None:
        super().__init__(name=f"stand-alone training {job.name}", daemon=True)
        self.error: Exception | None = None
        self._job = job
        self._log = TrialLog(job)
        self._stopper = _StopWhenAsked()

    def run(self) -> None:
        """Runs all trials; `error` tells if that failed."""
        try:
            self._tuner().fit()
        except Exception as error:  # handed to the thread that waits
            self.error = error

    def _tuner(self) -> Any:
        job = self._job
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        logging.getLogger(_NOISY_LOGGER).setLevel(logging.ERROR)
        # Ray Tune writes CPU and GPU in small letters, unlike the rest of Ray.
        per_trial = {
            {"CPU": "cpu", "GPU": "gpu"}.get(name, name): amount
            for name, amount in job.resources.per_worker().items()
        }
        storage = job.folder.resolve() / "ray"
        storage.mkdir(parents=True, exist_ok=True)
        return ray.tune.Tuner(
            ray.tune.with_resources(ray.tune.with_parameters(train_trial, job=job), per_trial),
            param_space={"number": ray.tune.grid_search(sorted(job.architectures))},
            tune_config=ray.tune.TuneConfig(
                metric=METRIC,
                mode="max",
                scheduler=scheduler_of(job),
                max_concurrent_trials=job.resources.num_workers,
            ),
            run_config=ray.tune.RunConfig(
                name=f"{job.name}-attempt{job.attempt}",
                storage_path=str(storage),
                stop=self._stopper,
                verbose=0,
                failure_config=ray.tune.FailureConfig(max_failures=job.resources.max_worker_deaths),
                callbacks=[self._log],
            ),
        )

    def pass_on(self, on_result: Callable[[StandaloneResult], None]) -> None:
        """Calls `on_result` with each end of a trial that is new."""
        for result in self._log.take():
            on_result(result)

    def stop_and_wait(self) -> None:
        """Returns when no trial runs any more."""
        self._log.is_closed = self.is_alive()
        self._stopper.asked = True
        self.join()


class _StopWhenAsked(ray.tune.Stopper):  # type: ignore[misc]  # Ray ships no types
    """Ends all trials when asked to."""

    asked = False

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Whether a trial shall stop after a result."""
        del trial_id, result
        return self.asked

    def stop_all(self) -> bool:
        """Whether all shall stop."""
        return self.asked


class TrialLog(ray.tune.Callback):  # type: ignore[misc]  # likewise
    """Notes what trials report, in the process that drives them; read from another thread."""

    def __init__(self, job: StandaloneJob) -> None:
        self.is_closed = False
        self._job = job
        self._histories: dict[int, dict[int, float]] = {}
        self._last: dict[int, Mapping[str, Any]] = {}
        self._ended: deque[StandaloneResult] = deque()  # not a queue: Ray Tune pickles it

    def take(self) -> Sequence[StandaloneResult]:
        """Returns the ends of trials that are new."""
        return [self._ended.popleft() for _ in range(len(self._ended))]

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Notes an epoch."""
        del iteration, trials, info
        number = trial.config["number"]
        self._last[number] = result
        if result.get("epoch"):
            self._histories.setdefault(number, {})[result["epoch"]] = result[METRIC]

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Notes that a trial has ended or was stopped early."""
        del iteration, trials, info
        number = trial.config["number"]
        last = self._last.get(number, {})
        if last.get("reason"):
            self._end(number, "failed", last["reason"])
        elif last.get("epoch", 0) >= self._job.training.epochs:
            self._end(number, "trained")
        else:
            self._end(number, "stopped")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Notes that a trial was tried again too often."""
        del iteration, trials, info
        self._end(
            trial.config["number"],
            "failed",
            "its processes died, or raised what may pass, too often",
        )

    def _end(
        self,
        number: int,
        status: Literal["trained", "stopped", "failed"],
        reason: str | None = None,
    ) -> None:
        history, last = self._histories.get(number, {}), self._last.get(number, {})
        result = StandaloneResult(
            number,
            status,
            num_epochs=max(history, default=0),
            history=tuple(history[epoch] for epoch in sorted(history)),
            provenance=last.get("provenance", {}) if reason is None else {},
            reason=reason,
        )
        if not self.is_closed:  # what was cancelled did not end
            self._ended.append(result)


def scheduler_of(job: StandaloneJob) -> Any:
    """Returns Ray Tune's scheduler of the trials; the first rung is a quarter of the epochs."""
    if not job.use_asha:
        return ray.tune.schedulers.FIFOScheduler()
    return ray.tune.schedulers.ASHAScheduler(
        time_attr="epoch",
        max_t=job.training.epochs,
        grace_period=max(1, job.training.epochs // REDUCTION_FACTOR**2),
        reduction_factor=REDUCTION_FACTOR,
    )


def train_trial(config: Mapping[str, Any], job: StandaloneJob) -> None:
    """Trains one architecture alone, reporting its validation accuracy after every epoch.

    An error that would only repeat is reported as a result with a `reason`, so that the trial is
    not tried again.

    Args:
        config: "number", the caller's number of the architecture.
        job: what all trials share.
    """
    number: int = config["number"]
    try:
        _train_alone(job, number)
    except Exception as error:
        if not would_repeat(error):
            raise
        logger.exception("trial %d of %s failed", number, job.name)
        ray.tune.report({METRIC: 0.0, "epoch": 0, "reason": summary(error)})


def _train_alone(job: StandaloneJob, number: int) -> None:
    torch.set_num_threads(job.resources.cpus_per_worker)
    values = dict(job.architectures[number])
    supernet = Supernet(
        job.network,
        allowed={name: (value,) for name, value in values.items()},
        generator=torch.Generator().manual_seed(job.seed),
    )
    supernet = supernet.to("cuda" if job.resources.gpus_per_worker else "cpu")
    data = TensorData.from_file(check_shared(job.data_path)).to(next(supernet.parameters()).device)
    last_epoch = 0

    def report(epoch: int) -> None:
        nonlocal last_epoch
        last_epoch = epoch
        architecture = supernet.space.largest()
        _, accuracy = evaluate_architecture(supernet, architecture, data, job.accuracy)
        provenance = accuracy_provenance(accuracy, job.accuracy, "", data)
        ray.tune.report({METRIC: accuracy.top1_percent, "epoch": epoch, "provenance": provenance})

    train(
        supernet,
        data,
        job.training.model_copy(update={"schedule": SingleSettings(architecture=values)}),
        seed=job.seed,
        checkpoints=CheckpointFolder(job.folder / f"trial{number}", job.attempt),
        report=lambda done: report(done.epoch),
    )
    if last_epoch == 0:  # an earlier attempt had trained it to its end
        report(job.training.epochs)

"""What each worker process of a training job runs."""

import hashlib
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch

from supernet.base import Supernet
from supernet.checkpoints import CheckpointFolder, save_supernet
from supernet.data import TensorData
from supernet.evaluate import evaluate_architecture
from supernet.groups import Alone, Distributed
from supernet.reports import DivergedError, EpochReport
from supernet.schedules.base import Step
from supernet.teachers import Teacher, largest_as_teacher
from supernet.training import train
from workers.failures import is_out_of_memory, summary
from workers.protocol import TrainingFailedError
from workers.provenance import accuracy_provenance
from workers.sharing import check_marked, check_shared
from workers.training_job import TrainingJob, TrainingResult

CANCEL_POLL_S = 0.5


def train_worker(config: dict[str, Any]) -> None:
    """Trains as one rank; rank 0 writes checkpoints, reports, and evaluates and stores the result.

    Args:
        config: "job", a `TrainingJob`, and "progress", the actor of a `Progress`.

    Raises:
        TrainingFailedError: instead of an error that a restart would only meet again.
    """
    job: TrainingJob = config["job"]
    progress = config["progress"]
    own_handle = ray.cloudpickle.dumps(ray.get_runtime_context().current_actor)
    if ray.get(progress.join.remote(own_handle)):
        return
    try:
        _train(job, progress)
    except Exception as error:
        ray.get(progress.fail.remote(traceback.format_exc()))
        if would_repeat(error):
            # Names whole architectures.
            limit = 20_000 if isinstance(error, DivergedError) else 500
            raise TrainingFailedError(summary(error, limit)) from error
        raise


def would_repeat(error: Exception) -> bool:
    """Whether a restarted training would meet the same error.

    So it is with a diverged loss, memory that does not suffice, a full disk, unusable inputs and
    our own mistakes. It is not with what other ranks see when one dies, a RuntimeError of torch's
    collectives or a lost connection.
    """
    if isinstance(error, DivergedError) or is_out_of_memory(error):
        return True
    return not isinstance(error, RuntimeError | ConnectionError | ray.exceptions.RayError)


def _train(job: TrainingJob, progress: Any) -> None:
    torch.set_num_threads(job.resources.cpus_per_worker)
    context = ray.train.get_context()
    check_marked(job.folder, job.attempt)
    rank = context.get_world_rank()
    device = ray.train.torch.get_device()
    supernet = new_supernet(job).to(device)
    data = TensorData.from_file(check_shared(job.data_path)).to(device)

    def report(epoch: EpochReport) -> None:
        if rank == 0:
            ray.get(progress.report.remote(epoch))

    sampled = SampledSequence()
    with _cancel_flag(progress) as cancelled:
        is_complete = train(
            supernet,
            data,
            job.training,
            seed=job.seed,
            checkpoints=CheckpointFolder(
                job.checkpoint_folder, job.attempt, job.training.kept_checkpoints
            ),
            group=Distributed() if context.get_world_size() > 1 else Alone(),
            report=report,
            on_step=sampled.note,
            should_stop=cancelled.is_set,
            teacher=_teacher(job, data),
        )
    ray.get(progress.sampled.remote(rank, sampled.digest))
    if is_complete and rank == 0:
        ray.get(progress.finish.remote(_finish(job, supernet, data)))


def new_supernet(job: TrainingJob) -> Supernet:
    """Returns the supernet as it is before the first step, on the CPU.

    Raises:
        InvalidStartError: it cannot start from the file that was given.
    """
    generator = torch.Generator().manual_seed(job.seed)
    supernet = Supernet(job.network, allowed=job.allowed, generator=generator)
    if job.start is not None:
        job.start.apply(supernet)
    return supernet


def _teacher(job: TrainingJob, data: TensorData) -> Teacher | None:
    if job.teacher_path is None:
        return None
    return largest_as_teacher(job.teacher_path, data, job.accuracy)


def _finish(job: TrainingJob, supernet: Supernet, data: TensorData) -> TrainingResult:
    """Evaluates both extremes of the space and stores the supernet."""
    supernet.eval()
    version = save_supernet(job.supernet_path, supernet)
    space = supernet.space
    accuracies = {}
    for name, architecture in (("smallest", space.smallest()), ("largest", space.largest())):
        _, accuracy = evaluate_architecture(supernet, architecture, data, job.accuracy)
        accuracies[name] = {
            "architecture": dict(architecture),
            "top1_percent": accuracy.top1_percent,
            "provenance": accuracy_provenance(accuracy, job.accuracy, version, data),
        }
    return TrainingResult(job.supernet_path, version, accuracies)


@contextmanager
def _cancel_flag(progress: Any) -> Iterator[threading.Event]:
    """Yields an event that is set soon after the caller cancelled; asking each step would cost."""
    cancelled, done = threading.Event(), threading.Event()

    def poll() -> None:
        while not done.wait(CANCEL_POLL_S):
            if ray.get(progress.is_cancelled.remote()):
                cancelled.set()
                return

    thread = threading.Thread(target=poll, name="cancel flag", daemon=True)
    thread.start()
    try:
        yield cancelled
    finally:
        done.set()
        thread.join()


class SampledSequence:
    """A digest of all architectures that a training has trained so far, in their order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def note(self, step: Step) -> None:
        """Takes a step's architectures into the digest."""
        for subnet in step.subnets:
            self._hash.update(subnet.architecture.digest.encode())

    @property
    def digest(self) -> str:
        """In hexadecimal digits."""
        return self._hash.hexdigest()

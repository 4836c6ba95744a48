"""Training under Ray Train: killed workers, several ranks, cancelling, refusals.

A fit costs seconds to start, so each test here makes one of it.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from processes import worker_pids

from search_space.cnn import MobileNetV3Settings
from supernet.base import Supernet
from supernet.checkpoints import CheckpointFolder, load_supernet
from supernet.data import TensorData
from supernet.datasets import DigitsSource, load_source, write_data_set
from supernet.files import sha256_of
from supernet.reports import DivergedError, EpochReport
from supernet.schedules.base import Step, Subnet
from supernet.schedules.sandwich import SandwichSettings
from supernet.settings import AccuracySettings, TrainingSettings
from supernet.training import train
from workers.cluster import ClusterError
from workers.failures import summary
from workers.protocol import TrainingCancelledError, TrainingFailedError
from workers.settings import ResourceSettings
from workers.train_worker import SampledSequence, would_repeat
from workers.training import run_training
from workers.training_job import TrainingJob

# Ray Data, which Ray Train starts, warns of its own defaults.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context")


def fits(test: Callable[..., None]) -> Callable[..., None]:
    """Marks a test that makes Ray Train fit once."""
    marks = (pytest.mark.slow, pytest.mark.ray, pytest.mark.usefixtures("ray_cluster"))
    for mark in marks:
        test = mark(test)
    return test


NETWORK = MobileNetV3Settings.from_preset(
    "digits",
    resolutions=(8,),
    stages=(
        {"widths": (8, 12), "depths": (1, 2), "kernel_sizes": (3, 5), "expand_ratios": (1, 2)},
    ),
    head_width=32,
    final_expand_width=32,
)
TRAINING = TrainingSettings(
    epochs=15, batch_size=100, learning_rate=0.05, schedule=SandwichSettings(num_random=1)
)
SEED = 11


@pytest.fixture
def job(tmp_path: Path) -> TrainingJob:
    data_path = tmp_path / "digits.safetensors"
    write_data_set(load_source(DigitsSource(), tmp_path), data_path)
    return TrainingJob(
        name="job-1",
        network=NETWORK,
        data_path=data_path,
        training=TRAINING,
        folder=tmp_path / "job-1",
        seed=SEED,
        accuracy=AccuracySettings(calibration_images=100),
    )


def trained_directly(
    job: TrainingJob, checkpoints: CheckpointFolder | None = None
) -> tuple[Supernet, list[EpochReport], str]:
    """Returns weights, reports and the digest of what was sampled, without Ray."""
    reports, sampled = list[EpochReport](), SampledSequence()
    supernet = Supernet(job.network, generator=torch.Generator().manual_seed(job.seed))
    data = TensorData.from_file(job.data_path)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(job.resources.cpus_per_worker)
    try:
        train(
            supernet,
            data,
            job.training,
            seed=job.seed,
            checkpoints=checkpoints,
            report=reports.append,
            on_step=sampled.note,
        )
    finally:
        torch.set_num_threads(num_threads)
    return supernet, reports, sampled.digest


@fits
def test_a_killed_and_a_cancelled_worker_leave_what_the_training_goes_on_from(
    job: TrainingJob,
) -> None:
    job = replace(job, training=TRAINING.model_copy(update={"epochs": 40}))
    reports: list[EpochReport] = []
    killed: list[int] = []

    def kill_once(report: EpochReport) -> None:
        reports.append(report)
        if report.epoch >= 2 and not killed:
            killed.extend(worker_pids("RayTrainWorker"))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    def should_cancel() -> bool:
        return bool(reports) and reports[-1].epoch >= 8

    with pytest.raises(TrainingCancelledError, match="training job-1 was cancelled"):
        run_training(job, on_report=kill_once, should_cancel=should_cancel, poll_s=0.05)

    assert len(killed) == 1
    assert worker_pids("RayTrainWorker") == []
    assert not job.supernet_path.exists()
    epochs = [report.epoch for report in reports]
    assert epochs.count(1) == 1  # it resumed, it did not start again
    checkpoints = CheckpointFolder(job.checkpoint_folder, attempt=2)
    finished, _, rest_sampled = trained_directly(job, checkpoints)
    expected, expected_reports, all_sampled = trained_directly(job)
    assert rest_sampled != all_sampled
    for name, tensor in expected.state_dict().items():
        assert torch.equal(finished.state_dict()[name], tensor), name
    by_epoch = {report.epoch: report for report in expected_reports}
    assert reports == [by_epoch[epoch] for epoch in epochs]


@fits
def test_two_workers_train_the_same_architectures(job: TrainingJob) -> None:
    short = TRAINING.model_copy(update={"epochs": 2})
    job = replace(job, training=short, resources=ResourceSettings(num_workers=2))
    actors = dict.fromkeys(("RayTrainWorker", "DatasetManager", "PlacementGroupCleaner"), 0)

    def count_actors() -> bool:
        for title, most in actors.items():
            actors[title] = max(most, len(worker_pids(title)))
        return False

    # Counted while it runs: the reports of so short a training may arrive after its workers ended.
    result = run_training(job, should_cancel=count_actors, poll_s=0.1)
    # Two trainers, and none of the actors that would do nothing here.
    assert actors == {"RayTrainWorker": 2, "DatasetManager": 0, "PlacementGroupCleaner": 0}
    _, expected_reports, all_sampled = trained_directly(job)
    assert result.sampled_digests == (all_sampled, all_sampled)
    assert [report.epoch for report in result.epochs] == [1, 2]
    for report, expected in zip(result.epochs, expected_reports, strict=True):
        assert report.label_loss == pytest.approx(expected.label_loss, rel=0.1)
    assert result.sha256 == sha256_of(result.supernet_path)
    assert load_supernet(result.supernet_path).settings == job.network
    assert result.accuracies["largest"]["top1_percent"] > 20
    provenance = result.accuracies["smallest"]["provenance"]
    assert provenance["supernet_version"] == result.sha256
    assert provenance["num_images"] == 397


@fits
def test_a_diverged_training_fails_once_and_says_why(
    job: TrainingJob, caplog: pytest.LogCaptureFixture
) -> None:
    job = replace(job, training=TRAINING.model_copy(update={"learning_rate": 1e30}))
    with pytest.raises(TrainingFailedError, match="DivergedError: losses and gradients"):
        run_training(job)
    assert caplog.text.count("failed in a worker") == 1  # not tried again
    assert "Traceback" in caplog.text


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (
            ResourceSettings(gpus_per_worker=1),
            "num_workers x gpus_per_worker must be at most the cluster's 0, got 1 x 1",
        ),
        (
            ResourceSettings(num_workers=3, cpus_per_worker=2),
            "num_workers x cpus_per_worker must be at most the cluster's 4, got 3 x 2",
        ),
    ],
)
def test_resources_that_are_not_there_are_refused(
    job: TrainingJob, resources: ResourceSettings, message: str
) -> None:
    with pytest.raises(ClusterError, match=f"^{message}$"):
        run_training(replace(job, resources=resources))


def test_the_sampled_sequence_is_of_all_that_was_trained_in_its_order() -> None:
    space = NETWORK.build()
    largest, smallest = (Step((Subnet(a),)) for a in (space.largest(), space.smallest()))
    found = set()
    for steps in ([], [largest], [largest, smallest], [smallest, largest]):
        sequence = SampledSequence()
        for step in steps:
            sequence.note(step)
        found.add(sequence.digest)
    assert len(found) == 4


def test_what_a_diverged_training_says_first_is_its_step_and_checkpoint() -> None:
    architectures = [NETWORK.build().largest()] * 60
    error = DivergedError(7, architectures, [float("nan")] * 60, "attempt000001-step000000004")
    text = summary(error)
    assert len(text) == 500
    assert "step 7" in text
    assert "attempt000001-step000000004" in text


def test_which_errors_would_repeat() -> None:
    assert would_repeat(DivergedError(3, [], []))
    assert would_repeat(OSError(28, "No space left on device"))
    assert would_repeat(MemoryError())
    assert would_repeat(RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"))
    assert would_repeat(ValueError("checkpoint is of another training"))
    assert not would_repeat(RuntimeError("[gloo] Connection closed by peer"))
    assert not would_repeat(ConnectionResetError())

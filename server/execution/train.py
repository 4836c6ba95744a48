"""Runs a training: the supernet under Ray Train, then its two extremes, measured."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from search_space.families import space_settings
from search_space.family import NetworkSettings
from search_space.outcomes import Measured, Outcome
from search_space.stitching import StitchSettings
from server.artifacts import ArtifactStore
from server.execution.context import JobContext, JobFailedError, JobStopped
from server.execution.evaluation import BatchEvaluator, open_pool
from server.execution.stitching import stitched
from server.store import Artifact
from server.store.resources import SCRATCH
from supernet.reports import EpochReport
from supernet.settings import AccuracySettings, TrainingSettings
from supernet.starting import FromOnceForAll, FromSupernet, FromWeights, StartingPoint
from workers.cluster import ClusterError
from workers.protocol import TrainingCancelledError, TrainingFailedError
from workers.settings import LatencySettings, ResourceSettings
from workers.training import run_training
from workers.training_job import TrainingJob, TrainingResult

SUPERNET_MEDIA_TYPE = "application/vnd.safetensors"
STARTING_POINTS: dict[str, Callable[[Path], StartingPoint]] = {
    "supernet": FromSupernet,
    "weights": FromWeights,
    "once_for_all": FromOnceForAll,
}
EPOCHS = ("epoch", "num_epochs")
"""The fields of an epoch's report that are the progress itself."""


def run_train(context: JobContext) -> None:
    """Does a training job: its checkpoints are in the job's folder, so any attempt goes on there.

    Raises:
        JobStopped: the job shall stop; its newest checkpoint is kept.
        JobFailedError: the training cannot succeed.
    """
    spec = context.job.spec
    result = _train(context, spec)
    artifact = context.artifacts.add_file(result.supernet_path, SUPERNET_MEDIA_TYPE)
    context.event("measuring", networks=["smallest", "largest"])
    extremes = _measure_extremes(context, spec, artifact)
    context.store.finish_supernet(
        context.job,
        spec["supernet_id"],
        artifact,
        {name: _as_json(outcome) for name, outcome in extremes.items()},
    )


def _train(context: JobContext, spec: Mapping[str, Any]) -> TrainingResult:
    network = space_settings(spec["space"])
    assert isinstance(network, NetworkSettings)  # checked when the supernet was submitted
    teacher = spec.get("teacher")
    job = TrainingJob(
        name=context.job.id,
        attempt=context.job.attempt,
        network=network,
        data_path=context.artifacts.path(spec["data_set"]["version"]),
        training=TrainingSettings.model_validate(spec["training"]),
        resources=ResourceSettings.model_validate(spec["resources"]),
        seed=spec["seed"],
        folder=context.work_folder,
        start=_start(context, network),
        teacher_path=context.artifacts.path(teacher["version"]) if teacher else None,
    )

    def on_report(report: EpochReport) -> None:
        figures = {name: value for name, value in asdict(report).items() if name not in EPOCHS}
        context.progress(report.epoch, report.num_epochs, "epochs", **figures)

    try:
        return run_training(job, on_report=on_report, should_cancel=context.stop.is_set)
    except TrainingCancelledError:
        raise JobStopped from None
    except (TrainingFailedError, ClusterError) as error:
        raise JobFailedError(str(error)) from error


def _start(context: JobContext, network: NetworkSettings) -> StartingPoint | None:
    """Returns where the training starts; for anchors that takes a while the first time."""
    start = context.job.spec.get("start", SCRATCH)
    if start["kind"] == "anchors":
        assert isinstance(network, StitchSettings)  # checked when the supernet was submitted
        return stitched(context, network)
    return starting_point(start, context.artifacts)


def starting_point(start: Mapping[str, Any], artifacts: ArtifactStore) -> StartingPoint | None:
    """Returns where a training starts: None from scratch.

    Args:
        start: of a job's spec, of another kind than `anchors`.
        artifacts: has the file whose digest is the start's version.

    Raises:
        DamagedArtifactError: the file is not what was stored.
    """
    if start["kind"] == "scratch":
        return None
    return STARTING_POINTS[start["kind"]](artifacts.path(start["version"]))


def _measure_extremes(
    context: JobContext, spec: Mapping[str, Any], artifact: Artifact
) -> dict[str, Outcome]:
    """Returns what the smallest and the largest network achieve: the range that limits lie in."""
    network = space_settings(spec["space"])
    assert isinstance(network, NetworkSettings)  # others are not trained
    space = network.build()
    extremes = {"smallest": space.smallest(), "largest": space.largest()}
    given = ResourceSettings.model_validate(spec["resources"])
    pool = open_pool(
        context,
        artifact.sha256,
        spec["data_set"]["version"],
        AccuracySettings(),
        ResourceSettings(
            cpus_per_worker=given.cpus_per_worker, activation_memory_mib=given.activation_memory_mib
        ),
        returns_models=True,
    )
    found: dict[str, Outcome] = {}
    with pool:
        evaluator = BatchEvaluator(
            context, pool, network, LatencySettings(), baseline_ms=None, seed=spec["seed"]
        )
        for outcomes in evaluator.evaluate(list(extremes.values())):
            found |= outcomes
    return {name: found[architecture.digest] for name, architecture in extremes.items()}


def _as_json(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Measured):
        return {"metrics": dict(outcome.metrics), "provenance": dict(outcome.provenance)}
    return {"metrics": {}, "provenance": {}, "reason": outcome.reason}

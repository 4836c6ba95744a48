"""Begins the training of a stitched supernet: anchors, stitching layers, the worth of all stitches.

That is done once, whatever becomes of the attempts: the supernet lies in the job's folder, the
accuracies are on record, and every worker of every attempt starts from the same file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from search_space.outcomes import Measured, Outcome
from search_space.space import Architecture
from search_space.stitching import StitchSettings
from server.artifacts import ArtifactStore
from server.execution.context import JobContext
from server.execution.evaluation import BatchEvaluator, start_pool
from server.execution.tasks import run
from server.tables import Json
from supernet.anchors import AnchorFile
from supernet.settings import AccuracySettings
from supernet.starting import FromSupernet
from supernet.stitching import FromAnchors, StitchFit
from workers.evaluation import SupernetEvaluatorSpec
from workers.settings import ResourceSettings
from workers.stitching import StitchingJob, stitch_anchors

FILE_NAME = "stitched.safetensors"


def stitched(context: JobContext, network: StitchSettings) -> FromSupernet:
    """Returns where the training of a stitched supernet starts; reports its stitches, once.

    Args:
        context: of the job, whose spec has a start of the kind `anchors`.
        network: the space.

    Raises:
        JobStopped: the job shall stop; the next attempt goes on with what is done.
        JobFailedError: an anchor's file cannot be used, or its workers died.
        JobSetBackError: others hold what the evaluators need.
        DamagedArtifactError: a file is not what was stored.
    """
    path = context.work_folder / FILE_NAME
    is_reported = context.store.stitches(context.job.id) is not None
    if not (is_reported and path.exists()):
        fits = _stitch(context, network, path)
        if not is_reported:
            context.store.record_stitches(context.job, _report(context, network, path, fits))
    return FromSupernet(path)


def _stitch(context: JobContext, network: StitchSettings, path: Path) -> tuple[StitchFit, ...]:
    spec = context.job.spec
    start = from_anchors(spec["start"], context.artifacts)
    context.event("stitching", anchors=len(start.anchors), images=start.images)
    job = StitchingJob(
        network=network,
        start=start,
        data_path=context.artifacts.path(spec["data_set"]["version"]),
        target=path,
        seed=spec["seed"],
        num_threads=ResourceSettings.model_validate(spec["resources"]).cpus_per_worker,
    )
    return run(context, stitch_anchors, job, num_cpus=job.num_threads)


def from_anchors(start: Mapping[str, Any], artifacts: ArtifactStore) -> FromAnchors:
    """Returns how a stitched supernet begins.

    Args:
        start: of a job's spec, of the kind `anchors`.
        artifacts: has the files whose digests are the anchors' versions.

    Raises:
        DamagedArtifactError: a file is not what was stored.
    """
    return FromAnchors(
        anchors=tuple(
            AnchorFile(
                # A refined network is stored as a supernet that is restricted to it.
                kind="supernet" if anchor["kind"] == "refinement" else anchor["kind"],
                path=artifacts.path(anchor["version"]),
            )
            for anchor in start["anchors"]
        ),
        images=start["images"],
        seed=start["seed"],
        ridge=start["ridge"],
    )


def _report(
    context: JobContext, network: StitchSettings, path: Path, fits: Sequence[StitchFit]
) -> Json:
    """Returns the accuracy and the costs of every network, and the fit of every layer, as JSON."""
    spec = context.job.spec
    architectures = all_networks(network)
    accuracy = AccuracySettings()
    # As many as train, but evaluators need no GPU.
    resources = ResourceSettings.model_validate({**spec["resources"], "gpus_per_worker": 0})
    evaluators = SupernetEvaluatorSpec(
        supernet_path=path,
        data_path=context.artifacts.path(spec["data_set"]["version"]),
        accuracy=accuracy,
        memory_bytes=resources.activation_memory_bytes,
        returns_models=False,
    )
    count = len(architectures)
    context.event("evaluating_stitches", count=count)
    outcomes: dict[str, Outcome] = {}
    with start_pool(context, evaluators, resources) as pool:
        evaluator = BatchEvaluator(
            context, pool, network, None, baseline_ms=None, seed=spec["seed"]
        )
        for found in evaluator.evaluate(architectures):
            outcomes |= found
            context.progress(len(outcomes), count, "stitches")
    return {
        "split": accuracy.split,
        "networks": [_network(each, outcomes[each.digest]) for each in architectures],
        "layers": [asdict(fit) for fit in fits],
    }


def all_networks(network: StitchSettings) -> list[Architecture]:
    """Returns every route at the largest resolution, in the order of the space."""
    space = network.build()
    largest = space.largest()
    (routes,) = (choice.options for choice in space.choices if choice.name == "route")
    return [space.validate({**largest, "route": route}) for route in routes]


def _network(architecture: Architecture, outcome: Outcome) -> Json:
    known = {"architecture_digest": architecture.digest, "route": architecture["route"]}
    if not isinstance(outcome, Measured):
        return {**known, "reason": outcome.reason}
    how = outcome.provenance["top1_percent"]
    return {
        **known,
        "macs": int(outcome.metrics["macs"]),
        "num_params": int(outcome.metrics["num_params"]),
        "top1_percent": outcome.metrics["top1_percent"],
        "interval_percent": how["interval_percent"],
        "num_images": how["num_images"],
    }

"""Runs an export: files of a chosen network, a card to reproduce it, the test split read once."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from server.execution.cards import origin
from server.execution.context import JobContext
from server.execution.tasks import run
from server.store import ExportFile
from supernet.export import CARD_FILE, ONNX_FILE, WEIGHTS_FILE
from supernet.settings import AccuracySettings
from workers.exporting import ExportJob, export_network, read_test_split

MEDIA_TYPES: Mapping[str, str] = {
    ONNX_FILE: "application/vnd.onnx",
    WEIGHTS_FILE: "application/vnd.safetensors",
    CARD_FILE: "application/json",
}


def run_export(context: JobContext) -> None:
    """Does an export job.

    Raises:
        JobStopped: the job shall stop; nothing is recorded.
        JobFailedError: the network cannot be written, or its file cannot be run.
    """
    spec = context.job.spec
    folder = context.work_folder / "export"
    job = ExportJob(
        supernet_path=context.artifacts.path(spec["supernet"]["version"]),
        data_path=context.artifacts.path(spec["data_set"]["version"]),
        accuracy=AccuracySettings.model_validate(spec["evaluator"]["accuracy"]),
        architecture=spec["architecture"],
        card=_card(context, spec),
        folder=folder,
    )
    run(context, export_network, job)
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    report = _test_report(context, spec, card, folder) if spec["report_test"] else None
    files = stored_files(context, folder)
    context.store.record_export(context.job, spec["export_id"], files, card, report)


def stored_files(context: JobContext, folder: Path) -> list[ExportFile]:
    """Stores the files of an export that was written to a folder."""
    return [
        ExportFile(name, context.artifacts.add_file(folder / name, media_type))
        for name, media_type in MEDIA_TYPES.items()
    ]


def _card(context: JobContext, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Returns all that is needed to make the network again and to trust its figures."""
    search_id, digest = spec["search_id"], spec["architecture_digest"]
    evaluation = context.store.find_evaluations(search_id, [digest])[digest]
    again = context.store.last_measurements(search_id).get(digest)
    return {
        **origin(context, spec),
        "export": spec["export_id"],
        "metrics": {**evaluation.metrics, **(again.metrics if again else {})},
        "provenance": {**evaluation.provenance, **(again.provenance if again else {})},
    }


def _test_report(
    context: JobContext, spec: Mapping[str, Any], card: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Returns the reading of the test split by this network: an earlier one if there is one."""
    version, network = spec["data_set"]["version"], card["files"][ONNX_FILE]["sha256"]
    earlier = context.store.find_test_reading(version, network)
    if earlier is not None:
        return {**earlier.result, "read_at": earlier.created_at.isoformat()}
    data_path = context.artifacts.path(version)
    result = run(context, read_test_split, folder / ONNX_FILE, data_path)
    reading = context.store.record_test_reading(
        context.job, spec["export_id"], spec["data_set"]["id"], network, result
    )
    return {**reading.result, "read_at": reading.created_at.isoformat()}

"""Refinements and assessments on the command line, against the real application on a real port."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from command_line import Run
from examples import artifact, assessed, search_with_a_front
from live import Live

from server.artifacts import ArtifactStore
from server.cli.result_tables import assessment_notes, correlation_text
from server.schemas.assessments import AssessmentDetail
from server.schemas.responses import CorrelationView
from server.store import ExportFile


@pytest.fixture
def live(sqlite_live: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """The service that commands find, whose log stays out of what they print."""
    monkeypatch.setenv("ESPALIER_URL", str(sqlite_live.client.base_url))
    with structlog.testing.capture_logs():
        yield sqlite_live


def figures(top1_percent: float, latency_ms: float) -> dict[str, Any]:
    return {
        "metrics": {"top1_percent": top1_percent, "latency_ms": latency_ms},
        "intervals": {"top1_percent": [top1_percent - 1, top1_percent + 1]},
        "provenance": {},
    }


def test_refining_shows_before_and_after_and_writes_the_files(
    live: Live, run: Run, tmp_path: Path
) -> None:
    search, (digest, *_) = search_with_a_front(live.store)
    store, artifacts = live.store, ArtifactStore(live.settings.artifacts_folder)

    def play_runner() -> None:
        while (job := store.claim_job("runner", 60, ["refine"])) is None:
            time.sleep(0.05)
        refinement = job.spec["refinement_id"]
        provenance = {"interval_percent": [97.0, 99.0]}
        for number in range(2):
            store.record_fine_tuning(
                job,
                refinement,
                digest,
                number,
                seed=number,
                artifact=artifact("1"),
                accuracy={"top1_percent": 98.0, "provenance": provenance},
            )
        soup = {"members": [1, 0], "top1_percent": 98.2}
        store.record_refined_weights(job, refinement, digest, artifact("1"), soup)
        before, after = figures(97.0, 0.5), figures(98.2, 0.51)
        store.record_comparison(job, refinement, {digest: (before, after)})
        file = ExportFile("network.onnx", artifacts.add_bytes(b"onnx", "text/plain"))
        store.record_refined_files(job, refinement, digest, [file], {})
        report = {"top1_percent": 98.0, "interval_percent": [97.0, 99.0], "num_images": 400}
        store.finish_refinement(job, refinement, {"reported": digest, "test_report": report})

    runner = threading.Thread(target=play_runner)
    runner.start()
    arguments = ["--count", "1", "--runs", "2", "--epochs", "3", "--report-test"]
    done = run("refine", search.id, *arguments, "--output", str(tmp_path / "out"))
    runner.join()
    assert done.code == 0, done.err
    assert f"{digest}  97.0 (96.0-98.0)  98.2 (97.2-99.2)        0.5   0.51" in done.out
    assert f"{digest}: soup of 2 of 2 runs" in done.out
    assert "taken: the first 1 of 3 points on the front" in done.out
    assert f"{digest}: test top-1 98.0 % (95 % interval 97.0-99.0, 400 images)" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert (tmp_path / "out" / digest / "network.onnx").read_bytes() == b"onnx"
    (listed,) = run("refinement", "list", "--json").json
    assert listed["training"]["epochs"] == 3
    assert "1/1" in run("refinement", "list").out
    assert run("refinement", "show", listed["id"]).out == done.out


def test_a_table_of_an_assessment_says_why_something_failed(live: Live) -> None:
    search, _ = search_with_a_front(live.store)
    done = assessed(live.store, search.supernet_id)
    detail = live.client.get(f"/v1/assessments/{done}").json()
    assert assessment_notes(AssessmentDetail.model_validate(detail)) == []
    first, second, _ = detail["architectures"]
    first["standalone"] |= {"status": "failed", "reason": "the loss is not finite"}
    second["reason"] = "it is too large"
    assert assessment_notes(AssessmentDetail.model_validate(detail)) == [
        f"{first['architecture_digest']}: the loss is not finite",
        f"{second['architecture_digest']}: it is too large",
    ]


def test_a_correlation_of_few_networks_says_so() -> None:
    view = CorrelationView(value=1.0, interval=None, num_pairs=2)
    assert correlation_text(view) == "1.00 of 2 networks, too few for an interval"


def test_an_assessment_is_followed_shown_and_drawn(live: Live, run: Run, tmp_path: Path) -> None:
    search, _ = search_with_a_front(live.store)
    supernet = live.store.get_supernet(search.supernet_id)
    assert "supernet:" not in run("search", "front", search.id).out
    done = assessed(live.store, supernet.id)
    note = "supernet: mean Pareto top-1 90.7 %, Kendall 0.33 with 3 trained alone"
    assert note in run("search", "front", search.id).out
    shown = run("supernet", "assessment", done, "--plot", str(tmp_path / "a.png"))
    assert shown.code == 0, shown.err
    assert "100k  90.0 (88.0-92.0)" in shown.out
    assert "mean Pareto    90.67 % top-1, over budgets of MACs" in shown.out
    assert "Kendall        0.33 of 3 networks (95 % interval" in shown.out
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")

    def fail() -> None:
        while (job := live.store.claim_job("runner", 60, ["assess"])) is None:
            time.sleep(0.05)
        assert job.spec["standalone"]["training"]["epochs"] == 7
        live.store.fail_job(job, {"type": "failed", "message": "no space left"})

    runner = threading.Thread(target=fail)
    runner.start()
    arguments = ["--samples", "5", "--strata", "2", "--alone", "3", "--epochs", "7", "--no-asha"]
    failed = run("supernet", "assess", supernet.id, *arguments)
    runner.join()
    assert failed.code == 1
    assert failed.err.endswith("has failed: no space left\n")
    bad = run("supernet", "assess", supernet.id, "--plot", "x.jpg")
    assert (bad.code, "must end in .png or .svg" in bad.complaint) == (2, True)

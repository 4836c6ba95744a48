"""The command line against the real application on a real port."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from command_line import Run
from examples import (
    add_search,
    add_supernet,
    artifact,
    claim,
    observe,
    trained_supernet,
)
from live import Live
from sqlalchemy import update

from server.artifacts import ArtifactStore
from server.cli.tables import front_notes
from server.local_service import free_port
from server.schemas.searches import FrontView
from server.store import ExportFile
from server.tables import SearchRow, SupernetRow


@pytest.fixture
def live(sqlite_live: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """The service that commands find, whose log stays out of what they print."""
    monkeypatch.setenv("ESPALIER_URL", str(sqlite_live.client.base_url))
    with structlog.testing.capture_logs():
        yield sqlite_live


def write_json(path: Path, value: Any) -> str:
    path.write_text(json.dumps(value))
    return str(path)


def finished_search(live: Live, max_latency_ms: float = 1.0) -> tuple[SearchRow, str]:
    """A search with a front of three, and the digest of the most accurate."""
    objectives = ("top1_percent", "latency_ms")
    store = live.store
    search = add_search(store, trained_supernet(store), 0, objectives, max_latency_ms)
    job = claim(store)
    figures = [(97.0, 0.5), (96.2, 0.25), (96.0, 0.24), (94.0, 0.6)]
    architectures = observe(store, search, job, figures)
    store.finish_search(job, search.id, {})
    return search, architectures[0].digest


# --- jobs --------------------------------------------------------------------------------------


def test_jobs_are_listed_shown_and_cancelled(live: Live, run: Run) -> None:
    _, first = add_supernet(live.store)
    _, second = add_supernet(live.store)
    listed = run("job", "list")
    assert listed.code == 0
    assert listed.err == ""
    assert listed.out.index(second.id) < listed.out.index(first.id)
    assert "queued" in listed.out
    assert max(map(len, listed.out.splitlines())) <= 80
    assert [job["id"] for job in run("job", "list", "--limit", "1", "--json").json] == [second.id]
    assert run("job", "cancel", first.id).out == f"{first.id} is cancelled\n"
    assert run("job", "cancel", first.id, "--json").json["status"] == "cancelled"
    assert [job["id"] for job in run("job", "list", "--status", "cancelled", "--json").json] == [
        first.id
    ]
    shown = run("job", "show", first.id).out
    assert "cancelled" in shown
    assert "/v1/supernets/" in shown
    assert run("job", "show", second.id, "--json").json["status"] == "queued"


def test_watching_a_job_that_fails_says_why(live: Live, run: Run) -> None:
    _, job = add_supernet(live.store)
    claimed = claim(live.store)
    live.store.record_progress(
        claimed, {"done": 1, "total": 2, "unit": "epochs", "label_loss": 1.25}
    )

    def fail() -> None:
        live.store.fail_job(claimed, {"type": "diverged", "message": "loss is NaN at step 3"})

    failing = threading.Timer(0.5, fail)
    failing.start()
    watched = run("job", "watch", job.id)
    failing.join()
    assert watched.code == 1
    assert "train: 1/2 epochs, loss 1.250" in watched.err
    assert watched.err.endswith(f"espalier: {job.id} has failed: loss is NaN at step 3\n")
    events = run("job", "watch", job.id, "--json")
    assert events.code == 1
    types = [json.loads(line)["type"] for line in events.out.splitlines()]
    assert types == ["queued", "running", "progress", "failed"]


# --- resources and searches --------------------------------------------------------------------


def test_from_documents_to_submitted_jobs(live: Live, run: Run, tmp_path: Path) -> None:
    document = write_json(tmp_path / "d.json", {"name": "digits", "source": {"kind": "digits"}})
    data_set = run("data-set", "register", document, "--json").json
    assert "1000 / 397 / 400" in run("data-set", "list").out
    document = write_json(
        tmp_path / "n.json",
        {
            "name": "first",
            "space": {"kind": "mobilenetv3", "preset": "digits"},
            "data_set": data_set["id"],
        },
    )
    supernet = run("supernet", "train", document, "--json").json
    assert supernet["status"] == "queued"
    assert supernet["id"] in run("supernet", "list").out
    document = write_json(
        tmp_path / "s.json",
        {
            "name": "fast",
            "supernet": trained_supernet_id(live, supernet["id"]),
            "objectives": [{"metric": "top1_percent"}],
            "evaluations": 5,
        },
    )
    submitted = run("search", "submit", document)
    assert submitted.code == 0
    (_, search_id), (_, job_id) = (line.split() for line in submitted.out.splitlines())
    assert run("job", "show", job_id, "--json").json["subject"] == f"/v1/searches/{search_id}"
    assert "0/5" in run("search", "list").out
    assert [search["id"] for search in run("search", "list", "--json").json] == [search_id]


def test_names_are_shown_as_they_are_whatever_they_look_like(live: Live, run: Run) -> None:
    name = "[/x] [red]a[/red] [bold"
    search = add_search(live.store, trained_supernet(live.store))
    with live.store._write() as session:
        session.execute(update(SearchRow).values(name=name))
        session.execute(update(SupernetRow).values(name=name))
    for arguments in (("search", "list"), ("supernet", "list")):
        listed = run(*arguments)
        assert listed.code == 0
        assert name in listed.out
    assert name in run("supernet", "show", search.supernet_id).out


def test_a_supernet_is_shown_with_its_extremes(live: Live, run: Run) -> None:
    supernet, job = add_supernet(live.store)
    assert "queued" in run("supernet", "show", supernet.id).out
    metrics = {"top1_percent": 97.25, "latency_ms": 0.5, "num_params": 9770}
    summary = {"smallest": {"metrics": metrics}, "largest": {"reason": "out of memory"}}
    live.store.finish_supernet(claim(live.store), supernet.id, artifact("f"), summary)
    shown = run("supernet", "show", supernet.id)
    assert shown.code == 0
    for words in (job.id, "97.2 % top-1, 0.500 ms, 9.77k parameters", "out of memory", "f" * 16):
        assert words in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    assert run("supernet", "show", supernet.id, "--json").json["summary"] == summary


def test_a_search_is_shown_with_what_it_is_to_find(live: Live, run: Run) -> None:
    search = add_search(live.store, trained_supernet(live.store))
    shown = run("search", "show", search.id)
    assert shown.code == 0
    for words in (search.job_id, "top1_percent (maximize)", "of 10"):
        assert words in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    assert run("search", "show", search.id, "--json").json["id"] == search.id


def trained_supernet_id(live: Live, supernet_id: str) -> str:
    live.store.finish_supernet(claim(live.store), supernet_id, artifact("f"), {})
    return supernet_id


def test_a_front_fits_into_80_columns_and_says_what_is_tied(live: Live, run: Run) -> None:
    search, best = finished_search(live)
    front = run("search", "front", search.id)
    lines = front.out.splitlines()
    assert max(map(len, lines)) <= 80
    (row,) = [line for line in lines if best in line]
    assert "97.0 (96.5-97.5)" in row
    assert "0.500 (0.450-0.550)" in row
    (tied,) = [line for line in lines if "96.2 (" in line]
    assert tied.rstrip().endswith("all")
    assert any("intervals overlap" in line for line in lines)
    points = run("search", "front", search.id, "--json").json["points"]
    assert [point["metrics"]["top1_percent"] for point in points] == [97.0, 96.2, 96.0]


def test_notes_on_how_figures_were_measured_are_on_our_own_measurements_only(
    live: Live, run: Run
) -> None:
    search, _ = finished_search(live)
    front = FrontView.model_validate(run("search", "front", search.id, "--json").json)
    ours = front_notes(front)
    assert ours[0] == "top-1 on validation images, with its 95 % interval"
    assert ours[1].startswith("latency: 10th percentile")
    foreign = {"top1_percent": {"meter": "a table"}}
    points = [point.model_copy(update={"provenance": foreign}) for point in front.points]
    assert not any(
        note.startswith(("top-1", "latency"))
        for note in front_notes(front.model_copy(update={"points": points}))
    )


def test_a_front_that_keeps_no_limit_says_so(live: Live, run: Run) -> None:
    search, _ = finished_search(live, max_latency_ms=0.01)
    front = run("search", "front", search.id)
    assert front.code == 0
    assert "INFEASIBLE: nothing measured keeps latency_ms at most 0.01" in front.out
    assert "96.0 (95.5-96.5)" in front.out


def test_a_front_is_drawn_by_the_files_suffix(live: Live, run: Run, tmp_path: Path) -> None:
    search, _ = finished_search(live)
    png, svg = tmp_path / "new" / "front.png", tmp_path / "front.svg"
    assert run("search", "plot", search.id, "--output", str(png)).code == 0
    assert png.read_bytes().startswith(b"\x89PNG")
    assert run("search", "plot", search.id, "-o", str(svg)).code == 0
    assert "<svg" in svg.read_text()
    refused = run("search", "plot", search.id, "--output", str(tmp_path / "front.gif"))
    assert refused.code == 2
    assert "must end in .png or .svg" in refused.complaint


def test_an_export_is_waited_for_and_downloaded(live: Live, run: Run, tmp_path: Path) -> None:
    search, best = finished_search(live)
    stored = ArtifactStore(live.settings.artifacts_folder).add_bytes(b"onnx", "x/y")
    report = {"top1_percent": 97.5, "num_images": 400, "interval_percent": [95.4, 98.6]}

    def work() -> None:
        while (job := live.store.claim_job("runner", 60.0, ("export",))) is None:
            time.sleep(0.05)
        files = [ExportFile("network.onnx", stored)]
        live.store.record_export(job, job.spec["export_id"], files, {}, report)

    runner = threading.Thread(target=work)
    runner.start()
    folder = tmp_path / "some" / "folder"
    done = run("export", search.id, best, "--output", str(folder), "--report-test")
    runner.join()
    assert done.code == 0
    assert (folder / "network.onnx").read_bytes() == b"onnx"
    assert stored.sha256[:16] in done.out
    assert "test top-1 97.5 % (95 % interval 95.4-98.6, 400 images)" in done.out


def test_an_export_that_is_refused_or_fails_writes_nothing(
    live: Live, run: Run, tmp_path: Path
) -> None:
    search, best = finished_search(live)
    folder = str(tmp_path / "x")
    refused = run("export", search.id, "0" * 16, "--output", folder)
    assert refused.code == 1
    assert refused.err.startswith("espalier: architecture_digest must be of an architecture")

    def fail() -> None:
        while (job := live.store.claim_job("runner", 60.0, ("export",))) is None:
            time.sleep(0.05)
        live.store.fail_job(job, {"type": "failed", "message": "the disk is full"})

    runner = threading.Thread(target=fail)
    runner.start()
    failed = run("export", search.id, best, "--output", folder)
    runner.join()
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.endswith("has failed: the disk is full\n")
    assert not (tmp_path / "x").exists()


# --- errors ------------------------------------------------------------------------------------


def test_each_fault_of_a_document_is_a_line(live: Live, run: Run, tmp_path: Path) -> None:
    body = {"name": "x", "supernet": "net_1", "objectives": [], "evaluations": 0, "more": 1}
    refused = run("search", "submit", write_json(tmp_path / "s.json", body))
    assert (refused.code, refused.out) == (1, "")
    lines = refused.err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("espalier: ") for line in lines)
    assert any("evaluations must be greater than or equal to 1, got 0" in line for line in lines)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("{", "must hold JSON"), ("[]", "must hold a JSON object, got a list"), ("\xff", "JSON")],
)
def test_a_document_must_be_one(run: Run, tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(content.encode("latin-1"))
    refused = run("search", "submit", str(path))
    assert (refused.code, refused.out) == (2, "")
    assert complaint in refused.complaint


@pytest.mark.parametrize(
    "arguments",
    [
        ["job", "list"],
        ["job", "show", "x", "--json"],
        ["job", "watch", "x"],
        ["job", "cancel", "x"],
        ["data-set", "list"],
        ["supernet", "list"],
        ["supernet", "show", "x"],
        ["search", "list"],
        ["search", "front", "x"],
        ["search", "plot", "x"],
        ["export", "x", "y"],
    ],
)
def test_a_service_that_is_not_there_is_one_line(run: Run, arguments: list[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    failed = run(*arguments, "--url", url)
    assert (failed.code, failed.out) == (1, "")
    (line,) = failed.err.splitlines()
    assert line.startswith(f"espalier: the service at {url} cannot be reached: ")


def test_what_is_missing_is_one_line(live: Live, run: Run) -> None:
    failed = run("search", "front", "sea_1")
    assert (failed.code, failed.out) == (1, "")
    assert failed.err == "espalier: there is no search 'sea_1'\n"


def test_an_address_must_be_one(run: Run) -> None:
    refused = run("job", "list", "--url", "127.0.0.1:8000")
    assert (refused.code, refused.out) == (2, "")
    assert "must begin with http://" in refused.complaint


def test_a_folder_that_cannot_be_written_is_one_line(live: Live, run: Run, tmp_path: Path) -> None:
    search, _ = finished_search(live)
    (tmp_path / "file").write_text("")
    failed = run("search", "plot", search.id, "--output", str(tmp_path / "file" / "front.png"))
    assert failed.code == 1
    assert failed.err == f"espalier: {tmp_path / 'file'}: File exists\n"


# --- here --------------------------------------------------------------------------------------


def test_the_schema_is_checked_and_upgraded(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESPALIER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ESPALIER_DATABASE_URL", raising=False)
    (tmp_path / "home").mkdir()
    missing = run("db", "check")
    assert missing.code == 1
    assert "run `espalier db upgrade`" in missing.err
    assert run("db", "upgrade").code == 0
    current = run("db", "check")
    assert (current.code, current.err) == (0, "")
    assert "is current" in current.out
    monkeypatch.setenv("ESPALIER_PORT", "many")
    wrong = run("db", "check")
    assert wrong.code == 1
    assert wrong.err.startswith("espalier: setting port: ")
    assert wrong.err.endswith("got 'many'\n")


def run_process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize("arguments", [[], ["job"], ["search"], ["export"], ["demo"], ["db"]])
def test_there_is_help(arguments: Sequence[str]) -> None:
    helped = run_process(*arguments, "--help")
    assert helped.returncode == 0
    assert "Usage: espalier" in helped.stdout


def test_what_a_command_warns_of_stays_out_of_its_output(tmp_path: Path) -> None:
    program = (
        "import structlog, server.cli.app as cli\n"
        "@cli.app.command()\n"
        "def try_it() -> None:\n"
        "    log = structlog.get_logger()\n"
        "    log.info('nobody asked')\n"
        "    log.warning('beware', url='postgresql://me:pa55word@db/x')\n"
        "    print('result')\n"
        "cli.main(['try-it'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "result\n"), done.stderr
    assert "beware" in done.stderr
    assert "nobody asked" not in done.stderr
    assert "pa55word" not in done.stderr


def test_help_imports_nothing_heavy() -> None:
    heavy = ["torch", "ray", "onnxruntime", "sqlalchemy", "fastapi", "matplotlib", "sklearn"]
    program = f"import sys, server.cli; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert found.stdout.strip() == b"[]"


def test_serve_refuses_to_listen_for_everybody_without_a_key(tmp_path: Path) -> None:
    environment = {**os.environ, "ESPALIER_HOME": str(tmp_path)}
    refused = run_process("serve", "--host", "0.0.0.0", env=environment)
    assert (refused.returncode, refused.stdout) == (1, "")
    line = refused.stderr.splitlines()[-1]
    assert "refusing to listen on 0.0.0.0 without an API key" in line
    assert "espalier key create" in line

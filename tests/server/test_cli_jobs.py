"""The commands about jobs and runners, and the options of those that submit some."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import typer
from command_line import Run
from examples import add_data_set, add_space, add_supernet, claim
from live import Live

from server.cli.job_options import deadline, with_job_options
from server.store import RunnerFacts


@pytest.fixture
def live(sqlite_live: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """The service that commands find, whose log stays out of what they print."""
    monkeypatch.setenv("ESPALIER_URL", str(sqlite_live.client.base_url))
    with structlog.testing.capture_logs():
        yield sqlite_live


def test_a_job_is_paused_resumed_hurried_killed_and_deleted(live: Live, run: Run) -> None:
    _, job = add_supernet(live.store)
    for arguments, said in (
        (("pause", job.id), f"{job.id} is paused"),
        (("resume", job.id), f"{job.id} is queued"),
        (("priority", job.id, "12"), f"{job.id} has priority 12"),
    ):
        result = run("job", *arguments)
        assert (result.code, result.out.strip()) == (0, said)
    claim(live.store)
    assert run("job", "pause", job.id).out.strip().endswith("asked to pause")
    killed = run("job", "kill", job.id, "--json")
    assert json.loads(killed.out)["status"] == "cancelled"
    late = run("job", "resume", job.id)
    assert (late.code, late.out) == (1, "")
    assert "cannot be resumed: it was cancelled" in late.err
    assert run("job", "delete", job.id).out.strip() == f"{job.id} is gone"


def test_a_training_is_submitted_with_options_of_its_job(
    live: Live, run: Run, tmp_path: Path
) -> None:
    store = live.store
    _, first = add_supernet(store)
    document = {
        "name": "x",
        "space": add_space(store).id,
        "data_set": add_data_set(store).id,
        "job": {"priority": 1, "deadline_at": "2199-01-01T00:00:00Z", "retry": {}},
    }
    file = tmp_path / "training.json"
    file.write_text(json.dumps(document))
    options = ("--priority", "5", "--deadline", "12h", "--after", first.id)
    submitted = run("supernet", "train", str(file), *options, "--json")
    assert submitted.code == 0, submitted.err
    job = store.get_job(json.loads(submitted.out)["job"])
    assert job.deadline_at is not None
    assert (job.deadline_at - job.created_at).total_seconds() == 12 * 3600
    assert (job.priority, store.awaited_by([job.id])) == (5, {job.id: [first.id]})
    assert job.retry is not None
    shown = run("job", "show", job.id).out
    assert first.id in shown
    assert "deadline" in shown


def test_runners_are_listed(live: Live, run: Run) -> None:
    live.store.register_runner(RunnerFacts("r:1", "r", 4, 1, {"phone": 2.0}, "1.0"))
    shown = run("runners")
    assert shown.code == 0
    for word in ("r:1", "alive", "phone 2"):
        assert word in shown.out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", {"deadline_seconds": 90}),
        ("1.5h", {"deadline_seconds": 5400}),
        ("7d", {"deadline_seconds": 604_800}),
        ("2199-01-01T00:00:00+01:00", {"deadline_at": "2199-01-01T00:00:00+01:00"}),
    ],
)
def test_deadlines_are_durations_or_times(text: str, expected: dict[str, Any]) -> None:
    assert deadline(text) == expected


@pytest.mark.parametrize("text", ["", "12", "h", "-1h", "2199-01-01T00:00:00", "tomorrow"])
def test_other_deadlines_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="must be 90s, 30m"):
        deadline(text)


def test_a_body_without_options_stays_as_it_is() -> None:
    assert with_job_options({"name": "x"}, None, None, None) == {"name": "x"}

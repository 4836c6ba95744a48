"""How a job's events are shown while they come."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from server.cli.progress import JobProgress, Pace, TransferProgress
from server.schemas.jobs import EventView

START = datetime(2026, 1, 1, tzinfo=UTC)


def event(kind: str, seconds: float = 0.0, attempt: int = 1, **data: Any) -> EventView:
    moment = START + timedelta(seconds=seconds)
    return EventView(id=1, job="job_1", attempt=attempt, type=kind, data=data, created_at=moment)


def epochs(done: int, seconds: float, **data: Any) -> EventView:
    return event("progress", seconds, done=done, total=20, unit="epochs", **data)


def shown(events: list[EventView], *, terminal: bool) -> str:
    output = StringIO()
    console = Console(file=output, width=80, force_terminal=terminal, no_color=True)
    with JobProgress("train", console) as progress:
        for happened in events:
            progress(happened)
    return output.getvalue()


def test_the_time_left_goes_by_the_events_own_times() -> None:
    pace = Pace()
    assert pace.left(START, 5, 20) is None
    assert pace.left(START + timedelta(seconds=30), 10, 20) == timedelta(seconds=60)


def test_without_a_terminal_some_lines_are_printed() -> None:
    lines = shown(
        [
            event("queued"),
            event("running"),
            *(epochs(done, 2.0 * done, label_loss=0.5) for done in range(1, 21)),
            event("succeeded", 40.0),
        ],
        terminal=False,
    ).splitlines()
    assert lines[:2] == ["  train: waits for a runner", "  train: starting the workers"]
    assert lines[2] == "  train: 2/20 epochs, loss 0.500, 36 s left"
    assert lines[-1] == "  train: 20/20 epochs, loss 0.500"
    assert len(lines) == 12


def test_what_clients_evaluate_waits_for_no_runner() -> None:
    output = StringIO()
    console = Console(file=output, width=80, force_terminal=False)
    with JobProgress("outside", console, is_outside=True) as progress:
        progress(event("queued"))
    assert output.getvalue() == "  outside: waits for outcomes from outside\n"


def test_a_long_line_stays_one_line_where_there_is_no_terminal() -> None:
    happened = epochs(10, 20.0, label_loss=0.5, label_top1_percent=12.5, distillation_loss=0.25)
    long = event("failed", error="x" * 100)
    assert len(shown([event("running"), happened, long], terminal=False).splitlines()) == 3


def test_a_terminal_keeps_the_last_figures() -> None:
    told = shown(
        [
            event("running", attempt=2),
            epochs(10, 20.0, label_loss=0.75),
            event("preempted", reason="its runner is shutting down"),
            event("running", attempt=3),
            epochs(20, 40.0, label_loss=0.25, label_top1_percent=98.76),
            event("succeeded", 41.0),
        ],
        terminal=True,
    )
    last = told.split("\r")[-1]
    assert "20/20 epochs" in last
    assert "loss 0.250, train top-1 98.8 %" in last


def test_what_is_no_progress_is_told_in_words() -> None:
    told = shown(
        [
            event("running", attempt=2),
            event("preempted", reason="its runner is shutting down"),
            event("finalists", count=3),
            event("cancelling"),
            event("cancelled"),
        ],
        terminal=False,
    )
    assert told.splitlines() == [
        "  train: starting the workers, attempt 2",
        "  train: preempted: its runner is shutting down",
        "  train: measuring 3 finalists again, side by side",
        "  train: cancelling",
        "  train: cancelled",
    ]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_transfer_shows_what_is_read_and_sent(terminal: bool) -> None:
    output = StringIO()
    console = Console(file=output, width=80, force_terminal=terminal, no_color=True)
    with TransferProgress("a.zip", console) as progress:
        progress("digest", 2**20, 2**20)
        progress("send", 2**19, 2**20)
        progress("send", 2**20, 2**20)
    text = output.getvalue()
    assert ("checksum of a.zip" in text) == ("sending a.zip" in text) == terminal
    assert ("1.0/1.0 MiB" in text) == terminal


def test_what_stitches_are_worth_at_first_is_told() -> None:
    networks = [{"route": "a", "top1_percent": 40.0}, {"route": "b", "top1_percent": 62.04}]
    failed = {"route": "c", "reason": "out of memory"}
    worth = "  train: 2 stitches: 40.0 to 62.0 % top-1 before training"
    layers = [{"reason": reason} for reason in (None, "asked", "few_rows")]
    lines = shown(
        [
            event("stitching", anchors=3, images=100),
            event("evaluating_stitches", count=3),
            event("progress", 1.0, done=10, total=20, unit="stitches"),
            event("progress", 11.0, done=20, total=20, unit="stitches"),
            event("stitches", 11.0, networks=[*networks, failed], layers=layers[:2]),
            event("stitches", 11.0, networks=networks, layers=layers),
            event("stitches", 11.0, networks=[failed], layers=[]),
            epochs(1, 100.0),
            epochs(2, 102.0),
        ],
        terminal=False,
    ).splitlines()
    assert lines == [
        "  train: stitching 3 anchors",
        "  train: evaluating 3 stitches before the training",
        "  train: 10/20 stitches",
        "  train: 20/20 stitches",
        worth,
        f"{worth}; 1 of 3 layers had to be regularized, more images may help",
        "  train: none of 1 stitches could be evaluated",
        "  train: 2/20 epochs, 36 s left",
    ]

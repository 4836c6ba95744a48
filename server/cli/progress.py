"""A bar that follows a job's events; lines of text where there is no terminal."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from server.cli.tables import duration_text, progress_text
from server.job_states import TERMINAL
from server.schemas.jobs import EventView

LINES_PER_JOB = 10
"""Where there is no terminal, a line is printed after each such part of the job."""


NOTES = {
    "connecting": ("to", "connecting to {}"),
    "finalists": ("count", "measuring {} finalists again, side by side"),
    "blending": ("architecture", "blending the runs of {}"),
    "measuring": ("count", "measuring {} networks, side by side"),
    "stitching": ("anchors", "stitching {} anchors"),
    "evaluating_stitches": ("count", "evaluating {} stitches before the training"),
    "training_alone": ("count", "training {} networks alone"),
}
"""Kinds of events: what they tell, and in which words."""


class JobProgress:
    """Shows the events that it is given, as `Client.wait` calls it.

    Args:
        title: what the job does.
        console: where to.
        is_outside: whether clients do it, and no runner.
    """

    def __init__(self, title: str, console: Console, *, is_outside: bool = False) -> None:
        self._title = title
        self._is_outside = is_outside
        self._console = console
        self._pace = Pace()
        self._unit = ""
        self._figures: list[str] = []
        self._num_lines = 0
        self._bar = _Bar(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[amount]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=None, amount="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def __call__(self, event: EventView) -> None:
        """Shows an event."""
        if event.type == "progress":
            self._show_progress(event)
        else:
            if event.type == "running":
                self._pace = Pace()
            self._show_note(note_of(event, is_outside=self._is_outside))
        if event.type in TERMINAL:
            self._bar.note = self._bar.note or ", ".join(self._figures)
            self._bar.update(self._task, total=self._bar.tasks[0].total or 1)
            self._bar.stop_task(self._task)

    def _show_progress(self, event: EventView) -> None:
        done, total = event.data["done"], event.data["total"]
        if event.data["unit"] != self._unit:  # a training begins when its stitches are evaluated
            self._unit, self._pace, self._num_lines = event.data["unit"], Pace(), 0
        left = self._pace.left(event.created_at, done, total)
        self._figures = figures_of(event.data)
        notes = [*self._figures]
        if left is not None and done < total:
            notes.append(f"{duration_text(left)} left")
        amount = progress_text(event.data)
        self._bar.update(self._task, completed=done, total=total, amount=amount)
        self._bar.note = ", ".join(notes)
        lines = LINES_PER_JOB * done // total if total else 0
        if not self._console.is_terminal and lines > self._num_lines:
            self._num_lines = lines
            self._print_line(", ".join((amount, *notes)))

    def _show_note(self, note: str) -> None:
        self._bar.note = note
        if note and not self._console.is_terminal:
            self._print_line(note)

    def _print_line(self, text: str) -> None:
        # In one piece whatever its length: such lines are for logs and for programs.
        self._console.print(f"  {self._title}: {text}", markup=False, soft_wrap=True)


class TransferProgress:
    """Shows how much of a file is read and sent; nothing where there is no terminal.

    Args:
        name: of the file.
        console: where to.
    """

    def __init__(self, name: str, console: Console) -> None:
        self._name = name
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Shows how many bytes are done, as `Client.upload` calls it."""
        if phase not in self._tasks:
            words = {"digest": "checksum of {}", "send": "sending {}"}[phase]
            # From where an earlier attempt ended, so that the speed is that of this one.
            task = self._bar.add_task(words.format(self._name), total=total, completed=done)
            self._tasks[phase] = task
        self._bar.update(self._tasks[phase], completed=done)


class _Bar(Progress):
    """A progress bar with a line of text below it."""

    note = ""

    def get_renderables(self) -> Any:
        """Yields the bar and, where there is one, the note."""
        yield self.make_tasks_table(self.tasks)
        if self.note:
            note: RenderableType = Text(
                f"  {self.note}", style="dim", no_wrap=True, overflow="ellipsis"
            )
            yield note


class Pace:
    """Estimates the time left from the events' own times, so that old events count as well."""

    def __init__(self) -> None:
        self._start: tuple[datetime, float] | None = None

    def left(self, now: datetime, done: float, total: float) -> timedelta | None:
        """Returns how long the rest will take at the pace so far; None before there is one.

        Args:
            now: when `done` was reached.
            done: how much.
            total: of how much.
        """
        if self._start is None:
            self._start = (now, done)
        began, at_first = self._start
        if done <= at_first:
            return None
        return (now - began) / (done - at_first) * (total - done)


def figures_of(progress: Mapping[str, Any]) -> list[str]:
    """Returns the figures that come with a job's progress, as words."""
    words = {
        "phase": "{}",
        "label_loss": "loss {:.3f}",
        "distillation_loss": "distillation loss {:.3f}",
        "label_top1_percent": "train top-1 {:.1f} %",
        "evaluating": "evaluating {}",
        "front": "{} on the front",
        "trained_alone": "{} trained alone",
    }
    return [text.format(progress[name]) for name, text in words.items() if progress.get(name)]


def note_of(event: EventView, *, is_outside: bool) -> str:
    """Returns an event that is no progress, as words; empty where there is nothing to say."""
    match event.type, event.data:
        case "queued" | "running", _ if is_outside:
            return "waits for outcomes from outside"
        case "running", _:
            again = f", attempt {event.attempt}" if event.attempt > 1 else ""
            return f"starting the workers{again}"
        case "succeeded", _:
            return ""
        case "queued", _:
            return "waits for a runner"
        case kind, data if kind in NOTES and NOTES[kind][0] in data:
            return NOTES[kind][1].format(data[NOTES[kind][0]])
        case kind, {"reason": reason}:
            return f"{kind}: {reason}"
        case kind, data:
            return findings_text(kind, data) or kind


def findings_text(kind: str, data: Mapping[str, Any]) -> str:
    """Returns what an event says that was found, as words; empty for other events."""
    match kind, data:
        case "prediction_quality", {"kendall": kendall}:
            return quality_text(kendall)
        case "stitches", {"networks": networks}:
            return stitches_text(networks, data.get("layers", []))
        case "evaluated", {"block_executions": done, "block_executions_saved": saved}:
            return work_text(data, done, saved)
    return ""


def stitches_text(
    networks: Sequence[Mapping[str, Any]], layers: Sequence[Mapping[str, Any]]
) -> str:
    """Returns how accurate stitches were before their training, as words."""
    found = [each["top1_percent"] for each in networks if "top1_percent" in each]
    if not found:
        return f"none of {len(networks)} stitches could be evaluated"
    text = f"{len(found)} stitches: {min(found):.1f} to {max(found):.1f} % top-1 before training"
    needy = sum(layer["reason"] not in (None, "asked") for layer in layers)
    few = f"; {needy} of {len(layers)} layers had to be regularized, more images may help"
    return text + few if needy else text


def work_text(data: Mapping[str, Any], done: int, saved: int) -> str:
    """Returns what the evaluation of a batch took, as words.

    Args:
        data: of the event.
        done: blocks that were run on a batch of images.
        saved: those that one network after the other would have taken beyond.
    """
    share = 100 * saved / max(1, done + saved)
    networks = "1 network" if data["networks"] == 1 else f"{data['networks']} networks"
    text = f"evaluated {networks} in {data['wall_s']:.1f} s"
    dropped = f", {data['dropped']} dropped" if data["dropped"] else ""
    return f"{text}, {share:.0f} % of the work shared{dropped}"


def quality_text(kendall: Mapping[str, float | None]) -> str:
    """Returns how well a batch had been ranked before it was measured, as words."""
    known = {metric: tau for metric, tau in kendall.items() if tau is not None}
    if not known:
        return "predictions cannot be compared with what was measured"
    taus = ", ".join(f"{tau:.2f} of {metric}" for metric, tau in known.items())
    return f"predicted before measuring: Kendall {taus}"

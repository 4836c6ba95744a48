"""Tables: what the service answers, for people. They fit into 80 columns."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from server.job_states import JobStatus
from server.schemas.jobs import JobView, RunnerView
from server.schemas.responses import DataSetView, ExportView, SupernetView, UploadView
from server.schemas.searches import FrontView, PointView, SearchView
from supernet.datasets import DataSetReport

METRIC_TITLES = {
    "top1_percent": "top-1 %",
    "latency_ms": "latency ms",
    "macs": "MACs",
    "num_params": "params",
    "num_activations": "activ.",
    "peak_activations": "peak act.",
    "size_bytes": "bytes",
}
METRIC_WORDS = {"top1_percent": "top-1", "latency_ms": "latency"}

CLASSES_SHOWN = 10
"""Of many classes, as many of the rarest and of the most frequent are shown."""

STATUS_STYLES = {
    JobStatus.RUNNING: "cyan",
    JobStatus.SUCCEEDED: "green",
    JobStatus.FAILED: "red",
    JobStatus.CANCELLED: "yellow",
    JobStatus.CANCELLING: "yellow",
    JobStatus.PREEMPTED: "yellow",
}


def new_table(*titles: str, right: Sequence[str] = ()) -> Table:
    """Returns a table with these columns, those named in `right` aligned there."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for title in titles:
        table.add_column(
            title, justify="right" if title in right else "left", no_wrap=True, overflow="fold"
        )
    return table


def facts(pairs: Mapping[str, Any]) -> Table:
    """Returns a list of names and values; values that are None are left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        if value is not None:
            table.add_row(name, value if isinstance(value, Text) else str(value))
    return table


def status_text(status: JobStatus) -> Text:
    """Returns a status in its colour."""
    return Text(status.value, style=STATUS_STYLES.get(status, ""))


# --- jobs and resources ------------------------------------------------------------------------


def jobs_table(jobs: Iterable[JobView], now: datetime) -> Table:
    """Returns a list of jobs."""
    table = new_table("job", "kind", "status", "progress", "age", right=("progress", "age"))
    for job in jobs:
        table.add_row(
            job.id,
            job.kind,
            status_text(job.status),
            progress_text(job.progress),
            duration_text(now - job.created_at),
        )
    return table


def job_table(job: JobView) -> Table:
    """Returns what is known about a job."""
    took = job.finished_at - job.started_at if job.finished_at and job.started_at else None
    return facts(
        {
            "job": job.id,
            "kind": job.kind,
            "works for": job.subject,
            "status": status_text(job.status),
            "attempt": job.attempt or None,
            "failed attempts": job.failed_attempts or None,
            "priority": job.priority or None,
            "after": ", ".join(job.after) or None,
            "deadline": moment_text(job.deadline_at),
            "not before": moment_text(job.not_before),
            "progress": progress_text(job.progress) or None,
            "error": error_text(job),
            "submitted": moment_text(job.created_at),
            "started": moment_text(job.started_at),
            "finished": moment_text(job.finished_at),
            "took": took and duration_text(took),
        }
    )


def runners_table(runners: Iterable[RunnerView], now: datetime) -> Table:
    """Returns a list of runners."""
    table = new_table("runner", "state", "CPUs", "GPUs", "others", "seen", right=("CPUs", "GPUs"))
    for runner in runners:
        table.add_row(
            runner.id,
            "alive" if runner.is_alive else "silent",
            f"{runner.num_cpus:g}",
            f"{runner.num_gpus:g}",
            ", ".join(f"{name} {amount:g}" for name, amount in runner.custom.items()),
            f"{duration_text(now - runner.seen_at)} ago",
        )
    return table


def error_text(job: JobView) -> str | None:
    """Returns why a job failed; None if it did not."""
    if not job.error:
        return None
    # Ray colours what it quotes.
    return Text.from_ansi(str(job.error.get("message", job.error))).plain


def data_sets_table(data_sets: Iterable[DataSetView]) -> Table:
    """Returns a list of data sets."""
    table = new_table("data set", "name", "train / val. / test", "shape", "classes")
    for data_set in data_sets:
        table.add_row(
            data_set.id,
            data_set.name,
            " / ".join(str(count) for count in data_set.counts.values()),
            " x ".join(map(str, data_set.shape)),
            str(data_set.num_classes),
        )
    return table


def data_set_report(data_set: DataSetView) -> RenderableType:
    """Returns what is known about a data set, its classes and the files that were skipped."""
    report = data_set.report
    known = {
        "data set": data_set.id,
        "name": data_set.name,
        "version": data_set.version[:16],
        "train / val. / test": " / ".join(str(count) for count in data_set.counts.values()),
        "shape": " x ".join(map(str, data_set.shape)),
        "classes": data_set.num_classes,
    }
    if report is None:
        return facts(known)
    low, high = report.pixel_range
    known |= {
        "pixels": f"{low} to {high}",
        "mean": ", ".join(f"{value:.3f}" for value in report.mean),
        "deviation": ", ".join(f"{value:.3f}" for value in report.std),
        "memory": f"{count_text(report.size_bytes)}B",
        "imbalance": f"{report.imbalance:.3g} (largest class over smallest)",
        "skipped": f"{report.num_unreadable} unreadable files" if report.num_unreadable else None,
        "ignored": f"{report.num_ignored} other files" if report.num_ignored else None,
    }
    parts: list[RenderableType] = [facts(known), "", _classes_table(report)]
    if report.unreadable:
        files = new_table("skipped", "why")
        for file in report.unreadable:
            files.add_row(file.name, file.reason)
        parts += ["", files]
    return Group(*parts)


def _classes_table(report: DataSetReport) -> Table:
    """Returns how often the classes occur; of many the rarest and the most frequent."""
    counts = ("train", "validation", "test")
    table = new_table("class", *counts, right=counts)
    classes = report.classes
    if len(classes) > 2 * CLASSES_SHOWN:
        ranked = sorted(classes, key=lambda entry: entry.counts["train"])
        classes = ranked[-CLASSES_SHOWN:][::-1] + ranked[:CLASSES_SHOWN][::-1]
    for position, entry in enumerate(classes):
        if len(classes) < len(report.classes) and position == CLASSES_SHOWN:
            table.add_row(f"... {len(report.classes) - len(classes)} others", "", "", "")
        name = str(entry.label) if entry.name is None else f"{entry.label} {entry.name}"
        table.add_row(name, *(str(entry.counts[split]) for split in counts))
    return table


def upload_table(upload: UploadView) -> Table:
    """Returns what is known about an upload."""
    return facts(
        {
            "upload": upload.id,
            "name": upload.name,
            "size": f"{count_text(upload.size_bytes)}B",
            "SHA-256": upload.sha256[:16],
            "status": upload.status,
        }
    )


def supernets_table(supernets: Iterable[SupernetView]) -> Table:
    """Returns a list of supernets."""
    table = new_table("supernet", "name", "space", "status")
    for supernet in supernets:
        table.add_row(supernet.id, supernet.name, supernet.space, status_text(supernet.status))
    return table


def searches_table(searches: Iterable[SearchView]) -> Table:
    """Returns a list of searches."""
    table = new_table("search", "name", "searcher", "evaluated", "status", right=("evaluated",))
    for search in searches:
        table.add_row(
            search.id,
            search.name,
            str(search.searcher["kind"]),
            f"{sum(search.counts.values())}/{search.evaluations}",
            status_text(search.status),
        )
    return table


def export_table(export: ExportView) -> Table:
    """Returns the files of an export."""
    table = new_table("file", "size", "SHA-256", right=("size",))
    for file in export.files:
        table.add_row(file.name, f"{count_text(file.size_bytes)}B", file.sha256[:16])
    return table


def test_text(report: Mapping[str, Any]) -> str:
    """Returns what reading the test split gave, as a sentence."""
    low, high = report["interval_percent"]
    return (
        f"test top-1 {report['top1_percent']:.1f} % "
        f"(95 % interval {low:.1f}-{high:.1f}, {report['num_images']} images)"
    )


# --- fronts ------------------------------------------------------------------------------------


def front_table(front: FrontView) -> Table:
    """Returns a front; where nothing keeps the limits, the points that break them least."""
    points: Sequence[PointView] = front.points or front.least_violating
    objectives = [objective["metric"] for objective in front.objectives]
    costs = [
        metric
        for metric in ("macs", "num_params")
        if metric not in objectives and all(metric in point.metrics for point in points)
    ]
    titles = [METRIC_TITLES.get(metric, metric) for metric in (*objectives, *costs)]
    table = new_table("architecture", *titles, "tied on", right=titles)
    for point in points:
        metrics = [metric_text(point, metric) for metric in (*objectives, *costs)]
        table.add_row(point.architecture_digest, *metrics, _tie_text(point, len(objectives)))
    return table


def front_notes(front: FrontView) -> list[str]:
    """Returns the sentences that belong below a front's table."""
    metrics = [objective["metric"] for objective in front.objectives]
    notes = []
    # What was evaluated outside or by a table has these names, too, but its own way of measuring.
    if "top1_percent" in metrics and _provenance(front, "top1_percent").get("split"):
        notes.append("top-1 on validation images, with its 95 % interval")
    if "latency_ms" in metrics and _provenance(front, "latency_ms").get("settings"):
        notes.append(_latency_note(front))
    if any(point.tied_with_next for point in front.points):
        notes.append("tied on: what does not tell a network from the next one (intervals overlap)")
    if not front.feasible and front.least_violating:
        limits = ", ".join(_limit_text(limit) for limit in front.limits)
        notes.insert(0, f"INFEASIBLE: nothing measured keeps {limits}; these miss it least")
    return notes


def _provenance(front: FrontView, metric: str) -> Mapping[str, Any]:
    points = front.points or front.least_violating
    found: Mapping[str, Any] = points[0].provenance.get(metric, {}) if points else {}
    return found


def _latency_note(front: FrontView) -> str:
    settings = _provenance(front, "latency_ms")["settings"]
    statistic = {"p10": "10th percentile", "median": "median"}.get(
        settings.get("statistic", ""), "measured"
    )
    again = ", measured again side by side" if front.remeasured else ""
    return f"latency: {statistic} (10th-90th percentile){again}"


def metric_text(point: PointView, metric: str) -> str:
    """Returns a metric with its spread, where it has one."""
    value = point.metrics[metric]
    digits = {"top1_percent": 1}.get(metric)
    if digits is None and value >= 1000:
        return count_text(value)
    if digits is None:
        digits = _decimals(value)
    spread = point.intervals.get(metric)
    text = f"{value:.{digits}f}"
    return f"{text} ({spread[0]:.{digits}f}-{spread[1]:.{digits}f})" if spread else text


def _decimals(value: float) -> int:
    """Returns how many decimals show three digits of a number below 1000."""
    if value == int(value):
        return 0
    return 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3


def _tie_text(point: PointView, num_objectives: int) -> str:
    if num_objectives > 1 and len(point.tied_on) == num_objectives:
        return "all"
    return ", ".join(METRIC_WORDS.get(metric, metric) for metric in point.tied_on)


def _limit_text(limit: Mapping[str, Any]) -> str:
    sides = [("at least", limit.get("lower")), ("at most", limit.get("upper"))]
    return f"{limit['metric']} " + " and ".join(f"{w} {v:g}" for w, v in sides if v is not None)


# --- values ------------------------------------------------------------------------------------


def count_text(count: float) -> str:
    """Returns a count with three digits: 61.2k, 1.23M."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= factor:
            return f"{count / factor:#.3g}".rstrip(".") + unit
    return f"{count:g}"


def progress_text(progress: Mapping[str, Any] | None) -> str:
    """Returns how far a job is."""
    if not progress:
        return ""
    return f"{progress['done']:g}/{progress['total']:g} {progress['unit']}"


def duration_text(duration: timedelta) -> str:
    """Returns a duration in its two largest units."""
    seconds = max(0, round(duration.total_seconds()))
    for size, unit, smaller, sub in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // smaller} {sub}"
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def moment_text(moment: datetime | None) -> str | None:
    """Returns a moment in local time."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else None

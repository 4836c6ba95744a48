"""The picture of a front, as PNG or SVG."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from searchers.protocol import Problem
from server.fronts import Candidate, ReportedFront

Format = Literal["png", "svg"]

# Drawings would else name their parts at random. For all threads, so it is set once.
matplotlib.rcParams["svg.hashsalt"] = "espalier"

LABELS = {
    "top1_percent": "validation top-1 (%)",
    "latency_ms": "latency (ms)",
    "macs": "multiply-accumulates",
    "num_params": "parameters",
    "num_activations": "activations",
    "peak_activations": "peak activations",
    "size_bytes": "size (bytes)",
}


def plot_front(problem: Problem, front: ReportedFront, title: str, image_format: Format) -> bytes:
    """Returns a picture of the front in its first two objectives, with the spreads of its points.

    With one objective, the other axis is the proposal's number. Points that break a limit are
    crosses; limits are dashed lines.

    Args:
        problem: the search's.
        front: with all that it was chosen from.
        title: above the picture.
        image_format: of the bytes that are returned.
    """
    # No pyplot: its global state is not for a server with threads.
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    x, y = _axes_of(problem)
    kept = [c for c in front.candidates if problem.violation(c.metrics) == 0]
    broken = [c for c in front.candidates if problem.violation(c.metrics) > 0]
    _scatter(axes, kept, x, y, marker="o", color="0.7", label="measured")
    _scatter(axes, broken, x, y, marker="x", color="0.75", label="breaks a limit")
    _draw_points(axes, front.points, x, y, color="C0", label="front")
    _draw_points(axes, front.least_violating, x, y, color="C3", label="least violating")
    _draw_limits(axes, problem, x, y)
    axes.set_xlabel(LABELS.get(x, x.replace("_", " ")))
    axes.set_ylabel(LABELS.get(y, y.replace("_", " ")))
    axes.set_title(title, parse_math=False)
    axes.grid(visible=True, alpha=0.3)
    if front.candidates:
        axes.legend(loc="best", fontsize="small")
    return render(figure, image_format)


def _axes_of(problem: Problem) -> tuple[str, str]:
    """Returns the metrics of the axes: what is minimized goes along, what is maximized up."""
    if len(problem.objectives) == 1:
        return "number", problem.objectives[0].metric
    first, second = problem.objectives[:2]
    if first.goal == "maximize":
        first, second = second, first
    return first.metric, second.metric


def _draw_limits(axes: Axes, problem: Problem, x: str, y: str) -> None:
    label: str | None = "limit"
    for limit in problem.limits:
        for side in (limit.lower, limit.upper):
            if side is None or limit.metric not in (x, y):
                continue
            draw = axes.axvline if limit.metric == x else axes.axhline
            draw(side, color="C3", linestyle="--", linewidth=1, label=label)
            label = None  # one line of the legend says it for all


def _value(candidate: Candidate, metric: str) -> float:
    return candidate.number if metric == "number" else candidate.metrics[metric]


def _scatter(
    axes: Axes, candidates: Sequence[Candidate], x: str, y: str, *, label: str, **style: Any
) -> None:
    if candidates:
        along, up = [_value(c, x) for c in candidates], [_value(c, y) for c in candidates]
        axes.scatter(along, up, s=18, linewidths=1, label=label, **style)


def _draw_points(
    axes: Axes, candidates: Sequence[Candidate], x: str, y: str, *, color: str, label: str
) -> None:
    """Draws points with the spreads that they have."""
    if not candidates:
        return
    axes.errorbar(
        [_value(c, x) for c in candidates],
        [_value(c, y) for c in candidates],
        xerr=_spread(candidates, x),
        yerr=_spread(candidates, y),
        fmt="o-",
        linewidth=1,
        markersize=5,
        capsize=2,
        elinewidth=0.8,
        color=color,
        label=label,
    )


def _spread(candidates: Sequence[Candidate], metric: str) -> tuple[list[float], list[float]]:
    """Returns how far the spread reaches below and above each point; 0 where there is none."""
    below, above = [], []
    for candidate in candidates:
        value = _value(candidate, metric)
        low, high = candidate.intervals.get(metric, (value, value))
        # A point may lie outside its own spread: a median of few samples, a corrected latency.
        below.append(max(value - low, 0.0))
        above.append(max(high - value, 0.0))
    return below, above


def render(figure: Figure, image_format: Format) -> bytes:
    """Returns a figure as bytes of a picture: the same bytes for the same figure."""
    output = BytesIO()
    metadata = {"Date": None} if image_format == "svg" else {}
    figure.savefig(output, format=image_format, metadata=metadata)
    return output.getvalue()

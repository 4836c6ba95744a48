"""The picture of an assessment, as PNG or SVG."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from server.plots import LABELS, Format, render
from server.schemas.assessments import AssessedView
from server.schemas.responses import AssessmentSummary, CorrelationView

ALONE_COLOR = "C1"


def plot_assessment(
    title: str,
    architectures: Sequence[AssessedView],
    summary: AssessmentSummary | None,
    image_format: Format,
) -> bytes:
    """Returns accuracy over multiply-accumulates and, where some were trained alone, both of these.

    Args:
        title: above the picture.
        architectures: what was sampled; those that were not measured are left out.
        summary: None while the assessment is under way.
        image_format: of the bytes that are returned.
    """
    measured = [one for one in architectures if one.status == "measured"]
    trained = [one for one in measured if one.standalone and one.standalone.status == "trained"]
    # No pyplot: its global state is not for a server with threads.
    figure = Figure(figsize=(11 if trained else 7, 4.5), layout="constrained")
    figure.suptitle(title, parse_math=False)
    over_cost = figure.add_subplot(1, 2 if trained else 1, 1)
    _draw_costs(over_cost, measured, trained, summary)
    if trained:
        _draw_ranks(figure.add_subplot(1, 2, 2), trained, summary)
    return render(figure, image_format)


def _draw_costs(
    axes: Axes,
    measured: Sequence[AssessedView],
    trained: Sequence[AssessedView],
    summary: AssessmentSummary | None,
) -> None:
    """Draws accuracy over cost, with intervals, and the staircase of the best within a budget."""
    macs = [one.metrics["macs"] for one in measured]
    shared = [one.metrics["top1_percent"] for one in measured]
    if measured:
        intervals = [one.intervals["top1_percent"] for one in measured]
        axes.errorbar(
            macs,
            shared,
            yerr=_reach(shared, intervals),
            fmt="o",
            markersize=4,
            capsize=2,
            elinewidth=0.8,
            color="C0",
            label="shared weights",
        )
        best = [max(shared[: position + 1]) for position in range(len(shared))]
        mean = "" if summary is None else f", mean {summary.mean_pareto_top1_percent:.2f} %"
        axes.step(
            macs, best, where="post", color="C0", linewidth=1, label=f"best within a budget{mean}"
        )
    if trained:
        _draw_alone(axes, [one.metrics["macs"] for one in trained], trained, xerr=None)
    axes.set_xlabel(LABELS["macs"])
    axes.set_ylabel(LABELS["top1_percent"])
    axes.grid(visible=True, alpha=0.3)
    if measured:
        # Above: within the axes it would hide networks wherever it was.
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, fontsize="small")


def _draw_ranks(
    axes: Axes, trained: Sequence[AssessedView], summary: AssessmentSummary | None
) -> None:
    """Draws the accuracy alone over the shared one, and says how they correlate."""
    shared = [one.metrics["top1_percent"] for one in trained]
    xerr = _reach(shared, [one.intervals["top1_percent"] for one in trained])
    _draw_alone(axes, shared, trained, xerr=xerr)
    if summary is not None and summary.standalone is not None:
        found = summary.standalone
        text = f"{_words('Kendall', found.kendall)}\n{_words('Spearman', found.spearman)}"
        axes.set_title(text, fontsize="small")
    axes.set_xlabel("with shared weights: " + LABELS["top1_percent"])
    axes.set_ylabel("trained alone: " + LABELS["top1_percent"])
    axes.grid(visible=True, alpha=0.3)


def _draw_alone(
    axes: Axes,
    along: Sequence[float],
    trained: Sequence[AssessedView],
    *,
    xerr: tuple[list[float], list[float]] | None,
) -> None:
    alone = [one.standalone for one in trained]
    values = [one.top1_percent or 0.0 for one in alone if one is not None]
    intervals = [one.interval_percent or (0.0, 0.0) for one in alone if one is not None]
    axes.errorbar(
        along,
        values,
        xerr=xerr,
        yerr=_reach(values, intervals),
        fmt="s",
        markersize=4,
        capsize=2,
        elinewidth=0.8,
        color=ALONE_COLOR,
        label="trained alone",
    )


def _reach(
    values: Sequence[float], intervals: Sequence[tuple[float, float]]
) -> tuple[list[float], list[float]]:
    """Returns how far intervals reach below and above their values."""
    pairs = list(zip(values, intervals, strict=True))
    return [v - low for v, (low, _) in pairs], [high - v for v, (_, high) in pairs]


def _words(name: str, correlation: CorrelationView) -> str:
    if correlation.value is None:
        return f"{name}: not defined"
    text = f"{name} {correlation.value:.2f}"
    if correlation.interval is not None:
        low, high = correlation.interval
        text += f" ({low:.2f} to {high:.2f})"
    return f"{text}, {correlation.num_pairs} networks"

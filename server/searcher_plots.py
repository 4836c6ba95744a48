"""The picture of a comparison of searchers, as PNG or SVG."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from searchers.comparison.measures import Values
from searchers.comparison.report import Analysis
from server.plots import Format, render

FLOOR = 1e-4
"""Gaps below this are drawn there: a logarithmic axis has no 0."""
BELOW = 0.85
STYLES = ("-", "--", ":", "-.")


def plot_shares(analysis: Analysis, image_format: Format) -> bytes:
    """Returns a picture of what searchers lack of the whole front's hypervolume.

    A line is the median over the runs of one searcher, the band their quartiles. The axis is
    logarithmic: near the top of shares is where good searchers differ.

    Args:
        analysis: of the runs.
        image_format: of the bytes that are returned.
    """
    report = analysis.report
    # No pyplot: its global state is not for a server with threads.
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    lowest = 0.1
    for position, (name, shares) in enumerate(analysis.curves.items()):
        runs = f"{len(shares)} run{'s' if len(shares) > 1 else ''}"
        lowest = min(lowest, _draw(axes, 1 - shares, position, f"{name} ({runs})"))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda gap, _: f"{100 * gap:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(1, max(report.evaluations, 2))
    # A little below what is lowest: lines on the edge would be hidden by half.
    axes.set_ylim(BELOW * max(FLOOR, 10 ** np.floor(np.log10(lowest))), 1)
    axes.set_xlabel("evaluations")
    axes.set_ylabel(f"% of the {report.front.kind} front's hypervolume that is missing")
    metrics = ", ".join(
        f"{'max' if objective.goal == 'maximize' else 'min'} {objective.metric}"
        for objective in report.problem.objectives
    )
    axes.set_title(metrics, parse_math=False, fontsize="medium")
    axes.grid(visible=True, which="major", alpha=0.35)
    axes.grid(visible=True, which="minor", axis="y", alpha=0.12)
    if analysis.curves:
        _draw_legend(figure, axes, analysis)
    return render(figure, image_format)


def _draw(axes: Axes, gaps: Values, position: int, label: str) -> float:
    """Draws the gaps of one searcher, shape (num_runs, evaluations); returns the lowest drawn."""
    low, median, high = np.quantile(np.maximum(gaps, FLOOR), [0.25, 0.5, 0.75], axis=0)
    along = np.arange(1, gaps.shape[1] + 1)
    color, style = f"C{position % 10}", STYLES[position // 10 % len(STYLES)]
    axes.fill_between(along, low, high, step="post", alpha=0.15, color=color, linewidth=0)
    axes.step(along, median, where="post", color=color, linestyle=style, label=label)
    return float(low.min())


def _draw_legend(figure: Figure, axes: Axes, analysis: Analysis) -> None:
    """Names the lines in the order of their right ends, the highest first."""
    last = [float(np.median(shares[:, -1])) for shares in analysis.curves.values()]
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(last)), key=last.__getitem__)
    legend = figure.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="outside right upper",
        fontsize="small",
        frameon=False,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)

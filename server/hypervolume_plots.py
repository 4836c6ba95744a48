"""Pictures of how the fronts of searches grew, as PNG or SVG."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from searchers.pareto import Losses
from server.plots import Format, render


@dataclass(frozen=True)
class RunCurve:
    """The hypervolume of one search after each of its evaluations."""

    name: str
    searcher: Mapping[str, Any]
    volumes: Losses


def plot_histories(curves: Sequence[RunCurve], total: float, image_format: Format) -> bytes:
    """Returns a picture of hypervolumes over evaluations, as shares of a whole.

    Runs of one searcher with one group of settings are drawn as their median, with the quartiles as
    a band, up to the last evaluation that all of them have made.

    Args:
        curves: of the searches.
        total: the hypervolume that is 100 %; 0 where there is none yet.
        image_format: of the bytes that are returned.
    """
    # No pyplot: its global state is not for a server with threads.
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    scale = 100 / total if total > 0 else 1.0
    for position, (label, volumes) in enumerate(_groups(curves)):
        color = f"C{position % 10}"
        if len(volumes) == 1:
            line = volumes[0] * scale
        else:
            length = min(len(one) for one in volumes)
            stacked = np.stack([one[:length] for one in volumes]) * scale
            low, line, high = np.quantile(stacked, [0.25, 0.5, 0.75], axis=0)
            along = np.arange(1, length + 1)
            axes.fill_between(along, low, high, step="post", alpha=0.2, color=color, linewidth=0)
        axes.step(np.arange(1, len(line) + 1), line, where="post", color=color, label=label)
    axes.set_xlabel("evaluations")
    axes.set_ylabel("hypervolume (% of all points together)")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    if curves:
        legend = axes.legend(loc="lower right", fontsize="small")
        for text in legend.get_texts():
            text.set_parse_math(False)
    return render(figure, image_format)


def _groups(curves: Sequence[RunCurve]) -> list[tuple[str, list[Losses]]]:
    """Returns the runs of equal searchers together, each group with what it is called."""
    groups: dict[str, list[RunCurve]] = {}
    for curve in curves:
        groups.setdefault(json.dumps(curve.searcher, sort_keys=True), []).append(curve)
    named = []
    for group in groups.values():
        kind, count = str(group[0].searcher["kind"]), len(group)
        name = f"{group[0].name} ({kind})" if count == 1 else f"{kind}, median of {count}"
        named.append((name, [one.volumes for one in group]))
    return named

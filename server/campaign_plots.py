"""The picture of a campaign: hypervolume over time, as PNG or SVG."""

from collections.abc import Sequence

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from server.plots import Format, render
from server.schemas.campaigns import SearchReport

MAX_NAMED = 8
"""Curves that are named; more would cover the picture."""


def plot_volumes(reports: Sequence[SearchReport], title: str, image_format: Format) -> bytes:
    """Returns a picture of the hypervolume of every search's place over the times that it ran.

    Args:
        reports: of the searches of an occurrence, each with its history.
        title: above the picture.
        image_format: of the bytes that are returned.
    """
    # No pyplot: its global state is not for a server with threads.
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for position, report in enumerate(reports):
        times = [volume.fire_at for volume in report.history]
        volumes = [volume.hypervolume for volume in report.history]
        label = f"search {position + 1}" if position < MAX_NAMED else None
        axes.plot(times, volumes, "o-", markersize=4, linewidth=1, label=label)  # type: ignore[arg-type]  # it takes times
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.set_xlabel("time (UTC)")
    axes.set_ylabel("hypervolume")
    axes.set_title(title, parse_math=False)
    axes.grid(visible=True, alpha=0.3)
    if len(reports) > 1:
        axes.legend(loc="best", fontsize="small")
    return render(figure, image_format)

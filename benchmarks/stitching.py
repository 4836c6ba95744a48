"""Networks stitched from three transformers: top-1 over multiply-accumulates of all of them.

On Fashion-MNIST (see _image_tasks.py): three transformers of 16, 32 and 64 channels, the anchors,
are trained separately, stitched as SN-Net does by default, and looked at right after the stitching
layers were solved for by least squares; then all is trained for a third of the anchors' epochs (or
--epochs N), with networks drawn uniformly (SN-Net) and evenly over costs (SN-Netv2), the latter
also with distillation from the largest anchor. The claim to check (Pan et al. 2023, arXiv
2302.06586): the accuracies of stitches interpolate between those of the anchors. The measure is the
straight line between neighbouring anchors, and networks of 24 and 48 channels that were trained
separately, by the anchors' recipe: the best network of at most their cost is chosen on validation
images and compared on others. Then a stitch is exported: its ONNX graph's logits against torch's,
and its latency beside the anchors'.

With --cache FOLDER what is trained separately is kept there for the next run. With --plot FILE the
curves are drawn. With --quick: 1,000 images and few epochs, which shows that everything runs, not
what is reached.
"""

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from _stitching_task import (
    ANCHOR_WIDTHS,
    BETWEEN_WIDTHS,
    FULL,
    QUICK,
    TASK,
    Effort,
    Point,
    curve,
    initialized,
    line_between,
    macs,
    onnx_difference,
    top1,
    trained_alone,
    trained_together,
)
from harness import Arguments, Figure, argument_parser, report
from matplotlib.figure import Figure as Picture
from rich.console import Console
from rich.table import Table

from supernet.base import Supernet
from supernet.data import TensorData
from supernet.evaluate import evaluate_architecture
from supernet.export import onnx_model
from supernet.schedules.stitching import StitchingSettings
from supernet.settings import AccuracySettings
from workers.measurement import measure_finalists
from workers.protocol import Latency
from workers.settings import LatencySettings

INITIALIZED = "initialized"
CHOSEN = "grouped"
"""What is exported."""

TRAININGS: Mapping[str, StitchingSettings] = {
    "uniform": StitchingSettings(sampling="uniform"),
    CHOSEN: StitchingSettings(),
    "grouped, distilled": StitchingSettings(distillation=1.0),
}


@dataclass(frozen=True)
class Run:
    """What one seed gave.

    Attributes:
        anchors: trained separately.
        between: others of costs between theirs, trained separately.
        curves: all stitched networks, by how they were trained; of one order in all.
        gained: by that and by the width of a network between: the test accuracy of the best one of
            at most its cost less its own, in points.
        chosen: by width of a network between, the route of the best stitch, as `CHOSEN` trained it.
    """

    anchors: list[Point]
    between: list[Point]
    curves: dict[str, list[Point]]
    gained: dict[tuple[str, int], float]
    chosen: dict[int, str]


def run(
    data: TensorData, effort: Effort, seed: int, folder: Path
) -> tuple[Run, dict[str, Supernet]]:
    """Trains everything with one seed; returns what came out, and the stitched supernets."""
    alone: dict[int, Supernet] = {}
    points: dict[int, Point] = {}
    files: dict[int, Path] = {}
    for width in (*ANCHOR_WIDTHS, *BETWEEN_WIDTHS):
        alone[width], files[width] = trained_alone(width, data, effort.alone, seed, folder)
        largest = alone[width].space.largest()
        cost = macs(alone[width].settings, largest)
        points[width] = Point(f"width {width}", cost, top1(alone[width], largest, data))
        Console().print(f"seed {seed}: {points[width]}")
    start = initialized([files[width] for width in ANCHOR_WIDTHS], data, seed)
    supernets = {INITIALIZED: start}
    for name, schedule in TRAININGS.items():
        supernets[name] = trained_together(start, schedule, data, effort.stitched, seed)
    curves = {name: curve(supernet, data) for name, supernet in supernets.items()}
    gained, chosen = {}, {}
    for width in BETWEEN_WIDTHS:
        theirs = top1(alone[width], alone[width].space.largest(), data, "test")
        for name, supernet in supernets.items():
            best = best_within(curves[name], points[width].macs)
            architecture = supernet.space.validate({"route": best.name})
            gained[name, width] = top1(supernet, architecture, data, "test") - theirs
            if name == CHOSEN:
                stitched = best_within(stitches(curves[name]), points[width].macs)
                chosen[width] = stitched.name
    found = Run(
        [points[width] for width in ANCHOR_WIDTHS],
        [points[width] for width in BETWEEN_WIDTHS],
        curves,
        gained,
        chosen,
    )
    return found, supernets


def stitches(points: Sequence[Point]) -> list[Point]:
    """Returns what runs through more than one anchor."""
    return [point for point in points if "," in point.name]


def whole_anchors(points: Sequence[Point]) -> list[Point]:
    """Returns what runs through one anchor, from small to large."""
    return [point for point in points if "," not in point.name]


def best_within(points: Sequence[Point], budget: float) -> Point:
    """Returns the most accurate network of at most some multiply-accumulates."""
    return max((p for p in points if p.macs <= budget), key=lambda point: point.top1)


def figures(runs: Sequence[Run]) -> list[Figure]:
    """Returns means over seeds."""
    found = []
    for name in runs[0].curves:
        above, distance, front, worst = [], [], [], []
        for each in runs:
            points = stitches(each.curves[name])
            differences = np.array([p.top1 for p in points])
            differences -= line_between(each.anchors, [p.macs for p in points])
            above.append(100 * float(np.mean(differences >= 0)))
            distance.append(float(np.mean(differences)))
            worst.append(float(np.min(differences)))
            budgets = np.linspace(each.anchors[0].macs, each.anchors[-1].macs, 50)
            best = [best_within(each.curves[name], budget).top1 for budget in budgets]
            front.append(float(np.mean(best - line_between(each.anchors, budgets))))
        found += [
            Figure(f"{name}: stitches over the line", statistics.mean(above), "%"),
            Figure(f"{name}: mean distance from it", statistics.mean(distance), "points"),
            Figure(f"{name}: lowest", statistics.mean(worst), "points"),
            Figure(f"{name}: their front, mean distance", statistics.mean(front), "points"),
        ]
        for position, width in enumerate(ANCHOR_WIDTHS):
            gains = [
                whole_anchors(each.curves[name])[position].top1 - each.anchors[position].top1
                for each in runs
            ]
            found.append(Figure(f"{name}: anchor {width}", statistics.mean(gains), "points gained"))
        for width in BETWEEN_WIDTHS:
            gained = statistics.mean(each.gained[name, width] for each in runs)
            unit = f"points over width {width}"
            found.append(Figure(f"{name}: best of at most its cost", gained, unit))
    return found


def exported(found: Run, supernet: Supernet, data: TensorData) -> list[Figure]:
    """Exports the best stitch of the cost of the largest network between, and both extremes."""
    routes = {
        "smallest anchor": supernet.space.smallest()["route"],
        "stitch": found.chosen[BETWEEN_WIDTHS[-1]],
        "largest anchor": supernet.space.largest()["route"],
    }
    figures, models = [], []
    for name, route in routes.items():
        architecture = supernet.space.validate({"route": route})
        network, _ = evaluate_architecture(supernet, architecture, data, AccuracySettings())
        models.append(onnx_model(network).SerializeToString())
        difference = 1e6 * onnx_difference(network, data)
        figures.append(Figure(f"{name} {route}: ONNX - torch, largest", difference, "1e-6 logits"))
    measured = measure_finalists(models, models[0], LatencySettings(), seed=0)
    for (name, route), outcome in zip(routes.items(), measured, strict=True):
        if not isinstance(outcome, Latency):
            raise RuntimeError(outcome.reason)
        figures.append(Figure(f"{name} {route}: latency", outcome.latency_ms, "ms"))
    return figures


def table_of(runs: Sequence[Run]) -> Table:
    """Returns a row per network, means over seeds."""
    table = Table(title="validation top-1 in percent, means over seeds", title_justify="left")
    for column in ("network", "kMACs", *runs[0].curves):
        table.add_column(column, justify="right")
    rows = [
        (points[0][0].name, points[0][0].macs, [mean_top1(each) for each in points])
        for points in zip(
            *(list(zip(*(r.curves[name] for r in runs), strict=True)) for name in runs[0].curves),
            strict=True,
        )
    ]
    rows += [
        (f"{alone[0].name}, alone", alone[0].macs, [mean_top1(alone)])
        for alone in zip(*([*each.anchors, *each.between] for each in runs), strict=True)
    ]
    for name, cost, values in sorted(rows, key=lambda row: row[1]):
        table.add_row(name, f"{cost / 1e3:.0f}", *(f"{value:.2f}" for value in values))
    return table


def mean_top1(points: Sequence[Point]) -> float:
    """Returns the mean accuracy of one network in several runs."""
    return statistics.mean(point.top1 for point in points)


def draw(runs: Sequence[Run], path: Path) -> None:
    """Draws top-1 over multiply-accumulates, means over seeds."""
    picture = Picture(figsize=(7, 4.5), layout="constrained")
    axes = picture.add_subplot()
    for number, name in enumerate(runs[0].curves):
        points = list(zip(*(each.curves[name] for each in runs), strict=True))
        costs_m = [each[0].macs / 1e6 for each in points]
        values = [mean_top1(each) for each in points]
        axes.plot(costs_m, values, ".", color=f"C{number}", label=name)
    anchors = list(zip(*(each.anchors for each in runs), strict=True))
    between = list(zip(*(each.between for each in runs), strict=True))
    for marker, label, groups in (("D-", "anchors", anchors), ("x", "trained alone", between)):
        costs_m = [each[0].macs / 1e6 for each in groups]
        axes.plot(costs_m, [mean_top1(each) for each in groups], marker, color="k", label=label)
    axes.set_xlabel("multiply-accumulates (millions)")
    axes.set_ylabel("validation top-1 (%)")
    axes.grid(alpha=0.3)
    axes.legend()
    picture.savefig(path)


def main() -> None:
    """Trains, evaluates and reports."""
    parser = argument_parser(__doc__)
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep what is trained alone")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves there")
    parser.add_argument("--seeds", type=int, default=1, help="how many; 1 by default")
    parser.add_argument("--epochs", type=int, help="of each training of all stitches")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = TASK.load(quick=given.quick)
    effort = QUICK if given.quick else FULL
    if given.epochs is not None:
        effort = replace(effort, stitched=given.epochs)
    runs: list[Run] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.cache or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for seed in range(given.seeds):
            found, supernets = run(data, effort, seed, folder)
            runs.append(found)
    Console().print(table_of(runs))
    if given.plot is not None:
        draw(runs, given.plot)
    arguments = Arguments(quick=given.quick, json_path=given.json)
    measured = figures(runs) + exported(runs[-1], supernets[CHOSEN], data)
    report("Stitched transformers on Fashion-MNIST, means over seeds", measured, arguments)


if __name__ == "__main__":
    main()

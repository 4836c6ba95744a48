"""Progressive shrinking, the sandwich rule and delayed shrinking at equal total cost.

On Fashion-MNIST, or where there is a GPU on CIFAR-10 at full size (see _image_tasks.py), three
seeds: for each schedule as many epochs as make its total multiply-accumulates equal to those of
progressive shrinking; validation accuracy of the smallest and the largest network and mean Pareto
accuracy of a fixed sample, along the way and at the end. The claim to check (Annavajjala et al.
2024, DepS): the same accuracy at 0.4 of the cost of progressive shrinking, and more than one point
better at equal cost. With --quick: one seed, 1,000 images, the fewest epochs: it shows that
everything runs, not what is reached. With --plot FILE the accuracies over the cost are drawn, a
line per run.
"""

import statistics
from dataclasses import dataclass
from pathlib import Path

import torch
from _image_tasks import TASKS, Accuracies, ImageTask
from harness import Arguments, Figure, argument_parser, report
from matplotlib.figure import Figure as Picture
from rich.console import Console
from rich.table import Table

from supernet.data import TensorData
from supernet.schedules.delayed_shrinking import DelayedShrinkingSettings
from supernet.schedules.progressive_shrinking import ProgressiveShrinkingSettings
from supernet.schedules.sandwich import SandwichSettings
from supernet.schedules.settings import ScheduleSettings

REFERENCE = "progressive shrinking"
SCHEDULES: dict[str, ScheduleSettings] = {
    REFERENCE: ProgressiveShrinkingSettings(),
    "sandwich": SandwichSettings(),
    "delayed shrinking": DelayedShrinkingSettings(ramp_epochs=1),
}
NUM_LOOKS = 6


@dataclass(frozen=True)
class Curve:
    """One training: accuracies by the cost spent, the last one at its end.

    Attributes:
        costs: multiply-accumulates up to each look.
        accuracies: what was found there.
    """

    costs: tuple[float, ...]
    accuracies: tuple[Accuracies, ...]

    def cost_to_reach(self, pareto: float) -> float | None:
        """Returns the cost at the first look with at least this mean Pareto accuracy."""
        for cost, found in zip(self.costs, self.accuracies, strict=True):
            if found.pareto >= pareto:
                return cost
        return None


def curve(
    task: ImageTask, schedule: ScheduleSettings, epochs: int, data: TensorData, seed: int
) -> Curve:
    """Trains once."""
    settings = task.settings_of(schedule, epochs)
    spent = task.costs_by_epoch(settings, len(data.train), seed)
    looks = sorted({max(1, round(epochs * look / NUM_LOOKS)) for look in range(1, NUM_LOOKS + 1)})
    found = task.run(settings, data, seed, looks)
    return Curve(tuple(spent[epoch - 1] for epoch in found), tuple(found.values()))


def figures(curves: dict[str, list[Curve]]) -> list[Figure]:
    """Returns medians over seeds."""
    found = []
    of_reference = statistics.median(c.accuracies[-1].pareto for c in curves[REFERENCE])
    budget = curves[REFERENCE][0].costs[-1]
    for name, runs in curves.items():
        ends = [c.accuracies[-1] for c in runs]
        for part in ("smallest", "largest", "pareto"):
            value = statistics.median(getattr(end, part) for end in ends)
            found.append(Figure(f"{name}: {part}", value, "% top-1"))
        found.append(Figure(f"{name}: cost", runs[0].costs[-1] / budget, "of the reference's"))
        reached = [cost for c in runs if (cost := c.cost_to_reach(of_reference)) is not None]
        if name != REFERENCE and len(reached) > len(runs) / 2:
            goal = "<= 0.4" if name == "delayed shrinking" else None
            share = statistics.median(reached) / budget
            found.append(Figure(f"{name}: cost to reach the reference", share, "of its", goal))
    gained = statistics.median(c.accuracies[-1].pareto for c in curves["delayed shrinking"])
    difference = gained - of_reference
    found.append(Figure("delayed - progressive: pareto", difference, "points", ">= 1"))
    return found


def table_of(curves: dict[str, list[Curve]], epochs: dict[str, int]) -> Table:
    """Returns a row per run."""
    table = Table(title="per run, validation top-1 in percent", title_justify="left")
    for column in (
        "schedule",
        "epochs",
        "seed",
        "smallest",
        "largest",
        "mean Pareto",
        "on the way",
    ):
        table.add_column(column, justify="right")
    for name, runs in curves.items():
        for seed, found in enumerate(runs):
            end = found.accuracies[-1]
            way = " ".join(f"{look.pareto:.1f}" for look in found.accuracies)
            row = [f"{value:.2f}" for value in (end.smallest, end.largest, end.pareto)]
            table.add_row(name, str(epochs[name]), str(seed), *row, way)
    return table


def draw(curves: dict[str, list[Curve]], path: Path) -> None:
    """Draws mean Pareto accuracy over cost."""
    picture = Picture(figsize=(7, 4.5), layout="constrained")
    axes = picture.add_subplot()
    budget = curves[REFERENCE][0].costs[-1]
    for number, (name, runs) in enumerate(curves.items()):
        for run_number, found in enumerate(runs):
            axes.plot(
                [cost / budget for cost in found.costs],
                [look.pareto for look in found.accuracies],
                color=f"C{number}",
                marker="o",
                markersize=3,
                label=name if run_number == 0 else None,
            )
    axes.set_xlabel("cost, in those of progressive shrinking")
    axes.set_ylabel("mean Pareto validation top-1 (%)")
    axes.grid(alpha=0.3)
    axes.legend()
    picture.savefig(path)


def main() -> None:
    """Trains all and reports."""
    parser = argument_parser(__doc__)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the runs there")
    best = "cifar10" if torch.cuda.is_available() else "fashion"
    parser.add_argument("--task", choices=TASKS, default=best, help=f"{best} by default here")
    given = parser.parse_args()
    task = TASKS[given.task]
    arguments = Arguments(quick=given.quick, json_path=given.json)
    torch.set_num_threads(min(2, torch.get_num_threads()))
    data = task.load(quick=arguments.quick)
    reference_epochs = 6 if arguments.quick else task.epochs
    seeds = (0,) if arguments.quick else (0, 1, 2)
    reference = task.settings_of(SCHEDULES[REFERENCE], reference_epochs)
    budget = task.costs_by_epoch(reference, len(data.train))[-1]
    epochs = {
        name: reference_epochs
        if name == REFERENCE
        else task.epochs_of_equal_cost(schedule, budget, len(data.train))
        for name, schedule in SCHEDULES.items()
    }
    curves: dict[str, list[Curve]] = {name: [] for name in SCHEDULES}
    for seed in seeds:
        for name, schedule in SCHEDULES.items():  # interleaved
            curves[name].append(curve(task, schedule, epochs[name], data, seed))
            Console().print(f"{name}, seed {seed}: {curves[name][-1].accuracies[-1]}")
    Console().print(table_of(curves, epochs))
    if given.plot is not None:
        draw(curves, given.plot)
    report(f"Schedules at equal cost, {task.title}, medians over seeds", figures(curves), arguments)


if __name__ == "__main__":
    main()

"""Searchers on a real supernet: what each finds for as many measured networks.

Trains a supernet on Fashion-MNIST (see _image_tasks.py) with delayed shrinking. Then every searcher
maximizes validation accuracy, measured on the supernet, and minimizes multiply-accumulates, with
the same budget and seeds. The space has more than 10^8 networks, so that no front is exact: shares
are of the hypervolume of what all runs found together, from the accuracy of the smallest network
and the cost of the largest. Networks that several runs propose are measured once, which changes no
figure: an evaluation has no noise. With --quick: few images, epochs, evaluations and searchers.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args

import numpy as np
import torch
from _image_tasks import ACCURACY, FASHION, device
from harness import Figure, parse_arguments, report
from rich.console import Console
from rich.progress import track
from rich.table import Table

from search_space.outcomes import Measured
from search_space.space import Architecture
from searchers.comparison.playing import Run, play
from searchers.comparison.problems import KnownProblem
from searchers.pareto import hypervolume, non_dominated
from searchers.protocol import Objective, Problem
from searchers.settings import SearcherSettings
from supernet.base import Supernet
from supernet.data import TensorData
from supernet.evaluate import evaluate_architecture
from supernet.schedules.delayed_shrinking import DelayedShrinkingSettings
from supernet.training import train

TOP1, MACS = "top1_percent", "macs"
PROBLEM = Problem(
    FASHION.space,
    (Objective(metric=TOP1, goal="maximize"), Objective(metric=MACS, goal="minimize")),
)
SETTINGS: Mapping[str, Callable[[], Any]] = {
    one.model_fields["kind"].default: one for one in get_args(get_args(SearcherSettings)[0])
}
SEARCHERS = ("random", "nsga2", "regularized_evolution", "linas", "espalier")
QUICK_SEARCHERS = ("random", "espalier")
COUNTS = (25, 50, 75, 100)


class Evaluator:
    """Measures networks of a supernet, each once.

    Args:
        supernet: in eval mode.
        data: on its device.
    """

    def __init__(self, supernet: Supernet, data: TensorData) -> None:
        self._supernet = supernet
        self._data = data
        self._known: dict[Architecture, Measured] = {}

    @property
    def num_measured(self) -> int:
        """Networks so far."""
        return len(self._known)

    def __call__(self, architecture: Architecture) -> Measured:
        """Returns accuracy and cost."""
        if architecture not in self._known:
            _, accuracy = evaluate_architecture(self._supernet, architecture, self._data, ACCURACY)
            metrics = {TOP1: accuracy.top1_percent, MACS: float(FASHION.macs(architecture))}
            self._known[architecture] = Measured(metrics)
        return self._known[architecture]

    def losses(self, architectures: Sequence[Architecture]) -> Any:
        """Returns what is minimized, of shape (architectures, 2)."""
        return np.array([PROBLEM.losses(self(one).metrics) for one in architectures])


def trained(*, quick: bool) -> Evaluator:
    """Returns the evaluator over a supernet that was trained for it."""
    data = FASHION.load(quick=quick)
    supernet = Supernet(FASHION.family, generator=torch.Generator().manual_seed(0)).to(device())
    settings = FASHION.settings_of(
        DelayedShrinkingSettings(ramp_epochs=1), 4 if quick else FASHION.epochs
    )
    train(supernet, data, settings, seed=0)
    return Evaluator(supernet.eval(), data)


def searches(
    evaluator: Evaluator, names: Sequence[str], seeds: Sequence[int], evaluations: int
) -> dict[str, list[Run]]:
    """Lets every searcher search with every seed."""
    known = KnownProblem(PROBLEM, evaluator, None)
    runs: dict[str, list[Run]] = {name: [] for name in names}
    turns = [(seed, name) for seed in seeds for name in names]
    for seed, name in track(turns, "searching", console=Console(stderr=True)):
        searcher = SETTINGS[name]().build(PROBLEM, seed)
        runs[name].append(play(searcher, known, evaluations, time.perf_counter))
    return runs


def shares(
    evaluator: Evaluator, runs: Mapping[str, Sequence[Run]], counts: Sequence[int]
) -> dict[str, list[list[float]]]:
    """Returns for each searcher and count the share of the hypervolume of all runs, by seed."""
    space = PROBLEM.space
    found = {
        name: [
            evaluator.losses([space.decode(np.array(t.choices)) for t in run.trials]) for run in of
        ]
        for name, of in runs.items()
    }
    corner = np.max(evaluator.losses([space.smallest(), space.largest()]), axis=0)
    everything = np.concatenate([losses for of in found.values() for losses in of])
    whole = hypervolume(everything[non_dominated(everything)], corner)
    return {
        name: [[hypervolume(losses[:count], corner) / whole for losses in of] for count in counts]
        for name, of in found.items()
    }


def figures(
    found: Mapping[str, Sequence[Sequence[float]]],
    runs: Mapping[str, Sequence[Run]],
    counts: Sequence[int],
) -> Iterator[Figure]:
    """Yields medians over seeds."""
    for name, by_count in found.items():
        for count, of_seeds in zip(counts, by_count, strict=True):
            yield Figure(f"{name}: share at {count}", 100 * statistics.median(of_seeds), "%")
        seconds = statistics.median(run.searcher_seconds for run in runs[name])
        yield Figure(f"{name}: searcher", seconds, "s")


def table_of(
    found: Mapping[str, Sequence[Sequence[float]]], counts: Sequence[int], title: str
) -> Table:
    """Returns median and quartiles over seeds."""
    table = Table(title=title, title_justify="left")
    table.add_column("searcher")
    for count in counts:
        table.add_column(f"% at {count}", justify="right")
    for name, by_count in found.items():
        cells = []
        for of_seeds in by_count:
            low, middle, high = np.percentile(100 * np.array(of_seeds), [25, 50, 75])
            cells.append(f"{middle:.1f} ({low:.1f} to {high:.1f})")
        table.add_row(name, *cells)
    return table


def main() -> None:
    """Trains, searches, reports."""
    arguments = parse_arguments(__doc__)
    torch.set_num_threads(min(2, torch.get_num_threads()))
    evaluator = trained(quick=arguments.quick)
    names = QUICK_SEARCHERS if arguments.quick else SEARCHERS
    counts = COUNTS[:1] if arguments.quick else COUNTS
    runs = searches(evaluator, names, range(2 if arguments.quick else 5), counts[-1])
    found = shares(evaluator, runs, counts)
    title = f"Share of the hypervolume of all runs ({evaluator.num_measured:,} networks measured)"
    Console(width=160).print(table_of(found, counts, title))
    report("Searches on a supernet", list(figures(found, runs, counts)), arguments)


if __name__ == "__main__":
    main()

"""Is a network that was picked from a supernet as good as the same network trained alone?

On the digits data, for each of three seeds: trains a supernet with the recommended settings, lets
NSGA-II pick among 60 evaluated networks by validation accuracy and multiply-accumulates (limit:
half of the largest network's), trains the picked architecture alone for as many steps with the
same settings, and reads the test split once for each of the two. With --quick: one seed and a
sixth of the epochs, which shows that everything runs but not what it reaches.
"""

import statistics
from dataclasses import dataclass
from pathlib import Path

import torch
from harness import Figure, parse_arguments, report
from rich.console import Console
from rich.table import Table

from search_space.cnn import MobileNetV3Settings
from search_space.costs import costs
from search_space.outcomes import Measured
from search_space.space import Architecture
from searchers.front import pareto_front
from searchers.nsga2 import NSGA2Settings
from searchers.protocol import Limit, Objective, Observation, Problem
from supernet.base import Supernet
from supernet.data import TensorData
from supernet.datasets import DigitsSource, load_source
from supernet.evaluate import Accuracy, evaluate_architecture
from supernet.schedules.single import SingleSettings
from supernet.settings import AccuracySettings, TrainingSettings
from supernet.training import train

FAMILY = MobileNetV3Settings.from_preset("digits")
SPACE = FAMILY.build()
NUM_THREADS = 2
VALIDATION = AccuracySettings(split="validation")
TEST = AccuracySettings(split="test")


@dataclass(frozen=True)
class Comparison:
    """What one seed gave.

    Attributes:
        architecture: the most accurate one on the front.
        front_size: networks on the front.
        shared: its test accuracy with the supernet's weights.
        alone: its test accuracy when trained alone.
        smallest: validation accuracy of the supernet's smallest network.
        largest: validation accuracy of the supernet's largest network.
    """

    architecture: Architecture
    front_size: int
    shared: Accuracy
    alone: Accuracy
    smallest: Accuracy
    largest: Accuracy


def main() -> None:
    """Compares, and prints both tables."""
    arguments = parse_arguments(__doc__)
    torch.set_num_threads(NUM_THREADS)
    data = TensorData.from_data_set(load_source(DigitsSource(), Path()))
    settings = TrainingSettings.preset("digits")
    seeds, evaluations = (0, 1, 2), 60
    if arguments.quick:
        settings = settings.model_copy(update={"epochs": max(3, settings.epochs // 6)})
        seeds, evaluations = (0,), 20
    comparisons = [compare(data, settings, seed, evaluations) for seed in seeds]
    Console().print(table_of(comparisons))
    report("Digits: picked from a supernet against trained alone", figures(comparisons), arguments)


def compare(
    data: TensorData, settings: TrainingSettings, seed: int, evaluations: int
) -> Comparison:
    """Trains, picks, trains alone, and reads the test split for both."""
    supernet = Supernet(FAMILY, generator=torch.Generator().manual_seed(seed))
    train(supernet, data, settings, seed=seed)
    supernet.eval()
    picked, front_size = pick(supernet, data, seed, evaluations)
    alone = trained_alone(picked, data, settings, seed)
    return Comparison(
        architecture=picked,
        front_size=front_size,
        shared=evaluate_architecture(supernet, picked, data, TEST)[1],
        alone=evaluate_architecture(alone, alone.space.largest(), data, TEST)[1],
        smallest=evaluate_architecture(supernet, SPACE.smallest(), data, VALIDATION)[1],
        largest=evaluate_architecture(supernet, SPACE.largest(), data, VALIDATION)[1],
    )


def pick(
    supernet: Supernet, data: TensorData, seed: int, evaluations: int
) -> tuple[Architecture, int]:
    """Returns the most accurate network that a search finds, and the size of its front."""
    limit = costs(FAMILY.lower(SPACE.largest())).macs / 2
    problem = Problem(
        SPACE,
        (Objective(metric="top1_percent"), Objective(metric="macs")),
        (Limit(metric="macs", upper=limit),),
    )
    searcher = NSGA2Settings().build(problem, seed)
    found: list[tuple[Architecture, dict[str, float]]] = []
    while len(found) < evaluations:
        observations = []
        for proposal in searcher.ask(min(searcher.batch_size, evaluations - len(found))):
            _, accuracy = evaluate_architecture(supernet, proposal.architecture, data, VALIDATION)
            macs = costs(FAMILY.lower(proposal.architecture)).macs
            metrics = {"top1_percent": accuracy.top1_percent, "macs": float(macs)}
            observations.append(Observation(proposal, Measured(metrics)))
            found.append((proposal.architecture, metrics))
        searcher.tell(observations)
    front = pareto_front(problem, [metrics for _, metrics in found])
    assert front.feasible, f"none of {evaluations} networks keeps {limit:.0f} macs"
    return found[front.points[0]][0], len(front.points)


def trained_alone(
    architecture: Architecture, data: TensorData, settings: TrainingSettings, seed: int
) -> Supernet:
    """Returns the architecture trained alone: a supernet of one network, for as many steps."""
    allowed = {name: (option,) for name, option in architecture.items()}
    alone = Supernet(FAMILY, allowed=allowed, generator=torch.Generator().manual_seed(seed))
    single = SingleSettings(architecture=dict(architecture))
    train(alone, data, settings.model_copy(update={"schedule": single}), seed=seed)
    return alone.eval()


def table_of(comparisons: list[Comparison]) -> Table:
    """Returns a row per seed."""
    table = Table(title="per seed", title_justify="left")
    for column in ("seed", "architecture", "kMACs", "front", "shared test", "alone test"):
        table.add_column(column, justify="right")
    for seed, comparison in enumerate(comparisons):
        table.add_row(
            str(seed),
            comparison.architecture.digest,
            f"{costs(FAMILY.lower(comparison.architecture)).macs / 1e3:,.0f}",
            str(comparison.front_size),
            *(with_interval(accuracy) for accuracy in (comparison.shared, comparison.alone)),
        )
    return table


def with_interval(accuracy: Accuracy) -> str:
    """Returns an accuracy with its 95 % interval."""
    low, high = accuracy.interval_percent
    return f"{accuracy.top1_percent:.2f} ({low:.1f} to {high:.1f})"


def figures(comparisons: list[Comparison]) -> list[Figure]:
    """Returns the medians over seeds."""

    def median(values: list[float]) -> float:
        return statistics.median(values)

    shared = median([c.shared.top1_percent for c in comparisons])
    difference = median([c.shared.top1_percent - c.alone.top1_percent for c in comparisons])
    return [
        Figure("picked: test top-1", shared, "%", ">= 98"),
        Figure("alone: test top-1", median([c.alone.top1_percent for c in comparisons]), "%"),
        Figure("picked minus alone", difference, "points", ">= -1"),
        Figure("front", median([float(c.front_size) for c in comparisons]), "networks"),
        Figure(
            "smallest: validation top-1",
            median([c.smallest.top1_percent for c in comparisons]),
            "%",
        ),
        Figure(
            "largest: validation top-1", median([c.largest.top1_percent for c in comparisons]), "%"
        ),
    ]


if __name__ == "__main__":
    main()

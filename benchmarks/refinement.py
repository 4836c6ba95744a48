"""What refining the best of a supernet is worth: fine-tuning, distillation, soups.

On Fashion-MNIST (see _image_tasks.py), for each of three seeds: trains a supernet with the sandwich
rule, takes the best of a front of sampled networks within half of the largest one's
multiply-accumulates (by validation accuracy), and fine-tunes each several times as the service
does by default, with and without distillation from the supernet's largest network; the runs of one
network make a greedy soup. Baseline: the sub-network as it comes out of the supernet. Choices are
made on validation images; what is reported is top-1 on 5,000 others, by which nothing was chosen.
With --quick: one seed, 1,000 training images, few epochs: it shows that everything runs, not what
is reached.
"""

import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from _image_tasks import ACCURACY, FASHION, device
from harness import Figure, parse_arguments, report
from rich.console import Console
from rich.table import Table

from search_space.space import Architecture
from searchers.front import pareto_front
from searchers.protocol import Objective, Problem
from server.training_alone import FINE_TUNING
from supernet.base import Supernet
from supernet.checkpoints import save_supernet
from supernet.data import TensorData
from supernet.evaluate import evaluate_architecture
from supernet.schedules.sandwich import SandwichSettings
from supernet.schedules.single import SingleSettings
from supernet.settings import AccuracySettings, TrainingSettings
from supernet.soups import State, greedy_soup
from supernet.starting import FromSupernet
from supernet.teachers import Teacher, largest_as_teacher
from supernet.training import train

TEST = ACCURACY.model_copy(update={"split": "test"})
MODES = {"fine-tuned": 0.0, "distilled": 1.0}
"""Weight of the loss against the largest network's outputs."""


@dataclass(frozen=True)
class Extent:
    """How much is done.

    Attributes:
        seeds: of supernets.
        epochs: of each supernet.
        fine_tuning_epochs: of each run.
        count: networks of each front.
        runs: fine-tunings of each network in each mode.
        sampled: networks that the front is made of.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 8
    fine_tuning_epochs: int = FINE_TUNING["epochs"]
    count: int = 2
    runs: int = 2
    sampled: int = 24


QUICK = Extent(seeds=(0,), epochs=3, fine_tuning_epochs=1, count=1, sampled=6)


@dataclass(frozen=True)
class Refined:
    """Test accuracies of one network, in percent.

    Attributes:
        seed: of its supernet.
        macs: of one forward pass.
        before: with the supernet's weights.
        runs: of each fine-tuning, by mode.
        soups: of the greedy soup of those, by mode.
    """

    seed: int
    macs: int
    before: float
    runs: Mapping[str, tuple[float, ...]]
    soups: Mapping[str, float]

    def gain(self, mode: str) -> float:
        """Returns how much better a run is, on average."""
        return statistics.mean(self.runs[mode]) - self.before

    def soup_gain(self, mode: str) -> float:
        """Returns how much better the soup is than a run, on average."""
        return self.soups[mode] - statistics.mean(self.runs[mode])


def best_of_sample(supernet: Supernet, data: TensorData, extent: Extent) -> list[Architecture]:
    """Returns the most accurate of a front, within half of the largest network's MACs."""
    rows = FASHION.space.sample(400, np.random.default_rng(0))
    drawn = [FASHION.space.smallest(), *map(FASHION.space.decode, rows)]
    limit = FASHION.macs(FASHION.space.largest()) / 2
    sample = [architecture for architecture in drawn if FASHION.macs(architecture) <= limit]
    sample = sample[: extent.sampled]
    problem = Problem(FASHION.space, (Objective(metric="top1_percent"), Objective(metric="macs")))
    found = [
        {
            "top1_percent": evaluate_architecture(supernet, a, data, ACCURACY)[1].top1_percent,
            "macs": float(FASHION.macs(a)),
        }
        for a in sample
    ]
    points = pareto_front(problem, found).points
    ordered = sorted(points, key=lambda number: -found[number]["top1_percent"])
    return [sample[number] for number in ordered[: extent.count]]


def only(architecture: Architecture) -> dict[str, list[int | float | str]]:
    """Returns the restriction of the space to one network."""
    return {choice: [option] for choice, option in architecture.items()}


def fine_tuned(
    path: Path,
    architecture: Architecture,
    data: TensorData,
    settings: TrainingSettings,
    teacher: Teacher | None,
    seed: int,
) -> State:
    """Returns the weights of one run that starts from a supernet's file."""
    network = Supernet(FASHION.family, allowed=only(architecture)).to(device())
    FromSupernet(path, architecture).apply(network)
    train(network, data, settings, seed=seed, teacher=teacher)
    return network.state_dict()


def refine(
    path: Path,
    before: float,
    architecture: Architecture,
    data: TensorData,
    seed: int,
    extent: Extent,
) -> Refined:
    """Fine-tunes one network in every mode, several times."""
    pot = Supernet(FASHION.family, allowed=only(architecture)).to(device()).eval()

    def num_correct(state: State, settings: AccuracySettings = ACCURACY) -> int:
        pot.load_state_dict(dict(state))
        return evaluate_architecture(pot, architecture, data, settings)[1].num_correct

    def top1(state: State) -> float:
        return 100 * num_correct(state, TEST) / len(data.test)

    teacher = largest_as_teacher(path, data, ACCURACY)
    runs, soups = {}, {}
    for mode, distillation in MODES.items():
        schedule = SingleSettings(architecture=dict(architecture), distillation=distillation)
        settings = FASHION.settings_of(schedule, extent.fine_tuning_epochs)
        changes = {**FINE_TUNING, "epochs": extent.fine_tuning_epochs}
        settings = settings.model_copy(update=changes)
        states = [
            fine_tuned(path, architecture, data, settings, teacher, 100 * seed + run)
            for run in range(extent.runs)
        ]
        runs[mode] = tuple(map(top1, states))
        soups[mode] = top1(greedy_soup(states, num_correct).state)
    return Refined(seed, FASHION.macs(architecture), before, runs, soups)


def refined_of(seed: int, data: TensorData, extent: Extent, folder: Path) -> list[Refined]:
    """Trains one supernet and refines the best of its networks."""
    supernet = Supernet(FASHION.family, generator=torch.Generator().manual_seed(seed)).to(device())
    train(supernet, data, FASHION.settings_of(SandwichSettings(), extent.epochs), seed=seed)
    supernet.eval()
    path = folder / f"seed{seed}.safetensors"
    save_supernet(path, supernet)
    found = []
    for architecture in best_of_sample(supernet, data, extent):
        before = evaluate_architecture(supernet, architecture, data, TEST)[1].top1_percent
        found.append(refine(path, before, architecture, data, seed, extent))
    return found


def figures(found: list[Refined]) -> list[Figure]:
    """Returns medians over all networks of all seeds."""

    def median(values: list[float]) -> float:
        return statistics.median(values)

    listed = [Figure("sub-network", median([one.before for one in found]), "% top-1")]
    for mode in MODES:
        runs = [statistics.mean(one.runs[mode]) for one in found]
        listed += [
            Figure(mode, median(runs), "% top-1"),
            Figure(f"{mode}, soup", median([one.soups[mode] for one in found]), "% top-1"),
            Figure(f"{mode} - sub-network", median([o.gain(mode) for o in found]), "points", "> 0"),
            Figure(f"{mode}: soup - run", median([o.soup_gain(mode) for o in found]), "points"),
        ]
    distilled, plain = (statistics.median(o.gain(mode) for o in found) for mode in reversed(MODES))
    listed.append(Figure("distilled - fine-tuned", distilled - plain, "points", ">= 0"))
    return listed


def table_of(found: list[Refined], num_images: int) -> Table:
    """Returns a row per network."""
    title = f"test top-1 in percent, {num_images:,} images"
    table = Table(title=title, title_justify="left")
    for column in ("seed", "kMACs", "sub-network"):
        table.add_column(column, justify="right")
    for mode in MODES:
        table.add_column(mode, justify="right")
        table.add_column(f"{mode}, soup", justify="right")
    for one in found:
        cells = [str(one.seed), f"{one.macs / 1000:.0f}", f"{one.before:.2f}"]
        for mode in MODES:
            cells += [" ".join(f"{top1:.2f}" for top1 in one.runs[mode]), f"{one.soups[mode]:.2f}"]
        table.add_row(*cells)
    return table


def main() -> None:
    """Trains, refines, reports."""
    arguments = parse_arguments(__doc__)
    torch.set_num_threads(min(2, torch.get_num_threads()))
    extent = QUICK if arguments.quick else Extent()
    data = FASHION.load(quick=arguments.quick)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in extent.seeds:
            found += refined_of(seed, data, extent, Path(folder))
            Console().print(table_of(found, len(data.test)))  # as it grows: a full run takes long
    report("Refining the best of a supernet", figures(found), arguments)


if __name__ == "__main__":
    main()

"""What the benchmarks on Fashion-MNIST share: the images, a small space, runs of equal cost.

The images come from `fashion_mnist.npz` in the folder that the environment variable
ESPALIER_BENCH_DATA names (arrays x_train, y_train; MIT licence, Xiao et al. 2017, arXiv
1708.07747). Weights see 10,000 of the published training images, choices 5,000 others, and what is
finally reported, where that is not the choice itself, 5,000 more; the published test images are
not read.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from search_space.cnn import MobileNetV3Settings
from search_space.costs import costs
from search_space.space import Architecture
from supernet.base import Supernet
from supernet.data import TensorData
from supernet.datasets import DataSet, Split, stratified_split
from supernet.evaluate import evaluate_architecture
from supernet.reports import EpochReport
from supernet.schedules.base import Schedule
from supernet.schedules.settings import ScheduleSettings
from supernet.settings import AccuracySettings, AugmentationSettings, TrainingSettings
from supernet.training import train

FAMILY = MobileNetV3Settings.from_preset("digits", resolutions=[16], stem_stride=2)
SPACE = FAMILY.build()
ACCURACY = AccuracySettings(calibration_images=512)
NUM_SAMPLED = 8
MOST_PHASES = 6
"""Epochs that every schedule can be built for."""

PASSES_OF_TRAINING = 3
"""A forward and a backward pass cost three forward passes."""


def load(num_train: int = 10_000, num_validation: int = 5_000) -> TensorData:
    """Returns the images; ends the program with an explanation where they are not there."""
    folder = os.environ.get("ESPALIER_BENCH_DATA", "")
    path = Path(folder) / "fashion_mnist.npz"
    if not folder or not path.is_file():
        print(
            "skipped: needs fashion_mnist.npz (arrays x_train and y_train of Fashion-MNIST) in the "
            f"folder named by ESPALIER_BENCH_DATA, got {folder!r}"
        )
        sys.exit(0)
    with np.load(path, allow_pickle=False) as arrays:
        images, labels = arrays["x_train"][:, None], arrays["y_train"].astype(np.int64)
    rest = len(labels) - num_train - 2 * num_validation
    parts = stratified_split(labels, (num_train, num_validation, num_validation, rest), seed=0)
    splits = [Split(images[part], labels[part]) for part in parts[:3]]
    pixels = splits[0].images / 255
    return TensorData.from_data_set(
        DataSet(*splits, 10, (float(pixels.mean()),), (float(pixels.std()),))
    )


@lru_cache(maxsize=100_000)
def macs(architecture: Architecture) -> int:
    """Returns the multiply-accumulates of one forward pass of one image."""
    return costs(FAMILY.lower(architecture)).macs


def settings_of(schedule: ScheduleSettings, epochs: int) -> TrainingSettings:
    """Returns the one recipe that all schedules are trained with."""
    return TrainingSettings(
        epochs=epochs,
        batch_size=128,
        learning_rate=0.2,
        warmup_epochs=1,
        weight_decay=1e-4,
        augmentation=AugmentationSettings(flip=True),
        schedule=schedule,
        checkpoint_every_epochs=100_000,
    )


def costs_by_epoch(settings: TrainingSettings, num_images: int, seed: int = 0) -> list[float]:
    """Returns the cost of a training up to the end of each epoch, in MACs, without training.

    What a step does is a function of its number, so its cost can be counted beforehand. Every
    sub-network counts three times its forward pass for each image, a teacher once.
    """
    schedule: Schedule = settings.build_schedule(FAMILY, SPACE, num_images, 1)
    teacher = macs(SPACE.largest())
    found, total = [], 0.0
    for number in range(schedule.horizon.num_steps):
        step = schedule.step(number, np.random.default_rng([seed, number]))
        passes = PASSES_OF_TRAINING * sum(macs(subnet.architecture) for subnet in step.subnets)
        targets = {loss.targets for subnet in step.subnets for loss in subnet.losses}
        total += settings.batch_size * (passes + (teacher if "teacher" in targets else 0))
        if (number + 1) % schedule.horizon.steps_per_epoch == 0:
            found.append(total)
    return found


def epochs_of_equal_cost(schedule: ScheduleSettings, budget: float, num_images: int) -> int:
    """Returns the number of epochs whose cost is nearest to a budget in MACs."""

    def total(epochs: int) -> float:
        return costs_by_epoch(settings_of(schedule, epochs), num_images)[-1]

    guess = MOST_PHASES
    for _ in range(2):  # nearly in proportion: the second guess is at most one off
        guess = max(MOST_PHASES, round(guess * budget / total(guess)))
    near = range(max(MOST_PHASES, guess - 1), guess + 2)
    return min(near, key=lambda epochs: abs(total(epochs) - budget))


def sampled_architectures() -> list[Architecture]:
    """Returns the same architectures for every run: evenly spaced in MACs among 400 random ones."""
    drawn = [SPACE.decode(row) for row in SPACE.sample(400, np.random.default_rng(0))]
    drawn.sort(key=macs)
    positions = np.linspace(0, len(drawn) - 1, NUM_SAMPLED - 2).round().astype(int)
    return [SPACE.smallest(), *(drawn[position] for position in positions), SPACE.largest()]


@dataclass(frozen=True)
class Accuracies:
    """Validation accuracies of a supernet, in percent.

    Attributes:
        smallest: of the smallest network.
        largest: of the largest network.
        pareto: mean over those of the sampled networks that no other one beats in both accuracy and
            multiply-accumulates.
    """

    smallest: float
    largest: float
    pareto: float


def accuracies(supernet: Supernet, data: TensorData) -> Accuracies:
    """Evaluates the sampled networks."""
    found: list[float] = []
    for architecture in sampled_architectures():
        _, accuracy = evaluate_architecture(supernet, architecture, data, ACCURACY)
        found.append(accuracy.top1_percent)
    best_so_far, front = -1.0, []
    for top1 in found:  # in ascending order of MACs
        if top1 > best_so_far:
            best_so_far = top1
            front.append(top1)
    return Accuracies(found[0], found[-1], float(np.mean(front)))


def run(
    settings: TrainingSettings,
    data: TensorData,
    seed: int,
    at_epochs: Sequence[int],
    watch: Callable[[int, Accuracies], None] = lambda *_: None,
) -> dict[int, Accuracies]:
    """Trains a supernet; returns its accuracies after some of the epochs.

    Args:
        settings: of the training.
        data: the images.
        seed: of weights, order, augmentation and schedule.
        at_epochs: after which epochs to evaluate; the last one is always evaluated.
        watch: called with each result as it comes.
    """
    supernet = Supernet(FAMILY, generator=torch.Generator().manual_seed(seed))
    found: dict[int, Accuracies] = {}

    def note(report: EpochReport) -> None:
        if report.epoch in at_epochs or report.epoch == settings.epochs:
            found[report.epoch] = accuracies(supernet, data)
            watch(report.epoch, found[report.epoch])
            supernet.train()

    train(supernet, data, settings, seed=seed, report=note)
    return found

"""What the benchmarks of trainings share: images, a space, runs of equal cost.

The images come from files in the folder that the environment variable ESPALIER_BENCH_DATA names:
`fashion_mnist.npz` (arrays x_train, y_train; MIT licence, Xiao et al. 2017, arXiv 1708.07747) and
`cifar10_jpeg.npz` (arrays jpeg, offsets, labels, the first 50,000 images being those of training;
Krizhevsky 2009). Weights see one part of the published training images, choices another, and what
is finally reported, where that is not the choice itself, a third; the published test images are
not read.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from search_space.cnn import MobileNetV3Settings
from search_space.costs import costs
from search_space.space import Architecture, SearchSpace
from supernet.base import Supernet
from supernet.data import TensorData
from supernet.datasets import ArraysSource, DataSet, Places, Split, load_source, stratified_split
from supernet.evaluate import evaluate_architecture
from supernet.reports import EpochReport
from supernet.schedules.base import Schedule
from supernet.schedules.settings import ScheduleSettings
from supernet.settings import AccuracySettings, AugmentationSettings, TrainingSettings
from supernet.training import train

ACCURACY = AccuracySettings(calibration_images=512)
NUM_SAMPLED = 8
MOST_PHASES = 6
"""Epochs that every schedule can be built for."""

PASSES_OF_TRAINING = 3
"""A forward and a backward pass cost three forward passes."""

Images = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
"""Of shape (count, channels, height, width), and their labels."""


def device() -> torch.device:
    """Returns where supernets are trained: on a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


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


@dataclass(frozen=True)
class ImageTask:
    """Images to learn and a family of networks that shall.

    Attributes:
        title: what people call the images.
        family: the networks.
        epochs: of the training that others are measured by.
        num_train: images that the weights see.
        num_validation: images for choices, and as many for the report.
        recipe: settings of every training.
        file_name: of the images.
        arrays: what that file must hold, for people.
        read: reads the published training images.
    """

    title: str
    family: MobileNetV3Settings
    epochs: int
    num_train: int
    num_validation: int
    recipe: TrainingSettings
    file_name: str
    arrays: str
    read: Callable[[Path], Images]
    _macs: dict[Architecture, int] = field(default_factory=dict, compare=False)

    @cached_property
    def space(self) -> SearchSpace:
        """What is searched."""
        return self.family.build()

    def load(self, *, quick: bool = False) -> TensorData:
        """Returns the images, 1,000 for the weights if it shall be quick.

        Ends the program with an explanation where they are not there.
        """
        folder = os.environ.get("ESPALIER_BENCH_DATA", "")
        path = Path(folder) / self.file_name
        if not folder or not path.is_file():
            print(
                f"skipped: needs {self.file_name} ({self.arrays} of {self.title}) in the folder "
                f"named by ESPALIER_BENCH_DATA, got {folder!r}"
            )
            sys.exit(0)
        images, labels = self.read(path)
        num_train, num_validation = (1_000, 500) if quick else (self.num_train, self.num_validation)
        rest = len(labels) - num_train - 2 * num_validation
        counts = (num_train, num_validation, num_validation, rest)
        parts = stratified_split(labels, counts, seed=0)[:3]
        splits = [Split(images[part], labels[part]) for part in parts]
        pixels = splits[0].images / 255
        mean, std = pixels.mean(axis=(0, 2, 3)), pixels.std(axis=(0, 2, 3))
        data = DataSet(*splits, 10, tuple(map(float, mean)), tuple(map(float, std)))
        return TensorData.from_data_set(data).to(device())

    def macs(self, architecture: Architecture) -> int:
        """Returns the multiply-accumulates of one forward pass of one image."""
        if architecture not in self._macs:
            self._macs[architecture] = costs(self.family.lower(architecture)).macs
        return self._macs[architecture]

    def settings_of(self, schedule: ScheduleSettings, epochs: int) -> TrainingSettings:
        """Returns the one recipe that all schedules are trained with."""
        return self.recipe.model_copy(update={"schedule": schedule, "epochs": epochs})

    def costs_by_epoch(
        self, settings: TrainingSettings, num_images: int, seed: int = 0
    ) -> list[float]:
        """Returns the cost of a training up to the end of each epoch, in MACs, without training.

        What a step does is a function of its number, so its cost can be counted beforehand. Every
        sub-network counts three times its forward pass for each image, a teacher once.
        """
        schedule: Schedule = settings.build_schedule(self.family, self.space, num_images, 1)
        teacher = self.macs(self.space.largest())
        found, total = [], 0.0
        for number in range(schedule.horizon.num_steps):
            step = schedule.step(number, np.random.default_rng([seed, number]))
            passes = PASSES_OF_TRAINING * sum(self.macs(s.architecture) for s in step.subnets)
            targets = {loss.targets for subnet in step.subnets for loss in subnet.losses}
            total += settings.batch_size * (passes + (teacher if "teacher" in targets else 0))
            if (number + 1) % schedule.horizon.steps_per_epoch == 0:
                found.append(total)
        return found

    def epochs_of_equal_cost(
        self, schedule: ScheduleSettings, budget: float, num_images: int
    ) -> int:
        """Returns the number of epochs whose cost is nearest to a budget in MACs."""

        def total(epochs: int) -> float:
            return self.costs_by_epoch(self.settings_of(schedule, epochs), num_images)[-1]

        guess = MOST_PHASES
        for _ in range(2):  # nearly in proportion: the second guess is at most one off
            guess = max(MOST_PHASES, round(guess * budget / total(guess)))
        near = range(max(MOST_PHASES, guess - 1), guess + 2)
        return min(near, key=lambda epochs: abs(total(epochs) - budget))

    def sampled_architectures(self) -> list[Architecture]:
        """Returns the same ones for every run: evenly spaced in MACs among 400 random ones."""
        space = self.space
        drawn = [space.decode(row) for row in space.sample(400, np.random.default_rng(0))]
        drawn.sort(key=self.macs)
        positions = np.linspace(0, len(drawn) - 1, NUM_SAMPLED - 2).round().astype(int)
        return [space.smallest(), *(drawn[position] for position in positions), space.largest()]

    def accuracies(self, supernet: Supernet, data: TensorData) -> Accuracies:
        """Evaluates the sampled networks."""
        found: list[float] = []
        for architecture in self.sampled_architectures():
            _, accuracy = evaluate_architecture(supernet, architecture, data, ACCURACY)
            found.append(accuracy.top1_percent)
        best_so_far, front = -1.0, []
        for top1 in found:  # in ascending order of MACs
            if top1 > best_so_far:
                best_so_far = top1
                front.append(top1)
        return Accuracies(found[0], found[-1], float(np.mean(front)))

    def run(
        self,
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
        generator = torch.Generator().manual_seed(seed)
        supernet = Supernet(self.family, generator=generator).to(device())
        found: dict[int, Accuracies] = {}

        def note(report: EpochReport) -> None:
            if report.epoch in at_epochs or report.epoch == settings.epochs:
                found[report.epoch] = self.accuracies(supernet, data)
                watch(report.epoch, found[report.epoch])
                supernet.train()

        train(supernet, data, settings, seed=seed, report=note)
        return found


def _recipe(**given: Any) -> TrainingSettings:
    """Returns a recipe that keeps no checkpoints but the last."""
    fixed: dict[str, Any] = {"weight_decay": 1e-4, "checkpoint_every_epochs": 100_000}
    return TrainingSettings.model_validate(fixed | given)


def _read_fashion(path: Path) -> Images:
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["x_train"][:, None], arrays["y_train"].astype(np.int64)


def _read_cifar10(path: Path) -> Images:
    loaded = load_source(ArraysSource(path=path.name, validation_fraction=0.1), Places(path.parent))
    parts = (loaded.train, loaded.validation)
    return (
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


FASHION = ImageTask(
    title="Fashion-MNIST",
    family=MobileNetV3Settings.from_preset("digits", resolutions=[16], stem_stride=2),
    epochs=12,
    num_train=10_000,
    num_validation=5_000,
    recipe=_recipe(
        batch_size=128,
        learning_rate=0.2,
        warmup_epochs=1,
        augmentation=AugmentationSettings(flip=True),
    ),
    file_name="fashion_mnist.npz",
    arrays="arrays x_train and y_train",
    read=_read_fashion,
)
"""Small enough that a training takes minutes on two cores."""

CIFAR10 = ImageTask(
    title="CIFAR-10",
    family=MobileNetV3Settings.from_preset("cifar"),
    epochs=60,
    num_train=40_000,
    num_validation=5_000,
    recipe=_recipe(
        batch_size=256,
        learning_rate=0.2,
        warmup_epochs=2,
        augmentation=AugmentationSettings(flip=True, crop_padding=4),
    ),
    file_name="cifar10_jpeg.npz",
    arrays="arrays jpeg, offsets, labels and n_train",
    read=_read_cifar10,
)
"""At full size, for a GPU."""

TASKS = {"fashion": FASHION, "cifar10": CIFAR10}

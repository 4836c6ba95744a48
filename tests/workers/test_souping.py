"""Runs of one architecture: blended, evaluated by the file, trained towards a teacher."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from search_space.cnn import MobileNetV3Settings
from search_space.outcomes import Measured
from search_space.space import Architecture
from supernet.base import Supernet
from supernet.checkpoints import load_supernet, save_supernet
from supernet.data import TensorData
from supernet.datasets import DigitsSource, load_source, write_data_set
from supernet.errors import InvalidStartError
from supernet.evaluate import evaluate_architecture
from supernet.files import sha256_of
from supernet.schedules.single import SingleSettings
from supernet.settings import AccuracySettings, TrainingSettings
from supernet.soups import average
from supernet.starting import FromSupernet
from supernet.training import train
from workers.evaluation import NetworksEvaluatorSpec
from workers.pools import LocalPool
from workers.protocol import EvaluationTask
from workers.souping import SoupJob, make_soup

NETWORK = MobileNetV3Settings.from_preset(
    "digits",
    resolutions=(8, 12),
    stages=(
        {"widths": (8, 12), "depths": (1, 2), "kernel_sizes": (3, 5), "expand_ratios": (1, 2)},
    ),
    head_width=32,
    final_expand_width=32,
)
ACCURACY = AccuracySettings(calibration_images=100)
SMALL: Architecture = NETWORK.build().smallest()


@dataclass(frozen=True)
class Runs:
    """A supernet, and fine-tuned runs of its smallest network."""

    folder: Path
    data_path: Path
    supernet_path: Path
    paths: tuple[Path, ...]


def fresh_small() -> Supernet:
    return Supernet(NETWORK, allowed={name: (value,) for name, value in SMALL.items()})


def settings(epochs: int = 1, distillation: float = 0.0) -> TrainingSettings:
    schedule = SingleSettings(architecture=dict(SMALL), distillation=distillation)
    return TrainingSettings(
        epochs=epochs, batch_size=100, learning_rate=0.02, warmup_epochs=0, schedule=schedule
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("runs")
    data_path, supernet_path = folder / "digits.safetensors", folder / "supernet.safetensors"
    write_data_set(load_source(DigitsSource(), folder), data_path)
    data = TensorData.from_file(data_path)
    supernet = Supernet(NETWORK, generator=torch.Generator().manual_seed(3))
    train(supernet, data, TrainingSettings(epochs=2, batch_size=100), seed=0)
    save_supernet(supernet_path, supernet)
    paths = []
    for seed in range(3):
        run = fresh_small()
        FromSupernet(supernet_path, SMALL).apply(run)
        train(run, data, settings(), seed=seed)
        save_supernet(folder / f"run{seed}.safetensors", run)
        paths.append(folder / f"run{seed}.safetensors")
    return Runs(folder, data_path, supernet_path, tuple(paths))


def num_correct(path: Path, data: TensorData) -> int:
    supernet = load_supernet(path)
    return evaluate_architecture(supernet, SMALL, data, ACCURACY)[1].num_correct


def test_a_network_starts_as_the_slice_of_its_supernet(runs: Runs) -> None:
    source, started = load_supernet(runs.supernet_path), fresh_small()
    FromSupernet(runs.supernet_path, SMALL).apply(started)
    x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(started.eval()(x, SMALL), source(x, SMALL), atol=1e-5)


def test_a_start_that_does_not_fit_is_refused(runs: Runs) -> None:
    with pytest.raises(InvalidStartError, match="must be"):
        FromSupernet(runs.supernet_path, SMALL).apply(Supernet(NETWORK))
    with pytest.raises(InvalidStartError, match="must be a stored supernet"):
        FromSupernet(runs.data_path, SMALL).apply(fresh_small())


def test_a_soup_is_at_least_as_good_as_its_best_run(runs: Runs) -> None:
    target = runs.folder / "soup.safetensors"
    soup = make_soup(SoupJob(runs.paths, runs.data_path, ACCURACY, target))
    data = TensorData.from_file(runs.data_path)
    scores = [num_correct(path, data) for path in runs.paths]
    found = num_correct(target, data)
    assert found >= max(scores)
    assert scores[soup.members[0]] == max(scores)
    assert soup.top1_percent == pytest.approx(100 * found / 397)
    assert soup.provenance["supernet_version"] == sha256_of(target)
    members = [load_supernet(runs.paths[member]).state_dict() for member in soup.members]
    stored = load_supernet(target).state_dict()
    for name, tensor in average(members).items():
        assert torch.equal(stored[name], tensor), name


def test_a_soup_of_one_run_is_that_run(runs: Runs) -> None:
    target = runs.folder / "one.safetensors"
    soup = make_soup(SoupJob(runs.paths[:1], runs.data_path, ACCURACY, target))
    assert soup.members == (0,)
    assert sha256_of(target) == sha256_of(runs.paths[0])


def test_each_task_is_evaluated_with_the_file_of_its_number(runs: Runs) -> None:
    supernet = runs.supernet_path
    paths = {0: supernet, 1: runs.paths[0], 2: runs.data_path, 3: supernet}
    tasks = [EvaluationTask(number, dict(SMALL)) for number in paths]
    spec = NetworksEvaluatorSpec(paths, runs.data_path, ACCURACY, memory_bytes=2**24)
    with LocalPool(spec) as pool:
        pool.submit(tasks[:2] + tasks[3:])
        results = pool.collect(1)
        pool.submit(tasks)
        *again, broken, last = pool.collect(1)  # one by one: a file cannot be used
    assert [result.outcome for result in results] == [one.outcome for one in (*again, last)]
    assert [report and report.networks for report in (one.report for one in results)] == [
        None,
        1,
        2,
    ]
    data = TensorData.from_file(runs.data_path)
    for result in results:
        assert isinstance(result.outcome, Measured)
        how = result.outcome.provenance["top1_percent"]
        assert how["supernet_version"] == sha256_of(paths[result.number])
        assert how["num_correct"] == num_correct(paths[result.number], data)
    assert "must be a stored supernet" in str(broken.outcome)

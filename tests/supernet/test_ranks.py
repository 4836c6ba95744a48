"""Several ranks train as one."""

import ast
import subprocess
import sys
import threading
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from supernet_examples import SETTINGS, VIT, few_digits
from train_rank import RANKS_TRAINING, train_as_rank

from search_space.family import NetworkSettings
from supernet.base import Supernet
from supernet.checkpoints import load_supernet
from supernet.reports import EpochReport
from supernet.schedules.delayed_shrinking import DelayedShrinkingSettings
from supernet.schedules.progressive_shrinking import PhaseSettings, ProgressiveShrinkingSettings
from supernet.settings import TrainingSettings
from supernet.training import train

DATA = few_digits(40)
ONE_RESOLUTION_VIT = VIT.model_copy(update={"resolutions": (16,)})
TRAINING = TrainingSettings(
    epochs=4, batch_size=16, augmentation={"crop_padding": 1}, warmup_epochs=0.5
)
SHRINKING = DelayedShrinkingSettings(start=0.5, ramp_epochs=1)
PHASES = ProgressiveShrinkingSettings(
    phases=(
        PhaseSettings(name="largest", share=2),
        PhaseSettings(
            name="all",
            share=2,
            admitted={"kernel_size": 3, "depth": 2, "expand_ratio": 2, "width": 2},
            num_subnets=2,
            sort_channels=True,
        ),
    )
)


def run_ranks(folder: Path) -> tuple[list[Supernet], list[Any]]:
    """Trains in two processes, of which this is one, as `train_rank.py` says."""
    script = Path(__file__).with_name("train_rank.py")
    rendezvous, result = folder / "rendezvous", folder / "result"
    command = [sys.executable, *map(str, (script, 1, rendezvous, result))]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        supernet, reports = train_as_rank(0, rendezvous)
        printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    others = ast.literal_eval(printed.splitlines()[-1])
    return [supernet, load_supernet(result)], [list(map(astuple, reports)), others]


@pytest.mark.slow
def test_two_processes_sum_to_the_gradient_of_one(tmp_path: Path) -> None:
    """With frozen batch norms: others normalize each rank's share by itself."""
    (first, second), reports = run_ranks(tmp_path)
    alone, expected = Supernet(SETTINGS), list[EpochReport]()
    train(alone, few_digits(24), RANKS_TRAINING, seed=0, report=expected.append)
    for (name, ours), theirs in zip(first.named_parameters(), second.parameters(), strict=True):
        assert torch.equal(ours, theirs), name
        torch.testing.assert_close(ours, alone.get_parameter(name), rtol=1e-4, atol=1e-5, msg=name)
    assert reports[0] == reports[1]
    for found, wanted in zip(reports[0], map(astuple, expected), strict=True):
        for ours, theirs in zip(found, wanted, strict=True):
            assert ours == (theirs if isinstance(theirs, str) else pytest.approx(theirs, rel=1e-4))


@dataclass
class ThreadGroup:
    """Ranks as threads of this process; what `torch.distributed` is between processes."""

    rank: int
    barrier: threading.Barrier
    slots: list[torch.Tensor]
    world_size: int = 2

    def sum(self, tensor: torch.Tensor) -> None:
        self.slots[self.rank] = tensor.clone()
        self.barrier.wait()
        tensor.copy_(self.slots[0] + self.slots[1])
        self.barrier.wait()


def in_two_threads(
    network: NetworkSettings = SETTINGS, training: TrainingSettings = TRAINING, **given: Any
) -> tuple[list[Supernet], list[list[EpochReport]]]:
    """Trains on two ranks; `should_stop` is only ever asked on rank 0."""
    barrier, slots = threading.Barrier(2), [torch.empty(0)] * 2
    supernets = [Supernet(network) for _ in range(2)]
    reports: list[list[EpochReport]] = [[], []]

    def run(rank: int) -> None:
        group = ThreadGroup(rank, barrier, slots)
        train(
            supernets[rank],
            DATA,
            training,
            seed=0,
            group=group,
            report=reports[rank].append,
            **given,
        )

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return supernets, reports


def test_two_ranks_train_the_same_weights() -> None:
    (first, second), reports = in_two_threads()
    assert reports[0] == reports[1]
    assert len(reports[0]) == 4
    for (name, ours), theirs in zip(first.named_parameters(), second.parameters(), strict=True):
        assert torch.equal(ours, theirs), name


DIVIDED = {"schedule": {"kind": "multi_architecture", "num_architectures": 5}}


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        (SETTINGS, {"schedule": SHRINKING}),
        (SETTINGS, {"schedule": PHASES}),  # whose teacher must freeze its norms as well
        (ONE_RESOLUTION_VIT, DIVIDED),
        (ONE_RESOLUTION_VIT, DIVIDED | {"accumulation_steps": 3}),
    ],
    ids=["delayed_shrinking", "progressive_shrinking", "divided", "divided in parts"],
)
def test_two_ranks_with_frozen_batch_norms_are_one_with_the_whole_batch(
    network: NetworkSettings, changes: dict[str, Any]
) -> None:
    training = TrainingSettings.model_validate(
        TRAINING.model_dump() | {"frozen_batch_norm": True, "learning_rate": 0.02} | changes
    )
    (first, second), reports = in_two_threads(network, training)
    whole = training.model_copy(update={"accumulation_steps": 1})
    alone, expected = Supernet(network), list[EpochReport]()
    train(alone, DATA, whole, seed=0, report=expected.append)
    for (name, ours), theirs in zip(first.named_parameters(), second.parameters(), strict=True):
        assert torch.equal(ours, theirs), name
        torch.testing.assert_close(ours, alone.get_parameter(name), rtol=1e-3, atol=2e-5, msg=name)
    assert reports[0] == reports[1]
    assert reports[0][-1].label_loss == pytest.approx(expected[-1].label_loss, rel=1e-4)


def test_the_stop_of_rank_0_stops_all_ranks() -> None:
    polls: list[str] = []

    def stop_in_third_step() -> bool:
        polls.append(threading.current_thread().name)
        return len(polls) == 3

    _, reports = in_two_threads(should_stop=stop_in_third_step)
    assert [len(found) for found in reports] == [1, 1]  # epochs of two steps
    assert len(set(polls)) == 1

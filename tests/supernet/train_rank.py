"""One rank of a training: rank, world size, rendezvous file, result file, mode."""

import sys
from dataclasses import astuple
from pathlib import Path

import torch
import torch.distributed
from supernet_examples import SETTINGS, few_digits

from supernet.base import Supernet
from supernet.checkpoints import save_supernet
from supernet.groups import Alone, Distributed, Group
from supernet.reports import EpochReport
from supernet.settings import TrainingSettings
from supernet.training import train


def main(rank: int, world_size: int, rendezvous: Path, result: Path, mode: str) -> None:
    torch.set_num_threads(1)
    group: Group = Alone()
    if world_size > 1:
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=world_size
        )
        group = Distributed()
    supernet = Supernet(SETTINGS)
    settings = TrainingSettings(
        epochs=2,
        batch_size=8,
        learning_rate=0.05,
        warmup_epochs=0,
        frozen_batch_norm=mode == "frozen",
    )
    reports: list[EpochReport] = []
    train(
        supernet,
        few_digits(24),
        settings,
        seed=0,
        group=group,
        report=reports.append,
        # Only rank 0 is asked: all stop after the same step nevertheless.
        should_stop=lambda: rank == 1 or (mode == "stop" and len(reports) == 1),
    )
    save_supernet(result, supernet)
    sys.stdout.write(f"{[astuple(report) for report in reports]}\n")
    if world_size > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5])

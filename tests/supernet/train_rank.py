"""One rank of a training in two processes: rank, rendezvous file, result file."""

import sys
from dataclasses import astuple
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed
from supernet_examples import SETTINGS, few_digits

from supernet.base import Supernet
from supernet.checkpoints import save_supernet
from supernet.groups import Distributed
from supernet.reports import EpochReport
from supernet.settings import TrainingSettings
from supernet.training import train

RANKS_TRAINING = TrainingSettings(
    epochs=2, batch_size=8, learning_rate=0.05, warmup_epochs=0, frozen_batch_norm=True
)


def train_as_rank(rank: int, rendezvous: Path) -> tuple[Supernet, list[EpochReport]]:
    """Trains as one of two ranks that meet at a file; returns what this one has then."""
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{rendezvous}",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=120),
    )
    supernet, reports = Supernet(SETTINGS), list[EpochReport]()
    try:
        train(
            supernet,
            few_digits(24),
            RANKS_TRAINING,
            seed=0,
            group=Distributed(),
            report=reports.append,
        )
    finally:
        torch.distributed.destroy_process_group()
    return supernet, reports


def main(rank: int, rendezvous: Path, result: Path) -> None:
    torch.set_num_threads(1)
    supernet, reports = train_as_rank(rank, rendezvous)
    save_supernet(result, supernet)
    sys.stdout.write(f"{[astuple(report) for report in reports]}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))

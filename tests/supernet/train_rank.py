"""One rank of a training in two processes: rank, world size, rendezvous file, result file."""

import sys
from dataclasses import astuple
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


def main(rank: int, world_size: int, rendezvous: Path, result: Path) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=world_size
    )
    supernet = Supernet(SETTINGS)
    reports: list[EpochReport] = []
    train(
        supernet,
        few_digits(24),
        RANKS_TRAINING,
        seed=0,
        group=Distributed(),
        report=reports.append,
    )
    save_supernet(result, supernet)
    sys.stdout.write(f"{[astuple(report) for report in reports]}\n")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))

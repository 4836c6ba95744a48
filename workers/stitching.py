"""Puts a stitched supernet together from its anchors, in a worker process, before its training."""

from dataclasses import dataclass
from pathlib import Path

import torch

from search_space.stitching import StitchSettings
from supernet.base import Supernet
from supernet.checkpoints import save_supernet
from supernet.data import TensorData
from supernet.stitching import FromAnchors, StitchFit
from workers.sharing import check_shared


@dataclass(frozen=True)
class StitchingJob:
    """Everything that decides what a stitched supernet begins with, and where it goes.

    Attributes:
        network: its space.
        start: files of its anchors, and how its stitching layers are fitted.
        data_path: a data set as `supernet.datasets.write_data_set` left it.
        target: where the supernet goes.
        seed: draws what the anchors do not say: low-rank updates.
        num_threads: of the process.
    """

    network: StitchSettings
    start: FromAnchors
    data_path: Path
    target: Path
    seed: int = 0
    num_threads: int = 1


def stitch_anchors(job: StitchingJob) -> tuple[StitchFit, ...]:
    """Writes the supernet; returns how well its stitching layers fit.

    Raises:
        InvalidStartError: a file is not of the anchor that it was given for.
        NotSharedError: this machine does not see a file.
    """
    torch.set_num_threads(job.num_threads)
    for path in (job.target.parent, *(anchor.path for anchor in job.start.anchors)):
        check_shared(path)
    data = TensorData.from_file(check_shared(job.data_path))
    supernet = Supernet(job.network, generator=torch.Generator().manual_seed(job.seed))
    fits = job.start.apply(supernet, data)
    save_supernet(job.target, supernet)
    return fits

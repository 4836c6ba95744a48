"""Blends the fine-tuned runs of one architecture into a soup, in a worker process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supernet.base import Supernet
from supernet.checkpoints import load_supernet, save_supernet
from supernet.data import TensorData
from supernet.evaluate import Accuracy, evaluate_architecture
from supernet.settings import AccuracySettings
from supernet.soups import State, greedy_soup
from workers.provenance import accuracy_provenance
from workers.sharing import check_shared


@dataclass(frozen=True)
class SoupJob:
    """Everything that decides what a soup is made of and where it goes.

    Attributes:
        paths: supernets of one and the same single architecture, one or more.
        data_path: a data set as `supernet.datasets.write_data_set` left it.
        accuracy: how each mixture is calibrated and evaluated.
        target: where the soup goes, as a supernet of that architecture.
    """

    paths: Sequence[Path]
    data_path: Path
    accuracy: AccuracySettings
    target: Path


@dataclass(frozen=True)
class SoupResult:
    """What a soup was made of.

    Attributes:
        members: positions of the runs that are in it, in the order of their addition.
        top1_percent: its accuracy.
        provenance: how that was found.
    """

    members: tuple[int, ...]
    top1_percent: float
    provenance: Mapping[str, Any]


def make_soup(job: SoupJob) -> SoupResult:
    """Writes the greedy soup of fine-tuned runs.

    Raises:
        InvalidSupernetError: a run's file cannot be used.
    """
    data = TensorData.from_file(check_shared(job.data_path))
    states = [load_supernet(path).state_dict() for path in job.paths]
    pot = load_supernet(job.paths[0])
    soup = greedy_soup(states, lambda state: _accuracy_of(state, pot, data, job).num_correct)
    accuracy = _accuracy_of(soup.state, pot, data, job)
    version = save_supernet(job.target, pot)
    provenance = accuracy_provenance(accuracy, job.accuracy, version, data)
    return SoupResult(soup.members, accuracy.top1_percent, provenance)


def _accuracy_of(state: State, pot: Supernet, data: TensorData, job: SoupJob) -> Accuracy:
    """Fills a supernet with weights; returns how accurate its one network then is."""
    pot.load_state_dict(dict(state))
    return evaluate_architecture(pot, pot.space.largest(), data, job.accuracy)[1]

"""The supernet that a training job begins with."""

from pathlib import Path

import pytest
import torch

from search_space.cnn import MobileNetV3Settings
from supernet.base import Supernet
from supernet.checkpoints import save_supernet
from supernet.errors import InvalidStartError
from supernet.settings import TrainingSettings
from supernet.starting import FromSupernet, StartingPoint
from workers.train_worker import new_supernet, would_repeat
from workers.training_job import TrainingJob

NETWORK = MobileNetV3Settings.from_preset("digits")


def drawn(seed: int) -> Supernet:
    return Supernet(NETWORK, generator=torch.Generator().manual_seed(seed))


def job(start: StartingPoint | None) -> TrainingJob:
    nowhere = Path("nowhere")
    return TrainingJob("job-1", NETWORK, nowhere, TrainingSettings(), nowhere, seed=3, start=start)


def equal(one: Supernet, other: Supernet) -> bool:
    found = other.state_dict()
    return all(torch.equal(tensor, found[name]) for name, tensor in one.state_dict().items())


def test_from_scratch_it_is_drawn_from_the_seed() -> None:
    assert equal(new_supernet(job(None)), drawn(3))


def test_a_start_fills_it(tmp_path: Path) -> None:
    save_supernet(tmp_path / "earlier", drawn(5))
    supernet = new_supernet(job(FromSupernet(tmp_path / "earlier")))
    assert equal(supernet, drawn(5))
    assert not equal(supernet, drawn(3))


def test_a_start_that_does_not_fit_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(InvalidStartError) as caught:
        new_supernet(job(FromSupernet(tmp_path / "missing")))
    assert would_repeat(caught.value)

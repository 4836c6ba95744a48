"""Every schedule trains every family that it fits."""

import pytest
import torch
from supernet_examples import EXAMPLES, few_digits

from search_space.family import NetworkSettings
from supernet.base import Supernet
from supernet.reports import EpochReport
from supernet.schedules.base import InvalidTrainingError
from supernet.schedules.delayed_shrinking import DelayedShrinkingSettings
from supernet.schedules.multi_architecture import MultiArchitectureSettings
from supernet.schedules.progressive_shrinking import ProgressiveShrinkingSettings
from supernet.schedules.settings import ScheduleSettings
from supernet.settings import TrainingSettings
from supernet.training import train

DATA = few_digits(40)
SCHEDULES: list[ScheduleSettings] = [
    ProgressiveShrinkingSettings(),
    DelayedShrinkingSettings(ramp_epochs=1),
]


def settings_with(schedule: ScheduleSettings, epochs: int = 6) -> TrainingSettings:
    return TrainingSettings(
        epochs=epochs, batch_size=20, learning_rate=0.02, warmup_epochs=0, schedule=schedule
    )


def changed(supernet: Supernet, before: dict[str, torch.Tensor]) -> float:
    """The share of the parameters' tensors that a training has moved."""
    moved = [not torch.equal(p, before[name]) for name, p in supernet.named_parameters()]
    return sum(moved) / len(moved)


def weights(supernet: Supernet) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in supernet.named_parameters()}


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.kind)
@pytest.mark.parametrize("family", EXAMPLES)
def test_a_schedule_trains_a_family(family: str, schedule: ScheduleSettings) -> None:
    supernet = Supernet(EXAMPLES[family])
    before, reports = weights(supernet), list[EpochReport]()
    assert train(supernet, DATA, settings_with(schedule), seed=0, report=reports.append)
    assert changed(supernet, before) > 0.95
    assert reports[-1].distillation_loss is not None
    assert len({report.phase for report in reports}) > 1


@pytest.mark.parametrize("accumulation_steps", [1, 2])
def test_transformers_are_trained_several_in_one_pass(accumulation_steps: int) -> None:
    supernet = Supernet(EXAMPLES["vit"], allowed={"resolution": (16,)})
    before, reports = weights(supernet), list[EpochReport]()
    settings = settings_with(MultiArchitectureSettings(), epochs=3).model_copy(
        update={"accumulation_steps": accumulation_steps, "optimizer": "adamw"}
    )
    assert train(supernet, DATA, settings, seed=0, report=reports.append)
    assert changed(supernet, before) > 0.95
    assert reports[-1].label_loss < reports[0].label_loss
    assert reports[-1].distillation_loss is None
    assert all(0 <= report.label_top1_percent <= 100 for report in reports)


@pytest.mark.parametrize("family", EXAMPLES)
def test_networks_that_no_mask_can_unite_are_refused(family: str) -> None:
    network: NetworkSettings = EXAMPLES[family]  # of elastic kernels, batch norms or resolutions
    settings = settings_with(MultiArchitectureSettings())
    with pytest.raises(InvalidTrainingError, match=r"schedule.kind must fit the family .* differ"):
        settings.build_schedule(network, network.build(), 40, 1)

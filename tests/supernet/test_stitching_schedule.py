"""The schedule of stitched networks: what it draws, what it trains, where it fits."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from supernet_examples import SETTINGS, few_digits
from torch import Tensor

from search_space.costs import costs
from search_space.space import Architecture, SearchSpace
from search_space.stitching import StitchSettings
from supernet.base import Supernet
from supernet.checkpoints import CheckpointFolder
from supernet.reports import EpochReport
from supernet.schedules.base import Horizon, InvalidTrainingError, Loss
from supernet.schedules.cost_groups import cost_groups
from supernet.schedules.sandwich import SandwichSettings
from supernet.schedules.stitching import Stitching, StitchingSettings
from supernet.settings import TrainingSettings
from supernet.training import train

NETWORK = StitchSettings.from_preset("tiny")
SPACE = NETWORK.build()
HORIZON = Horizon(epochs=4, steps_per_epoch=500, learning_rate=0.1)
DATA = few_digits(40)


def schedule_of(space: SearchSpace = SPACE, **given: Any) -> Stitching:
    schedule = StitchingSettings.model_validate(given).build(space, HORIZON, NETWORK)
    assert isinstance(schedule, Stitching)
    return schedule


def drawn(schedule: Stitching) -> list[Architecture]:
    steps = [schedule.step(n, np.random.default_rng([0, n])) for n in range(2000)]
    assert {len(step.subnets) for step in steps} == {1}
    assert not any(step.is_divided for step in steps)
    return [step.subnets[0].architecture for step in steps]


def macs(architecture: Architecture) -> int:
    return costs(NETWORK.lower(architecture)).macs


def assert_drawn_as_often_as(
    architectures: list[Architecture], expected: dict[Architecture, float]
) -> None:
    """Each count lies within four standard deviations of a binomial one."""
    counts, total = Counter(architectures), len(architectures)
    assert counts.keys() == expected.keys()
    for architecture, share in expected.items():
        deviation = (share * (1 - share) * total) ** 0.5
        assert abs(counts[architecture] - share * total) < 4 * deviation, architecture


# --- what is drawn ----------------------------------------


def test_uniform_sampling_draws_every_network_as_often_anchors_too() -> None:
    every = [SPACE.decode(np.array([position])) for position in range(SPACE.size)]
    assert set(NETWORK.anchor_architectures()) < set(every)
    uniform = dict.fromkeys(every, 1 / len(every))
    assert_drawn_as_often_as(drawn(schedule_of(sampling="uniform")), uniform)


@pytest.mark.parametrize("tilt", [None, 4.0])
def test_grouped_sampling_draws_a_group_and_then_a_member(tilt: float | None) -> None:
    schedule = schedule_of(group_tilt=tilt)
    n = len(schedule.groups)
    assert 1 < n < SPACE.size
    assert sum(map(len, schedule.groups)) == SPACE.size
    weights = [1.0 if tilt is None else i / tilt + 1 / n for i in range(n)]
    expected = {
        member: weight / sum(weights) / len(group)
        for weight, group in zip(weights, schedule.groups, strict=True)
        for member in group
    }
    assert_drawn_as_often_as(drawn(schedule), expected)


def test_groups_are_those_of_the_multiply_accumulates() -> None:
    every = [SPACE.decode(np.array([position])) for position in range(SPACE.size)]
    all_macs = np.array([macs(architecture) for architecture in every])
    span = int(np.ptp(all_macs))
    for gap, found in (
        (span // 3, schedule_of(group_gap_macs=span // 3)),
        (span / 13, schedule_of()),
    ):
        expected = [{every[i] for i in group} for group in cost_groups(all_macs, gap)]
        assert [set(group) for group in found.groups] == expected
    assert len(schedule_of(group_gap_macs=span).groups) == 1


def test_what_is_left_of_a_space_is_all_that_is_drawn() -> None:
    kept = SPACE.choices[-1].options[2:5]
    for sampling in ("uniform", "cost_grouped"):
        schedule = schedule_of(SPACE.restrict({"route": kept}), sampling=sampling)
        assert {architecture["route"] for architecture in drawn(schedule)} == set(kept)


def test_a_step_is_a_function_of_its_number_and_generator() -> None:
    assert drawn(schedule_of()) == drawn(schedule_of())


# --- what it learns from ----------------------------------------


def test_networks_learn_from_labels_and_if_wanted_from_the_largest_anchor_at_the_start() -> None:
    plain, distilled = schedule_of(), schedule_of(distillation=0.5, temperature=2.0)
    assert plain.step(0, np.random.default_rng(0)).subnets[0].losses == (Loss(),)
    assert {plain.actions(n) for n in range(2000)} == {()}
    losses = distilled.step(7, np.random.default_rng(0)).subnets[0].losses
    assert losses == (Loss(), Loss("teacher", 0.5, 2.0))
    assert [n for n in range(2000) if distilled.actions(n)] == [0]
    assert distilled.actions(0) == ("keep_teacher",)
    assert not distilled.needs_teacher  # from outside
    assert NETWORK.anchor_architectures()[-1] == SPACE.largest()


TRAINING: dict[str, Any] = {
    "epochs": 2, "batch_size": 10, "optimizer": "adamw", "learning_rate": 0.01, "warmup_epochs": 0
}  # fmt: skip


def trained(
    schedule: dict[str, Any], **given: Any
) -> tuple[dict[str, Tensor], dict[str, Tensor], list[EpochReport]]:
    """Weights before and after a training, and its reports."""
    supernet = Supernet(NETWORK, generator=torch.Generator().manual_seed(1))
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    settings = TrainingSettings.model_validate(
        TRAINING | {"schedule": {"kind": "stitching", **schedule}}
    )
    reports: list[EpochReport] = []
    assert train(supernet, DATA, settings, seed=0, report=reports.append, **given)
    return before, supernet.state_dict(), reports


def is_anchors(name: str) -> bool:
    return name.startswith("anchor")


@pytest.mark.parametrize(("rank", "num_each"), [(0, 2), (2, 4)], ids=["full", "low rank"])
def test_anchors_have_a_rate_of_their_own(rank: int, num_each: int) -> None:
    network = StitchSettings.from_preset("tiny", rank=rank)
    schedule = StitchingSettings(anchor_rate=0.25).build(network.build(), HORIZON, network)
    scales = {name: schedule.rate_scale(name) for name, _ in Supernet(network).named_parameters()}
    assert {scales[name] for name in scales if is_anchors(name)} == {0.25}
    others = [scales[name] for name in scales if not is_anchors(name)]
    # A weight and a bias; a low-rank update has two factors beside its frozen weight.
    assert others == [1.0] * num_each * len(network.stitch_layers())


def test_at_a_rate_of_zero_the_anchors_stay_as_they_are() -> None:
    before, after, _ = trained({"anchor_rate": 0.0, "group_gap_macs": 0})
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not any(map(is_anchors, moved))
    before, after, reports = trained({})
    assert any(is_anchors(name) for name in before if not torch.equal(before[name], after[name]))
    assert all(report.distillation_loss is None for report in reports)


class KilledError(Exception):
    """What stands for the end of a process."""


def test_a_resumed_training_has_the_teacher_of_its_start(tmp_path: Path) -> None:
    distilled = {"distillation": 1.0, "anchor_rate": 1.0}
    _, expected, reports = trained(distilled)
    assert all(report.distillation_loss is not None for report in reports)

    def kill(report: EpochReport) -> None:
        if report.epoch == 2:
            raise KilledError

    supernet, folder = Supernet(NETWORK, generator=torch.Generator().manual_seed(1)), tmp_path
    settings = TrainingSettings.model_validate(
        TRAINING | {"schedule": {"kind": "stitching", **distilled}}
    )
    with pytest.raises(KilledError):
        train(supernet, DATA, settings, seed=0, checkpoints=CheckpointFolder(folder), report=kill)
    _, resumed, late = trained(distilled, checkpoints=CheckpointFolder(folder))
    assert [report.epoch for report in late] == [2]
    for name, tensor in expected.items():
        assert torch.equal(resumed[name], tensor), name


# --- where it fits ----------------------------------------


def test_only_stitched_spaces_have_it() -> None:
    settings = TrainingSettings(schedule=StitchingSettings(), batch_size=10)
    with pytest.raises(
        InvalidTrainingError,
        match=r"schedule.kind needs a space of the kind stitch, not mobilenetv3, got 'stitching'",
    ):
        settings.build_schedule(SETTINGS, SETTINGS.build(), 40, 1)
    compiled = settings.model_copy(update={"compile": True})
    with pytest.raises(InvalidTrainingError, match="compile must be off with stitching"):
        compiled.build_schedule(NETWORK, SPACE, 40, 1)
    assert settings.build_schedule(NETWORK, SPACE, 40, 1).recurring() == ()


def test_a_stitched_space_may_have_the_sandwich_too() -> None:
    settings = TrainingSettings.model_validate(TRAINING | {"schedule": SandwichSettings()})
    assert train(Supernet(NETWORK), DATA, settings, seed=0)

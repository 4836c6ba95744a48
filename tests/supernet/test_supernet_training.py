import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from supernet_examples import SETTINGS, VIT, few_digits, random_images, small_supernet

from search_space.cnn import MobileNetV3Settings
from search_space.family import NetworkSettings
from supernet.base import Supernet
from supernet.checkpoints import CheckpointFolder, CheckpointMismatchError
from supernet.gradients import GradientBuffer
from supernet.reports import DivergedError, EpochReport
from supernet.schedules.base import InvalidTrainingError, Step
from supernet.schedules.delayed_shrinking import DelayedShrinkingSettings
from supernet.schedules.progressive_shrinking import PhaseSettings, ProgressiveShrinkingSettings
from supernet.schedules.sandwich import SandwichSettings
from supernet.schedules.settings import ScheduleSettings
from supernet.schedules.single import SingleSettings
from supernet.settings import TrainingSettings
from supernet.training import train

DATA = few_digits(40)
SMALLEST = dict(SETTINGS.build().smallest())
SCHEDULES = [
    SandwichSettings(),
    DelayedShrinkingSettings(start=0.5, ramp_epochs=1),
    ProgressiveShrinkingSettings(
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
    ),
]
"""Each sorts channels or keeps a teacher after the second of four epochs, if at all."""

ONE_RESOLUTION_VIT = VIT.model_copy(update={"resolutions": (16,)})

TRAINING = TrainingSettings(
    epochs=4, batch_size=16, augmentation={"crop_padding": 1}, warmup_epochs=0.5
)


def trained(training: TrainingSettings = TRAINING, **given: Any) -> Supernet:
    supernet = Supernet(SETTINGS)
    train(supernet, DATA, training, **{"seed": 0, **given})
    return supernet


def assert_bitwise_equal(first: Supernet, second: Supernet) -> None:
    found, expected = first.state_dict(), second.state_dict()
    assert found.keys() == expected.keys()
    for name in found:
        assert torch.equal(found[name], expected[name]), name


def test_the_same_seed_gives_the_same_weights() -> None:
    assert_bitwise_equal(trained(), trained())
    other = trained(seed=1)
    assert not torch.equal(other.stem.conv.weight, trained().stem.conv.weight)


def test_reports_count_epochs_and_steps() -> None:
    reports: list[EpochReport] = []
    trained(report=reports.append)
    assert [report.epoch for report in reports] == [1, 2, 3, 4]
    assert [report.step for report in reports] == [2, 4, 6, 8]  # 40 images: a rest of 8 is left out
    assert {(report.num_epochs, report.num_steps) for report in reports} == {(4, 8)}
    assert all(0 <= report.label_top1_percent <= 100 for report in reports)
    assert all(report.distillation_loss is not None for report in reports)
    assert reports[-1].learning_rate < reports[0].learning_rate


class KilledError(Exception):
    """What stands for the end of a process in the tests that need no process of their own."""


def killed_after(epoch: int, checkpoints: CheckpointFolder, training: TrainingSettings) -> None:
    def report(found: EpochReport) -> None:
        if found.epoch > epoch:
            raise KilledError

    with pytest.raises(KilledError):
        trained(training, checkpoints=checkpoints, report=report)


@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=[schedule.kind for schedule in SCHEDULES])
def test_a_resumed_training_is_bitwise_equal_to_an_uninterrupted_one(
    tmp_path: Path, epoch: int, schedule: ScheduleSettings
) -> None:
    training = TRAINING.model_copy(
        update={"schedule": schedule, "ema_decay": 0.9, "optimizer": "adamw"}
    )
    killed_after(epoch, CheckpointFolder(tmp_path, 0), training)
    resumed = Supernet(SETTINGS, generator=torch.Generator().manual_seed(9))  # overwritten
    reports: list[EpochReport] = []
    is_complete = train(
        resumed,
        DATA,
        training,
        seed=0,
        checkpoints=CheckpointFolder(tmp_path, 1),
        report=reports.append,
    )
    assert is_complete
    assert [report.epoch for report in reports] == list(range(epoch + 1, 5))
    assert_bitwise_equal(resumed, trained(training))


def test_sorting_between_phases_leaves_what_earlier_phases_trained() -> None:
    stage = SETTINGS.stages[1].model_dump() | {"depths": [1], "expand_ratios": [0.5, 1, 2]}
    fixed = {"resolutions": [8], "stages": [stage | {"kernel_sizes": [3]}]}
    network = MobileNetV3Settings.model_validate(SETTINGS.model_dump(mode="json") | fixed)
    width = {"name": "width", "share": 1, "sort_channels": True, "num_subnets": 2}
    phases = (
        {"name": "largest", "share": 1},
        width | {"admitted": {"expand_ratio": 2}},
        width | {"admitted": {"expand_ratio": 3}, "learning_rate_factor": 1e-12},
    )
    schedule = ProgressiveShrinkingSettings.model_validate({"phases": phases})
    training = TRAINING.model_copy(update={"schedule": schedule, "epochs": 3, "weight_decay": 0.0})
    supernet = Supernet(network)
    largest, middle, smallest = (
        supernet.space.validate(dict.fromkeys(supernet.space.largest(), ratio))
        for ratio in (2, 1, 0.5)
    )
    images = DATA.normalize(DATA.train.images[:16])
    project = "stage1.block1.project.conv.weight"
    before: list[torch.Tensor] = []

    def note(report: EpochReport) -> None:
        if report.epoch == 2:
            with torch.no_grad():  # two steps change no order of norms
                supernet.get_parameter(project).normal_(generator=torch.Generator().manual_seed(0))
                before.extend(supernet(images, a) for a in (largest, middle, smallest))

    train(supernet, DATA, training, seed=0, report=note)
    after = [supernet(images, a) for a in (largest, middle, smallest)]
    moved = [float((a - b).detach().abs().max()) for a, b in zip(after, before, strict=True)]
    assert max(moved[:2]) < 1e-5, moved
    assert moved[2] > 1e-4, moved


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        (SETTINGS, {"precision": "float16", "accumulation_steps": 2, "gradient_clip": 0.5}),
        (ONE_RESOLUTION_VIT, {"schedule": {"kind": "multi_architecture"}, "ema_decay": 0.9}),
    ],
    ids=["float16", "multi_architecture"],
)
def test_scalers_and_divided_batches_resume_bitwise(
    tmp_path: Path, network: NetworkSettings, changes: dict[str, Any]
) -> None:
    training = TrainingSettings.model_validate(TRAINING.model_dump() | changes)
    polls: list[int] = []

    def stop_in_third_step() -> bool:
        polls.append(1)
        return len(polls) == 3

    folder, resumed, whole = CheckpointFolder(tmp_path), Supernet(network), Supernet(network)
    steps: dict[Supernet, list[Step]] = {resumed: [], whole: []}
    for stop in (stop_in_third_step, lambda: False):
        started = Supernet(network) if stop is stop_in_third_step else resumed
        train(
            started,
            DATA,
            training,
            seed=0,
            checkpoints=folder,
            should_stop=stop,
            on_step=steps[resumed].append,
        )
    train(whole, DATA, training, seed=0, on_step=steps[whole].append)
    assert_bitwise_equal(resumed, whole)
    assert steps[resumed] == steps[whole]
    assert len(steps[whole]) == 8


def test_a_stop_in_the_middle_of_an_epoch_loses_nothing(tmp_path: Path) -> None:
    checkpoints = CheckpointFolder(tmp_path)
    polls: list[int] = []

    def stop_in_third_step() -> bool:
        polls.append(1)
        return len(polls) == 3

    first, reports = Supernet(SETTINGS), []
    is_complete = train(
        first,
        DATA,
        TRAINING,
        seed=0,
        checkpoints=checkpoints,
        should_stop=stop_in_third_step,
        report=reports.append,
    )
    assert not is_complete
    second = Supernet(SETTINGS)
    assert train(second, DATA, TRAINING, seed=0, checkpoints=checkpoints, report=reports.append)
    expected: list[EpochReport] = []
    assert_bitwise_equal(second, trained(report=expected.append))
    assert reports == expected


def test_a_complete_training_is_not_done_again(tmp_path: Path) -> None:
    checkpoints = CheckpointFolder(tmp_path)
    first = trained(checkpoints=checkpoints)
    reports: list[EpochReport] = []
    assert_bitwise_equal(trained(checkpoints=checkpoints, report=reports.append), first)
    assert reports == []


def test_checkpoints_of_another_training_are_refused(tmp_path: Path) -> None:
    checkpoints = CheckpointFolder(tmp_path)
    trained(checkpoints=checkpoints)
    with pytest.raises(CheckpointMismatchError, match="seed must be 1, got 0"):
        trained(checkpoints=checkpoints, seed=1)
    with pytest.raises(CheckpointMismatchError, match=r"settings.epochs must be 5, got 4"):
        trained(TRAINING.model_copy(update={"epochs": 5}), checkpoints=checkpoints)
    with pytest.raises(
        CheckpointMismatchError,
        match=r"settings\.schedule.kind must be 'delayed_shrinking', got 'sandwich'",
    ):
        trained(TRAINING.model_copy(update={"schedule": SCHEDULES[1]}), checkpoints=checkpoints)
    wider = Supernet(SETTINGS.model_copy(update={"head_width": 32}))
    with pytest.raises(CheckpointMismatchError, match="space must be") as caught:
        train(wider, DATA, TRAINING, seed=0, checkpoints=checkpoints)
    assert caught.value.expected == wider.space.digest
    assert caught.value.found == SETTINGS.build().digest


@pytest.mark.parametrize("precision", ["float32", "float16"])  # no scale mends a loss
def test_a_loss_that_is_not_finite_raises_and_leaves_the_weights(precision: str) -> None:
    supernet = Supernet(SETTINGS)
    with torch.no_grad():
        supernet.classifier.weight[0, 0] = float("nan")
    before = {name: p.detach().clone() for name, p in supernet.named_parameters()}
    with pytest.raises(DivergedError, match=r"at step 0; .* \(loss nan\) \{") as caught:
        train(supernet, DATA, TRAINING.model_copy(update={"precision": precision}), seed=0)
    assert caught.value.step == 0
    assert caught.value.architectures[0] == supernet.space.largest()
    assert len(caught.value.architectures) == 4
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    for name, parameter in supernet.named_parameters():
        assert torch.equal(before[name], parameter) or name == "classifier.weight"


def test_a_training_that_diverges_says_so() -> None:
    with pytest.raises(DivergedError) as caught:
        trained(TrainingSettings(epochs=40, batch_size=16, learning_rate=1e12, warmup_epochs=0))
    assert caught.value.step > 0


def test_losses_fall_and_predictions_become_right() -> None:
    data = few_digits(200)
    supernet = Supernet(SETTINGS)
    reports: list[EpochReport] = []
    settings = TrainingSettings(epochs=15, batch_size=20, learning_rate=0.3, warmup_epochs=5)
    train(supernet, data, settings, seed=0, report=reports.append)
    assert reports[-1].label_loss < 0.7 * reports[0].label_loss
    assert reports[-1].label_top1_percent > 40  # chance is 10
    assert reports[-1].distillation_loss < reports[0].distillation_loss


@pytest.mark.parametrize(
    "changes", [{"precision": "bfloat16"}, {"channels_last": False}, {"gradient_clip": 0.1}]
)
def test_precision_memory_format_and_clipping_are_settings(changes: dict[str, Any]) -> None:
    reports: list[EpochReport] = []
    supernet = trained(TRAINING.model_copy(update=changes), report=reports.append)
    plain: list[EpochReport] = []
    trained(report=plain.append)
    assert reports != plain
    assert reports[-1].label_loss == pytest.approx(plain[-1].label_loss, rel=0.5)
    assert {p.dtype for p in supernet.parameters()} == {torch.float32}


def test_the_gradient_never_exceeds_its_limit() -> None:
    # One step of plain SGD moves the weights by rate * gradient.
    moved = []
    for clip in (None, 0.01):
        supernet = Supernet(SETTINGS)
        before = torch.cat([p.detach().flatten() for p in supernet.parameters()])
        settings = TrainingSettings(
            epochs=1,
            batch_size=40,
            learning_rate=0.5,
            warmup_epochs=0,
            momentum=0,
            weight_decay=0,
            gradient_clip=clip,
        )
        train(supernet, DATA, settings, seed=0)
        after = torch.cat([p.detach().flatten() for p in supernet.parameters()])
        moved.append(float((after - before).norm()))
    assert moved[0] > 0.5 * 0.01
    assert moved[1] == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_biases_norms_and_transforms_do_not_decay() -> None:
    supernet = small_supernet()
    before = {name: p.detach().clone() for name, p in supernet.named_parameters()}
    # Rate and decay such that the decay alone is seen; the smallest architecture leaves most idle.
    settings = TrainingSettings(
        epochs=1,
        batch_size=40,
        learning_rate=1e-3,
        warmup_epochs=0,
        weight_decay=100.0,
        momentum=0,
        schedule=SingleSettings(architecture=dict(supernet.space.smallest())),
    )
    train(supernet, DATA, settings, seed=0)
    idle = "stage1.block2"  # not in the smallest
    for name, parameter in supernet.named_parameters():
        if name.startswith(idle):
            is_weight = parameter.dim() > 1 and "transform" not in name
            expected = before[name] * (0.9 if is_weight else 1.0)
            torch.testing.assert_close(parameter.detach(), expected)


def test_one_network_alone_trains_only_its_own_weights() -> None:
    space = SETTINGS.build()
    smallest = space.smallest()
    alone = Supernet(SETTINGS, allowed={name: [value] for name, value in smallest.items()})
    settings = TRAINING.model_copy(update={"schedule": SingleSettings(architecture=dict(smallest))})
    reports: list[EpochReport] = []
    train(alone, DATA, settings, seed=0, report=reports.append)
    assert reports[-1].distillation_loss is None
    assert alone(random_images(smallest), smallest).shape == (3, 10)


def test_data_that_does_not_fit_the_space_is_refused() -> None:
    coloured = Supernet(MobileNetV3Settings.from_preset("cifar"))
    with pytest.raises(ValueError, match=r"input_channels must be 1, .* got 3"):
        train(coloured, DATA, TRAINING, seed=0)
    few_classes = Supernet(SETTINGS.model_copy(update={"num_classes": 9}))
    with pytest.raises(ValueError, match=r"num_classes must be at least 10, .* got 9"):
        train(few_classes, DATA, TRAINING, seed=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 1}, "batch_size must give each of 1 workers at least 2 images"),
        ({"accumulation_steps": 9}, "in each of 9 accumulation_steps, got 16"),
        ({"batch_size": 41}, "batch_size must be at most 40, the number of training images"),
        (
            {"compile": True, "activation_checkpointing": True},
            "activation_checkpointing must be off with compile",
        ),
        (
            {"schedule": {"kind": "single", "architecture": SMALLEST, "distillation": 1.0}},
            "schedule.distillation needs a teacher",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    settings = TrainingSettings.model_validate(TRAINING.model_dump() | changes)
    with pytest.raises(InvalidTrainingError, match=message):
        trained(settings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compile": True}, "compile must be off with multi_architecture"),
        (
            {"schedule": {"kind": "multi_architecture", "num_architectures": 17}},
            r"schedule.num_architectures must be at most batch_size \(16\).* got 17",
        ),
    ],
)
def test_a_batch_is_not_divided_where_that_means_nothing(
    changes: dict[str, Any], message: str
) -> None:
    divided = {"schedule": {"kind": "multi_architecture"}}
    settings = TrainingSettings.model_validate(TRAINING.model_dump() | divided | changes)
    with pytest.raises(InvalidTrainingError, match=message):
        train(Supernet(ONE_RESOLUTION_VIT), DATA, settings, seed=0)


def test_gradients_are_views_of_one_tensor_and_clear_together() -> None:
    supernet = small_supernet().train()
    buffer = GradientBuffer(supernet, num_scalars=2)
    largest = supernet.space.largest()
    supernet(random_images(largest), largest).square().sum().backward()
    flat = torch.cat([p.grad.flatten() for p in supernet.parameters()])
    assert torch.equal(buffer.flat[:-2], flat)
    assert float(buffer.norm()) == pytest.approx(float(flat.norm()))
    buffer.scalars[0] = 3
    buffer.zero()
    assert not buffer.flat.any()

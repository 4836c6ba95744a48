"""What the settings of a training add to the plain loop: each against what it should equal."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from supernet_examples import SETTINGS, few_digits, small_supernet
from torch import Tensor

from search_space.cnn import MobileNetV3Settings
from search_space.space import Architecture
from supernet.averages import WeightAverage
from supernet.base import Supernet
from supernet.checkpoints import CheckpointFolder, save_supernet
from supernet.files import sha256_of
from supernet.passes import Batch, Passes, soft_loss
from supernet.reports import DivergedError, EpochReport
from supernet.schedules.base import Horizon, Loss, Step, Subnet
from supernet.schedules.sandwich import SandwichSettings
from supernet.schedules.single import SingleSettings
from supernet.settings import AccuracySettings, TrainingSettings
from supernet.teachers import FrozenLargest, largest_as_teacher
from supernet.training import train

DATA = few_digits(40)
SPACE = SETTINGS.build()
PLAIN: dict[str, Any] = {"epochs": 2, "batch_size": 20, "learning_rate": 0.05, "warmup_epochs": 0}
HORIZON = Horizon(2, 2, 0.05)
ONE_KERNEL = MobileNetV3Settings.model_validate(
    SETTINGS.model_dump(mode="json")
    | {"stages": [s.model_dump() | {"kernel_sizes": [3]} for s in SETTINGS.stages]}
)
"""As in delayed shrinking: a kernel transform's gradient has no slice."""


def trained(reports: list[EpochReport] | None = None, **given: Any) -> Supernet:
    supernet = Supernet(SETTINGS)
    settings = TrainingSettings.model_validate(PLAIN | given)
    notes = reports if reports is not None else []
    assert train(supernet, DATA, settings, seed=0, report=notes.append)
    return supernet


def assert_close(first: Supernet, second: Supernet, tolerance: float) -> None:
    for (name, ours), theirs in zip(first.named_parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance, msg=name)


def batch(count: int = 12) -> Batch:
    images = DATA.normalize(DATA.train.images[:count])
    return Batch(images, DATA.train.labels[:count], torch.arange(count))


def gradients(supernet: Supernet, step: Step, **given: Any) -> dict[str, Tensor]:
    """The gradients of one step over a batch of 12."""
    supernet.train()
    settings = TrainingSettings.model_validate(PLAIN | {"label_smoothing": 0.0} | given)
    schedule = SandwichSettings().build(supernet.space, HORIZON)
    passes = Passes(supernet, settings, schedule, 12)
    if any(loss.targets == "teacher" for subnet in step.subnets for loss in subnet.losses):
        passes.teacher = FrozenLargest(small_supernet(seed=5).train(), channels_last=True)
    supernet.zero_grad()
    passes.run(step, batch(), lambda loss: loss)
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in supernet.named_parameters()
    }


def sandwich_step(space: Any = SPACE, weight: float = 1.0) -> Step:
    others = (Subnet(a, (Loss("largest", weight),)) for a in (space.smallest(), middle(space)))
    return Step((Subnet(space.largest()), *others))


def middle(space: Any) -> Architecture:
    architecture: Architecture = space.decode(space.num_options // 2)
    return architecture


# --- delayed shrinking: weighted losses are masked gradients ----------------------------


def active_masks(supernet: Supernet, architecture: Architecture) -> dict[str, Tensor]:
    """1 where a parameter's element is part of the extracted network, found by numbering all."""
    numbered = Supernet(supernet.settings)
    with torch.no_grad():
        for parameter in numbered.parameters():
            parameter.copy_(torch.arange(1.0, parameter.numel() + 1).view_as(parameter))
    extracted = dict(numbered.extract(architecture).named_parameters())
    return {
        name: torch.isin(parameter, extracted[name]).float()
        if name in extracted
        else torch.zeros_like(parameter)
        for name, parameter in numbered.named_parameters()
    }


def test_weighting_losses_equals_masking_gradients() -> None:
    """DepS sums masked gradients of each sub-network, the others' times beta (SUPERNETS 3.2.5)."""
    supernet = Supernet(ONE_KERNEL, generator=torch.Generator().manual_seed(3))
    space, beta = supernet.space, 0.3
    ours = gradients(supernet, sandwich_step(space, beta))
    full = Step((Subnet(space.largest()),))
    expected = gradients(supernet, full)
    for architecture in (space.smallest(), middle(space)):
        pair = Step((Subnet(space.largest()), Subnet(architecture, (Loss("largest"),))))
        alone = gradients(supernet, pair)
        of_full = gradients(supernet, full)
        for name, mask in active_masks(supernet, architecture).items():
            expected[name] += beta * mask * (alone[name] - of_full[name])
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6, msg=name)


# --- distillation ----------------------------------------


def test_the_soft_loss_is_hintons() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, target_logits = torch.randn(2, 4, 5, generator=generator)
    targets = (target_logits / 3).softmax(1)
    by_hand = -(targets * (logits / 3).log_softmax(1)).sum() * 9
    torch.testing.assert_close(soft_loss(logits, target_logits, 3.0), by_hand)


def test_a_network_is_distilled_from_its_teacher() -> None:
    step = Step((Subnet(SPACE.smallest(), (Loss("labels"), Loss("teacher", 0.5, 2.0))),))
    supernet = small_supernet()
    found = gradients(supernet, step)
    # By hand: both networks on the images of the student's resolution, by batch statistics.
    supernet.train()
    supernet.zero_grad()
    teacher = small_supernet(seed=5).train()
    images, labels = batch().images, batch().labels
    logits = supernet(images, SPACE.smallest())
    best = SPACE.validate({**SPACE.largest(), "resolution": 8})
    loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    loss = loss + 0.5 * soft_loss(logits, teacher(images, best).detach(), 2.0)
    (loss / 12).backward()
    for name, parameter in supernet.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(found[name], parameter.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_a_stored_supernet_teaches_a_training_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    digest = save_supernet(path, small_supernet(seed=5))
    teacher = largest_as_teacher(path, DATA, AccuracySettings())
    images = DATA.normalize(DATA.train.images[:4])
    before = teacher(images, 8)
    assert torch.equal(teacher(images[:2], 12), before[:2])  # whatever the batch, and the student
    settings = TrainingSettings.model_validate(
        PLAIN | {"schedule": SingleSettings(architecture=dict(SPACE.smallest()), distillation=1.0)}
    )
    reports: list[EpochReport] = []
    train(Supernet(SETTINGS), DATA, settings, seed=0, teacher=teacher, report=reports.append)
    assert all(report.distillation_loss is not None for report in reports)
    assert torch.equal(teacher(images, 8), before)
    assert sha256_of(path) == digest


# --- memory and precision ----------------------------------------


def test_accumulated_gradients_are_those_of_the_whole_batch_where_no_batch_norm_is_in_between() -> (
    None
):
    supernets = [Supernet(SETTINGS) for _ in range(2)]
    for supernet, steps in zip(supernets, (1, 4), strict=True):
        settings = TrainingSettings.model_validate(
            PLAIN | {"frozen_batch_norm": True, "accumulation_steps": steps}
        )
        train(supernet, DATA, settings, seed=0)
    assert_close(*supernets, tolerance=1e-5)


def test_frozen_batch_norms_keep_their_statistics() -> None:
    frozen, free = trained(frozen_batch_norm=True), trained()
    fresh = Supernet(SETTINGS)
    for name, statistic in fresh.named_buffers():
        assert torch.equal(frozen.get_buffer(name), statistic), name
    assert not torch.equal(free.stem.norm.running_mean, fresh.stem.norm.running_mean)


def test_recomputed_activations_give_the_same_gradients() -> None:
    step = sandwich_step()
    kept = gradients(small_supernet(), step)
    recomputed = gradients(small_supernet(), step, activation_checkpointing=True)
    for name, gradient in kept.items():
        torch.testing.assert_close(recomputed[name], gradient, rtol=1e-5, atol=1e-7, msg=name)


def test_recomputation_keeps_fewer_activations() -> None:
    kept: dict[bool, int] = {}
    supernet = small_supernet().train()
    images = torch.randn(8, *SETTINGS.input_shape(SPACE.largest()))
    for checkpointing in (False, True):
        sizes: list[int] = []

        def note(tensor: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            supernet(images, SPACE.largest(), checkpointing=checkpointing)
        kept[checkpointing] = sum(sizes)
    assert kept[True] < 0.5 * kept[False]


def test_half_precision_scales_losses_and_leaves_float32_weights() -> None:
    reports: list[EpochReport] = []
    supernet = trained(reports, precision="float16")
    plain: list[EpochReport] = []
    trained(plain)
    assert reports[-1].label_loss == pytest.approx(plain[-1].label_loss, rel=0.2)
    assert {p.dtype for p in supernet.parameters()} == {torch.float32}


def test_a_step_that_overflows_half_precision_is_left_out() -> None:
    supernet = Supernet(SETTINGS)
    with torch.no_grad():
        # Gradients of the features, times the initial scale, exceed what half precision can hold.
        supernet.classifier.weight.mul_(1e3)
    reports: list[EpochReport] = []
    settings = TrainingSettings.model_validate(PLAIN | {"precision": "float16", "epochs": 4})
    train(supernet, DATA, settings, seed=0, report=reports.append)
    assert sum(report.skipped_steps for report in reports) > 0
    assert all(bool(p.isfinite().all()) for p in supernet.parameters())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # inside torch.compile
def test_a_compiled_training_is_the_same_training() -> None:
    # All as wide as the next and of the same activation: equal kernels are compiled once.
    width, relu = 8, "relu"
    block = {"widths": [width], "depths": [1], "kernel_sizes": [3], "expand_ratios": [1]}
    network = SETTINGS.model_dump(mode="json") | {
        "resolutions": [8],
        "stem_width": width,
        "stem_activation": relu,
        "first_block_width": width,
        "first_block_activation": relu,
        "stages": [block | {"stride": 1, "activation": relu}],
        "final_expand_width": width,
        "head_activation": relu,
    }
    supernets = []
    for is_compiled in (True, False):
        supernet = Supernet(MobileNetV3Settings.model_validate(network))
        single = SingleSettings(architecture=dict(supernet.space.smallest()))
        settings = PLAIN | {"schedule": single, "compile": is_compiled}
        train(supernet, DATA, TrainingSettings.model_validate(settings), seed=0)
        supernets.append(supernet)
    assert_close(*supernets, tolerance=1e-4)


# --- mixed images -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mixup_alpha", "cutmix_alpha"])
def test_mixed_images_are_trained_towards_mixed_labels(kind: str) -> None:
    reports: list[EpochReport] = []
    trained(reports, augmentation={kind: 1.0}, epochs=3)
    plain: list[EpochReport] = []
    trained(plain, epochs=3)
    assert [r.label_loss for r in reports] != [r.label_loss for r in plain]
    assert reports[-1].label_loss < reports[0].label_loss


def test_soft_labels_that_are_certain_are_labels() -> None:
    supernet = small_supernet().train()
    schedule = SandwichSettings().build(SPACE, HORIZON)
    sums = []
    for soft in (None, torch.nn.functional.one_hot(batch().labels, 10).float()):
        passes = Passes(supernet, TrainingSettings.model_validate(PLAIN), schedule, 12)
        given = replace(batch(), soft_labels=soft)
        sums.append(passes.run(sandwich_step(), given, lambda loss: loss).label_loss)
    torch.testing.assert_close(*sums)


# --- optimizers and averages ----------------------------------------


def test_adamw_is_torchs() -> None:
    supernet = Supernet(SETTINGS)
    before = {name: p.detach().clone() for name, p in supernet.named_parameters()}
    one_step = {"epochs": 1, "batch_size": 40, "optimizer": "adamw", "weight_decay": 0.0}
    train(supernet, DATA, TrainingSettings.model_validate(PLAIN | one_step), seed=0)
    # Adam's first step moves every weight that has a gradient by the rate, whatever its size.
    moved = (supernet.stem.conv.weight - before["stem.conv.weight"]).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, 0.05), rtol=1e-2, atol=0)


def test_the_average_follows_the_formula() -> None:
    module = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(1.0)
    average = WeightAverage(module, decay=0.5)
    expected = 1.0
    for step, value in enumerate((3.0, -2.0, 7.0)):
        with torch.no_grad():
            module.weight.fill_(value)
        average.update(step)
        kept = min(0.5, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * value
    average.apply()
    assert module.weight.item() == pytest.approx(expected)


def test_a_training_ends_with_the_average(tmp_path: Path) -> None:
    averaged = Supernet(SETTINGS)
    settings = TrainingSettings.model_validate(PLAIN | {"ema_decay": 0.999})
    folder = CheckpointFolder(tmp_path)
    train(averaged, DATA, settings, seed=0, checkpoints=folder)
    last = trained()
    assert not torch.equal(averaged.stem.conv.weight, last.stem.conv.weight)
    (newest,) = sorted(tmp_path.glob("*4.safetensors"))
    assert newest.exists()
    again = Supernet(SETTINGS)
    train(again, DATA, settings, seed=0, checkpoints=folder)  # complete: only takes it over
    assert_close(again, averaged, tolerance=0.0)


def test_a_diverged_training_names_its_last_good_checkpoint(tmp_path: Path) -> None:
    settings = TrainingSettings.model_validate(
        PLAIN | {"epochs": 40, "batch_size": 40, "learning_rate": 1e12}
    )
    with pytest.raises(DivergedError) as caught:
        train(Supernet(SETTINGS), DATA, settings, seed=0, checkpoints=CheckpointFolder(tmp_path))
    assert caught.value.checkpoint is not None
    assert (tmp_path / caught.value.checkpoint).exists()
    assert caught.value.checkpoint in str(caught.value)

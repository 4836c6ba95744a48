"""The forward and backward passes of one training step.

Tensors carry their shape as a suffix: B batch, C channels, H height, W width, K classes.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from search_space.space import Architecture
from supernet.base import Supernet
from supernet.data import in_memory_format, resize
from supernet.masked import masked_forward
from supernet.schedules.base import Loss, Schedule, Step, Subnet
from supernet.settings import TrainingPrecision, TrainingSettings
from supernet.teachers import Teacher

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


Scaled = Callable[[Tensor], Tensor]
"""Scales a loss, so that half precision can hold its gradients; or returns it as it is."""


@dataclass(frozen=True)
class Batch:
    """Images of one step that this rank trains on, or a part of them.

    Attributes:
        images: normalized, of shape (B, C, H, W).
        labels: of shape (B,).
        positions: of the images in the step's whole batch, int64, of shape (B,), on the CPU.
        soft_labels: of shape (B, K), where images are mixtures; None where they are not.
    """

    images: Tensor
    labels: Tensor
    positions: Tensor
    soft_labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def split(self, num_parts: int) -> "list[Batch]":
        """Returns parts of nearly equal size, in order."""
        bounds = [number * len(self) // num_parts for number in range(num_parts + 1)]
        parts = [slice(start, end) for start, end in itertools.pairwise(bounds)]
        soft = self.soft_labels
        return [
            Batch(
                self.images[part],
                self.labels[part],
                self.positions[part],
                None if soft is None else soft[part],
            )
            for part in parts
        ]


@dataclass
class PassSums:
    """What the passes of a step came to on this rank, parts of means over the whole batch.

    Attributes:
        losses: of each sub-network, the weighted sum of its terms; shape (num_subnets,).
        label_loss: sum over sub-networks of their loss on labels, unweighted; shape ().
        distillation_loss: sum over soft terms, unweighted; shape ().
        num_correct: images that sub-networks with labels classify rightly; shape ().
    """

    losses: Tensor
    label_loss: Tensor
    distillation_loss: Tensor
    num_correct: Tensor


class Passes:
    """Runs the sub-networks of a step forward and backward; gradients add up in the parameters.

    Args:
        supernet: whose sub-networks are trained.
        settings: precision, memory format, label smoothing and what saves time or memory.
        schedule: says which architectures recur.
        batch_size: images of one step over all ranks, by which losses are averaged.

    Attributes:
        teacher: what soft targets other than the step's own come from; None until there is one.
    """

    def __init__(
        self,
        supernet: Supernet,
        settings: TrainingSettings,
        schedule: Schedule,
        batch_size: int,
    ) -> None:
        self._supernet = supernet
        self._settings = settings
        self._batch_size = batch_size
        self._device = next(supernet.parameters()).device
        self._compiled = _compiled(supernet, schedule) if settings.compile else {}
        self.teacher: Teacher | None = None

    def run(self, step: Step, batch: Batch, scaled: Scaled) -> PassSums:
        """Adds the gradients of a step's scaled loss to those of the parameters."""
        zero = torch.zeros((), device=self._device)
        sums = PassSums(torch.zeros(len(step.subnets), device=self._device), zero, zero, zero)
        for part in batch.split(self._settings.accumulation_steps):
            if step.is_divided:
                self._run_divided(step.subnets, part, scaled, sums)
            else:
                self._run_in_turn(step.subnets, part, scaled, sums)
        return sums

    def _run_in_turn(
        self, subnets: Sequence[Subnet], batch: Batch, scaled: Scaled, sums: PassSums
    ) -> None:
        """Each sub-network sees all images; the largest's outputs are kept for those after it."""
        inputs = _Resized(batch.images, channels_last=self._settings.channels_last)
        targets = _SoftTargets(self.teacher, batch, self._autocast())
        for number, subnet in enumerate(subnets):
            resolution = self._supernet.settings.resolution(subnet.architecture)
            logits = self._logits(inputs.at(resolution), subnet.architecture)
            if subnet.architecture == self._supernet.space.largest():
                targets.largest = logits.detach()
            total = torch.zeros((), device=self._device)
            for loss in subnet.losses:
                if loss.targets == "labels":
                    value = self._on_labels(logits, batch, sums).sum()
                else:
                    value = soft_loss(logits, targets.of(loss, resolution), loss.temperature)
                    value = value / self._batch_size
                    sums.distillation_loss = sums.distillation_loss + value.detach()
                total = total + loss.weight * value
            scaled(total).backward()  # type: ignore[no-untyped-call]  # torch's lack
            sums.losses[number] += total.detach()

    def _run_divided(
        self, subnets: Sequence[Subnet], batch: Batch, scaled: Scaled, sums: PassSums
    ) -> None:
        """Each sub-network sees its own part of the images, all in one pass.

        An image's place in the whole batch decides whose it is, so that neither the number of ranks
        nor that of accumulated parts changes who is trained on what.
        """
        owners = batch.positions * len(subnets) // self._batch_size
        present, assignment = owners.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        architectures = [subnets[number].architecture for number in present.tolist()]
        resolution = self._supernet.settings.resolution(architectures[0])
        inputs = _Resized(batch.images, channels_last=self._settings.channels_last)
        with self._autocast():
            logits = masked_forward(
                self._supernet,
                inputs.at(resolution),
                architectures,
                assignment.to(self._device),
                checkpointing=self._settings.activation_checkpointing,
            ).float()
        values = self._on_labels(logits, batch, sums)
        scaled(values.sum()).backward()  # type: ignore[no-untyped-call]  # torch's lack
        sums.losses.index_add_(0, owners.to(self._device), values.detach())

    def _on_labels(self, logits: Tensor, batch: Batch, sums: PassSums) -> Tensor:
        """Returns each image's part of the loss on the labels, shape (B,); notes the sum."""
        targets = batch.labels if batch.soft_labels is None else batch.soft_labels
        smoothing = self._settings.label_smoothing
        values = functional.cross_entropy(
            logits, targets, reduction="none", label_smoothing=smoothing
        )
        values = values / self._batch_size
        sums.label_loss = sums.label_loss + values.detach().sum()
        sums.num_correct = sums.num_correct + (logits.detach().argmax(1) == batch.labels).sum()
        return values

    def _logits(self, inputs: Tensor, architecture: Architecture) -> Tensor:
        run = self._compiled.get(architecture.digest)
        with self._autocast():
            if run is not None:
                return run(inputs).float()
            checkpointing = self._settings.activation_checkpointing
            logits: Tensor = self._supernet(inputs, architecture, checkpointing=checkpointing)
        return logits.float()

    def _autocast(self) -> torch.autocast:
        return autocast(self._device, self._settings.precision)


def autocast(device: torch.device, precision: TrainingPrecision) -> torch.autocast:
    """Returns the context in which convolutions and linear layers compute in a precision."""
    return torch.autocast(device.type, DTYPES[precision], enabled=precision != "float32")


def soft_loss(logits_BK: Tensor, target_logits_BK: Tensor, temperature: float) -> Tensor:
    """Returns the summed cross-entropy with soft targets (Hinton et al. 2015, arXiv 1503.02531).

    T^2 * CE(softmax(targets / T), softmax(logits / T)): the factor keeps gradients of one size
    whatever the temperature T.
    """
    targets = (target_logits_BK / temperature).softmax(1)
    return temperature**2 * functional.cross_entropy(
        logits_BK / temperature, targets, reduction="sum"
    )


class _Resized:
    """The images of a batch at the resolutions that a step asks for, each made once."""

    def __init__(self, images_BCHW: Tensor, *, channels_last: bool) -> None:
        self._images = images_BCHW
        self._channels_last = channels_last
        self._made: dict[int, Tensor] = {}

    def at(self, resolution: int) -> Tensor:
        """Returns the images at a resolution."""
        if resolution not in self._made:
            resized = resize(self._images, resolution)
            self._made[resolution] = in_memory_format(resized, channels_last=self._channels_last)
        return self._made[resolution]


class _SoftTargets:
    """Where soft losses of a step take their targets from.

    Attributes:
        largest: logits of the step's largest network; None before it has run.
    """

    def __init__(self, teacher: Teacher | None, batch: Batch, context: torch.autocast) -> None:
        self._teacher = teacher
        self._batch = batch
        self._autocast = context
        self._of_teacher: dict[int, Tensor] = {}
        self.largest: Tensor | None = None

    def of(self, loss: Loss, resolution: int) -> Tensor:
        """Returns the logits that a loss compares with."""
        if loss.targets == "largest":
            assert self.largest is not None, "the largest network comes before its students"
            return self.largest
        teacher = self._teacher
        assert teacher is not None, "checked when the training began"
        if resolution not in self._of_teacher:
            with self._autocast:
                logits = teacher(self._batch.images, resolution)
            self._of_teacher[resolution] = logits.float()
        return self._of_teacher[resolution]


def _compiled(supernet: Supernet, schedule: Schedule) -> dict[str, Callable[[Tensor], Tensor]]:
    """Returns compiled forward passes of the architectures that recur, by digest.

    Those that are drawn anew each step run as they are: compiling each would take longer than
    training it.
    """
    return {
        architecture.digest: torch.compile(supernet.plan(architecture), dynamic=False)
        for architecture in schedule.recurring()
    }

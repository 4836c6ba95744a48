"""The one training loop: sub-networks of a schedule, summed gradients, one optimizer step.

Everything drawn at random is a function of the seed and the step, so a training that stops and
resumes is bitwise equal to one that does not, and every rank draws the same. Ranks differ only in
the share of each batch that they see.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from search_space.space import Architecture, digest_of
from supernet.base import Supernet
from supernet.checkpoints import CheckpointFolder, TrainingState
from supernet.data import (
    SCHEDULE_STREAM,
    TensorData,
    augment,
    augmentation_generator,
    epoch_order,
    in_memory_format,
    resize,
)
from supernet.gradients import GradientBuffer
from supernet.groups import Alone, Group
from supernet.optimizer import learning_rate, sgd
from supernet.schedules import Subnet
from supernet.settings import TrainingSettings


class DivergedError(RuntimeError):
    """The loss or the gradient is not finite any more; the weights are those before the step.

    Attributes:
        step: the step that went wrong, from 0.
        architectures: its sub-networks.
        losses: their losses, as far as this rank's images add to them.
    """

    def __init__(
        self, step: int, architectures: Sequence[Architecture], losses: Sequence[float]
    ) -> None:
        super().__init__(step, architectures, losses)  # so that it can be sent between processes
        self.step = step
        self.architectures = tuple(architectures)
        self.losses = tuple(losses)

    def __str__(self) -> str:
        each = ", ".join(
            f"{loss:.4g} of {architecture.digest}"
            for loss, architecture in zip(self.losses, self.architectures, strict=True)
        )
        return f"losses and gradients must be finite, got losses {each} at step {self.step}"


@dataclass(frozen=True)
class EpochReport:
    """What an epoch came to, over the batches of all ranks.

    Attributes:
        epoch: its number, from 1.
        num_epochs: of the whole training.
        step: steps done.
        num_steps: of the whole training.
        learning_rate: of the last step.
        label_loss: mean loss of the sub-networks that train on labels (the largest).
        label_top1_percent: share of the (augmented) training images that those classify rightly.
        distillation_loss: mean loss of the sub-networks that train on the largest's outputs; None
            where there were none.
    """

    epoch: int
    num_epochs: int
    step: int
    num_steps: int
    learning_rate: float
    label_loss: float
    label_top1_percent: float
    distillation_loss: float | None


def train(
    supernet: Supernet,
    data: TensorData,
    settings: TrainingSettings,
    *,
    seed: int,
    checkpoints: CheckpointFolder | None = None,
    group: Group | None = None,
    report: Callable[[EpochReport], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    teacher: Callable[[Tensor], Tensor] | None = None,
) -> bool:
    """Trains a supernet in place, from its newest checkpoint if it has one.

    Args:
        supernet: with the same weights on every rank; its device is where the training runs.
        data: on that device.
        settings: how.
        seed: of order, augmentation and schedule, at least 0.
        checkpoints: where rank 0 writes and every rank looks for checkpoints; None for neither.
        group: the processes that train together; by default this one alone. All end with the same
            weights; running batch-norm statistics are each rank's own.
        report: called on every rank after every epoch, with equal reports.
        should_stop: polled on rank 0 once per step. When it says so, all ranks stop after the same
            step and a checkpoint is written.
        teacher: gives logits of normalized images at the data's own size, which it resizes as it
            needs; what sub-networks with `distillation` learn from.

    Returns:
        Whether the training is complete; False when it was stopped.

    Raises:
        ValueError: data and space do not fit, a rank's share of a batch is below 2 images, or the
            schedule distils without a teacher.
        DivergedError: on every rank, when a loss or a gradient is not finite.
        CheckpointMismatchError: the newest checkpoint is of another training.
        CheckpointWriteError: a checkpoint could not be written.
        InvalidArchitectureError: the schedule's architecture is not of the space.
    """
    training = _Training(supernet, data, settings, seed, checkpoints, group or Alone(), teacher)
    training.resume()
    is_stopping = False
    while training.step < training.num_steps and not is_stopping:
        wants_stop = training.group.rank == 0 and should_stop()
        is_stopping = training.advance(wants_stop=wants_stop)
        if training.step % training.steps_per_epoch == 0:
            report(training.epoch_report())
        if is_stopping or training.is_checkpoint_due():
            training.save()
    supernet.zero_grad()  # lets go of the gradients' memory
    return training.step == training.num_steps


@dataclass
class _Sums:
    """Sums over the steps of an epoch so far."""

    label_loss: float = 0.0
    num_correct: float = 0.0
    num_on_labels: float = 0.0
    distillation_loss: float = 0.0
    num_distilled: float = 0.0


class _Training:
    """A training between two steps.

    Attributes:
        step: steps done.
        num_steps: steps in all.
        steps_per_epoch: whole batches per epoch; a smaller rest is left out.
        group: the processes that train together.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: TensorData,
        settings: TrainingSettings,
        seed: int,
        checkpoints: CheckpointFolder | None,
        group: Group,
        teacher: Callable[[Tensor], Tensor] | None,
    ) -> None:
        _check_fit(supernet, data)
        self._supernet = supernet.train()
        self._data = data
        self._settings = settings
        self._seed = seed
        self._checkpoints = checkpoints
        self.group = group
        self._teacher = teacher
        self._schedule = settings.schedule.build(supernet.space)
        self._largest = supernet.space.largest()
        self._batch_size = min(settings.batch_size, len(data.train))
        if self._batch_size // group.world_size < 2:
            raise ValueError(
                f"batch_size must give each of {group.world_size} workers at least 2 images, "
                f"got {self._batch_size} in all"
            )
        self.steps_per_epoch = len(data.train) // self._batch_size
        self.num_steps = settings.epochs * self.steps_per_epoch
        self.step = 0
        self._sums = _Sums()
        self._device = next(supernet.parameters()).device
        self._order = torch.empty(0, dtype=torch.int64)
        self._gradients = GradientBuffer(supernet, num_scalars=4)
        self._optimizer = sgd(supernet, settings)

    # --- checkpoints ---------------------------------------------------------------------------

    def _identity(self) -> dict[str, Any]:
        """Returns what a checkpoint must agree in to be resumed from."""
        return {
            "space": self._supernet.space.digest,
            "settings": digest_of(self._settings.model_dump(mode="json")),
            "seed": self._seed,
            "data": self._data.version,
        }

    def is_checkpoint_due(self) -> bool:
        """Whether the settings ask for a checkpoint after the last step."""
        every = self._settings.checkpoint_every_epochs * self.steps_per_epoch
        return self.step % every == 0 or self.step == self.num_steps

    def resume(self) -> None:
        """Takes over the newest checkpoint, if there is one."""
        if self._checkpoints is not None:
            state = self._checkpoints.newest(self._identity())
            if state is not None:
                self._take_over(state)
        # Equal steps have sum^2 = world_size * (sum of squares); others have less.
        steps = torch.tensor([self.step, self.step**2], dtype=torch.float64, device=self._device)
        self.group.sum(steps)
        if steps[0] ** 2 != self.group.world_size * steps[1]:
            raise RuntimeError(
                f"all ranks must resume from the same step, got {self.step} on rank "
                f"{self.group.rank}: they do not see the same checkpoint folder"
            )

    def _take_over(self, state: TrainingState) -> None:
        self._supernet.load_state_dict(dict(state.model))
        for name, parameter in self._supernet.named_parameters():
            momentum = state.optimizer[name].to(self._device, copy=True)
            self._optimizer.state[parameter]["momentum_buffer"] = momentum
        self.step = state.step
        self._sums = _Sums(*state.sums)

    def save(self) -> None:
        """Writes a checkpoint, on rank 0."""
        if self._checkpoints is None or self.group.rank != 0:
            return
        self._checkpoints.save(
            TrainingState(
                identity=self._identity(),
                step=self.step,
                sums=astuple(self._sums),
                model=self._supernet.state_dict(),
                optimizer=self._momentum(),
            )
        )

    def _momentum(self) -> dict[str, Tensor]:
        """Returns the optimizer's momentum by parameter name; empty before the first step."""
        states = {
            name: self._optimizer.state[parameter]
            for name, parameter in self._supernet.named_parameters()
        }
        return {name: state["momentum_buffer"] for name, state in states.items() if len(state) > 0}

    # --- steps ---------------------------------------------------------------------------------

    def advance(self, *, wants_stop: bool) -> bool:
        """Does one step.

        Returns:
            Whether any rank wanted to stop.
        """
        epoch, position = divmod(self.step, self.steps_per_epoch)
        if position == 0:
            self._sums = _Sums()
            if self._schedule.sort_epoch == epoch:
                self._supernet.sort_channels(self._momentum())
        if position == 0 or len(self._order) == 0:
            self._order = epoch_order(len(self._data.train), self._seed, epoch).to(self._device)
        rng = np.random.default_rng([self._seed, SCHEDULE_STREAM, self.step])
        subnets = self._schedule.step(self.step / self.steps_per_epoch, rng)
        images, labels = self._share(position)
        self._gradients.zero()
        losses, num_correct = self._backward(subnets, images, labels)
        is_stopping = self._reduce(subnets, losses, num_correct, wants_stop=wants_stop)
        for parameters in self._optimizer.param_groups:
            parameters["lr"] = learning_rate(self._settings, self.steps_per_epoch, self.step)
        self._optimizer.step()
        self.step += 1
        return is_stopping

    def _share(self, position: int) -> tuple[Tensor, Tensor]:
        """Returns this rank's normalized images and labels of the epoch's batch `position`."""
        batch = self._order[position * self._batch_size :][: self._batch_size]
        # The whole batch is augmented, so that the number of ranks changes no image.
        generator = augmentation_generator(self._seed, self.step)
        augmentation = self._settings.augmentation
        images = augment(self._data.train.images[batch], augmentation, generator)
        mine = slice(self.group.rank, None, self.group.world_size)
        return self._data.normalize(images[mine]), self._data.train.labels[batch[mine]]

    def _backward(
        self, subnets: Sequence[Subnet], images: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Adds up the gradients of all sub-networks.

        Returns:
            By sub-network: this rank's part of the mean loss over the whole batch, and how many of
            its images were classified rightly.
        """
        resized: dict[int, Tensor] = {}
        teacher: Tensor | None = None
        losses, num_correct = [], []
        for subnet in subnets:
            resolution = self._supernet.settings.resolution(subnet.architecture)
            if resolution not in resized:
                resized[resolution] = in_memory_format(
                    resize(images, resolution), channels_last=self._settings.channels_last
                )
            logits = self._logits(resized[resolution], subnet.architecture)
            if subnet.targets == "labels":
                smoothing = self._settings.label_smoothing
                loss = functional.cross_entropy(
                    logits, labels, reduction="sum", label_smoothing=smoothing
                )
                if subnet.distillation:
                    soft = self._soft_targets(images)
                    soft_loss = functional.cross_entropy(logits, soft, reduction="sum")
                    loss = loss + subnet.distillation * soft_loss
            else:
                assert teacher is not None, "the largest network comes before its students"
                loss = functional.cross_entropy(logits, teacher, reduction="sum")
            loss = loss / self._batch_size
            (loss * subnet.weight).backward()  # type: ignore[no-untyped-call]  # torch's lack
            if subnet.architecture == self._largest:
                teacher = logits.detach().softmax(1)
            losses.append(loss.detach())
            num_correct.append((logits.detach().argmax(1) == labels).sum())
        return torch.stack(losses), torch.stack(num_correct)

    def _soft_targets(self, images: Tensor) -> Tensor:
        """Returns the teacher's class probabilities of the images, as they are in the batch."""
        if self._teacher is None:
            raise ValueError("distillation must be 0 without a teacher, got a weight above it")
        with torch.no_grad():
            return self._teacher(images).float().softmax(1)

    def _logits(self, inputs: Tensor, architecture: Architecture) -> Tensor:
        is_bfloat16 = self._settings.precision == "bfloat16"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=is_bfloat16):
            logits: Tensor = self._supernet(inputs, architecture)
        return logits.float()

    def _reduce(
        self, subnets: Sequence[Subnet], losses: Tensor, num_correct: Tensor, *, wants_stop: bool
    ) -> bool:
        """Sums gradients, losses and the wish to stop over all ranks, in one all-reduce.

        Returns:
            Whether any rank wants to stop.

        Raises:
            DivergedError: a loss or a gradient is not finite.
        """
        on_labels = [subnet.targets == "labels" for subnet in subnets]
        mask = torch.tensor(on_labels, device=self._device)
        scalars = self._gradients.scalars
        scalars[0] = losses[mask].sum()
        scalars[1] = num_correct[mask].sum()
        scalars[2] = losses[~mask].sum()
        scalars[3] = float(wants_stop)
        self.group.sum(self._gradients.flat)
        norm = float(self._gradients.norm())
        label_loss, correct, distillation_loss, stopping = scalars.tolist()
        if not math.isfinite(label_loss + distillation_loss + norm):
            architectures = [subnet.architecture for subnet in subnets]
            raise DivergedError(self.step, architectures, losses.tolist())
        clip = self._settings.gradient_clip
        if clip is not None and norm > clip:
            self._gradients.scale(clip / norm)
        self._sums.label_loss += label_loss
        self._sums.num_correct += correct
        self._sums.num_on_labels += sum(on_labels)
        self._sums.distillation_loss += distillation_loss
        self._sums.num_distilled += len(subnets) - sum(on_labels)
        return bool(stopping > 0)

    def epoch_report(self) -> EpochReport:
        """Returns the report of the epoch that ended with the last step."""
        sums = self._sums
        distillation_loss = None
        if sums.num_distilled > 0:
            distillation_loss = sums.distillation_loss / sums.num_distilled
        return EpochReport(
            epoch=self.step // self.steps_per_epoch,
            num_epochs=self._settings.epochs,
            step=self.step,
            num_steps=self.num_steps,
            learning_rate=learning_rate(self._settings, self.steps_per_epoch, self.step - 1),
            label_loss=sums.label_loss / sums.num_on_labels,
            label_top1_percent=100 * sums.num_correct / (sums.num_on_labels * self._batch_size),
            distillation_loss=distillation_loss,
        )


def _check_fit(supernet: Supernet, data: TensorData) -> None:
    channels, num_classes = supernet.settings.input_channels, supernet.settings.num_classes
    if data.train.images.shape[1] != channels:
        raise ValueError(
            f"input_channels must be {data.train.images.shape[1]}, the channels of the data set's "
            f"images, got {channels}"
        )
    if num_classes < data.num_classes:
        raise ValueError(
            f"num_classes must be at least {data.num_classes}, the classes of the data set, "
            f"got {num_classes}"
        )

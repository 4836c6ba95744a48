"""The one training loop: sub-networks of a schedule, summed gradients, one optimizer step.

Everything drawn at random is a function of the seed and the step, so a training that stops and
resumes is bitwise equal to one that does not, and every rank draws the same. Ranks differ only in
the share of each batch that they see.
"""

import math
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import numpy as np
import torch

from supernet.averages import WeightAverage
from supernet.base import Supernet
from supernet.checkpoints import CheckpointFolder, TrainingState
from supernet.data import (
    SCHEDULE_STREAM,
    TensorData,
    augment,
    augmentation_generator,
    epoch_order,
    mix,
)
from supernet.elastic import ElasticBatchNorm2d
from supernet.gradients import GradientBuffer
from supernet.groups import Alone, Group
from supernet.optimizer import (
    build_optimizer,
    load_optimizer_state,
    moments,
    optimizer_state,
    set_rate,
)
from supernet.passes import Batch, Passes, PassSums
from supernet.reports import DivergedError, EpochReport, EpochSums
from supernet.schedules.base import InvalidTrainingError, Step
from supernet.settings import TrainingSettings
from supernet.teachers import FrozenLargest, Teacher


def train(
    supernet: Supernet,
    data: TensorData,
    settings: TrainingSettings,
    *,
    seed: int,
    checkpoints: CheckpointFolder | None = None,
    group: Group | None = None,
    teacher: Teacher | None = None,
    report: Callable[[EpochReport], None] = lambda _: None,
    on_step: Callable[[Step], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
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
        teacher: what `single` distils from, on the supernet's device; other schedules need none.
        report: called on every rank after every epoch, with equal reports.
        on_step: called on every rank before every step, with what it trains.
        should_stop: polled on rank 0 once per step. When it says so, all ranks stop after the same
            step and a checkpoint is written.

    Returns:
        Whether the training is complete; False when it was stopped.

    Raises:
        ValueError: data and space do not fit, or the settings fit neither them nor the number of
            ranks, or need a teacher that is not given (an InvalidTrainingError, with the field).
        DivergedError: on every rank, when a loss or a gradient is not finite.
        CheckpointMismatchError: the newest checkpoint is of another training.
        CheckpointWriteError: a checkpoint could not be written.
        InvalidArchitectureError: the schedule's architecture is not of the space.
    """
    training = _Training(
        supernet, data, settings, seed, checkpoints, group or Alone(), teacher, on_step
    )
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
    if training.step < training.num_steps:
        return False
    training.finish()
    return True


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
        teacher: Teacher | None,
        on_step: Callable[[Step], None],
    ) -> None:
        _check_fit(supernet, data)
        self._supernet = supernet.train()
        if settings.frozen_batch_norm:
            _freeze_statistics(supernet)
        self._data = data
        self._settings = settings
        self._seed = seed
        self._checkpoints = checkpoints
        self._on_step = on_step
        self.group = group
        self._schedule = settings.build_schedule(
            supernet.settings, supernet.space, len(data.train), group.world_size
        )
        self.steps_per_epoch = len(data.train) // settings.batch_size
        self.num_steps = settings.epochs * self.steps_per_epoch
        self.step = 0
        self._sums = EpochSums()
        self._device = next(supernet.parameters()).device
        self._order = torch.empty(0, dtype=torch.int64)
        self._gradients = GradientBuffer(supernet, num_scalars=4)
        self._optimizer = build_optimizer(supernet, settings, self._schedule.rate_scale)
        self._scaler = torch.amp.GradScaler(
            self._device.type, enabled=settings.precision == "float16"
        )
        self._average = (
            WeightAverage(supernet, settings.ema_decay) if settings.ema_decay is not None else None
        )
        self._passes = Passes(supernet, settings, self._schedule, settings.batch_size)
        self._passes.teacher = teacher
        self._own_teacher: FrozenLargest | None = None
        if self._schedule.needs_teacher and teacher is None:
            rule = "needs a teacher: a trained supernet"
            raise InvalidTrainingError("schedule.distillation", rule, None)

    # --- checkpoints ---------------------------------------------------------------------------

    def _identity(self) -> dict[str, Any]:
        """Returns what a checkpoint must agree in to be resumed from."""
        return {
            "space": self._supernet.space.digest,
            "settings": self._settings.model_dump(mode="json"),
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
        load_optimizer_state(self._optimizer, self._supernet, state.optimizer)
        if state.teacher:
            self._keep_teacher().load_state_dict(state.teacher)
        if self._average is not None:
            self._average.load(state.average)
        self._scaler.load_state_dict(dict(state.loss_scale))
        self.step = state.step
        self._sums = EpochSums(*state.sums)

    def save(self) -> None:
        """Writes a checkpoint, on rank 0."""
        if self._checkpoints is None or self.group.rank != 0:
            return
        teacher = self._own_teacher
        self._checkpoints.save(
            TrainingState(
                identity=self._identity(),
                step=self.step,
                sums=astuple(self._sums),
                loss_scale=self._scaler.state_dict(),
                model=self._supernet.state_dict(),
                optimizer=optimizer_state(self._optimizer, self._supernet),
                average={} if self._average is None else self._average.tensors,
                teacher={} if teacher is None else teacher.state_dict(),
            )
        )

    def finish(self) -> None:
        """Leaves the weights that the training is for."""
        if self._average is not None:
            self._average.apply()

    # --- steps ---------------------------------------------------------------------------------

    def advance(self, *, wants_stop: bool) -> bool:
        """Does one step.

        Returns:
            Whether any rank wanted to stop.
        """
        epoch, position = divmod(self.step, self.steps_per_epoch)
        if position == 0:
            self._sums = EpochSums()
        if position == 0 or len(self._order) == 0:
            self._order = epoch_order(len(self._data.train), self._seed, epoch).to(self._device)
        for action in self._schedule.actions(self.step):
            if action == "sort_channels":
                self._sort_channels()
            else:
                self._keep_teacher()
        rng = np.random.default_rng([self._seed, SCHEDULE_STREAM, self.step])
        step = self._schedule.step(self.step, rng)
        self._on_step(step)
        self._gradients.zero()
        done = self._passes.run(step, self._share(position), self._scaler.scale)
        is_stopping = self._reduce(step, done, wants_stop=wants_stop)
        self.step += 1
        return is_stopping

    def _sort_channels(self) -> None:
        companions = moments(optimizer_state(self._optimizer, self._supernet))
        if self._average is not None:
            companions.append(self._average.tensors)
        trained = self._schedule.trained_widths(self.step)
        self._supernet.sort_channels(*companions, trained=trained)

    def _keep_teacher(self) -> FrozenLargest:
        channels_last = self._settings.channels_last
        self._own_teacher = FrozenLargest(self._supernet, channels_last=channels_last)
        self._passes.teacher = self._own_teacher
        return self._own_teacher

    def _share(self, position: int) -> Batch:
        """Returns this rank's part of the epoch's batch `position`."""
        batch_size = self._settings.batch_size
        batch = self._order[position * batch_size :][:batch_size]
        # The whole batch is augmented, so that the number of ranks changes no image.
        generator = augmentation_generator(self._seed, self.step)
        settings = self._settings.augmentation
        images = augment(self._data.train.images[batch], settings, generator)
        labels, soft_labels = self._data.train.labels[batch], None
        if settings.mixes:
            num_classes = self._supernet.settings.num_classes
            images, soft_labels = mix(images, labels, num_classes, settings, generator)
        mine = slice(self.group.rank, None, self.group.world_size)
        return Batch(
            self._data.normalize(images[mine]),
            labels[mine],
            torch.arange(len(batch))[mine],
            None if soft_labels is None else soft_labels[mine],
        )

    def _reduce(self, step: Step, done: PassSums, *, wants_stop: bool) -> bool:
        """Sums gradients, losses and the wish to stop over all ranks, and updates the weights.

        Returns:
            Whether any rank wants to stop.

        Raises:
            DivergedError: a loss or a gradient is not finite.
        """
        scalars = self._gradients.scalars
        # Not scaled: the gradients' scale is taken from the gradients alone.
        scalars[0], scalars[1] = done.label_loss, done.num_correct
        scalars[2], scalars[3] = done.distillation_loss, float(wants_stop)
        self.group.sum(self._gradients.flat)
        label_loss, num_correct, distillation_loss, stopping = scalars.tolist()
        self._scaler.unscale_(self._optimizer)
        norm = float(self._gradients.norm())
        if math.isfinite(label_loss + distillation_loss + norm):
            self._sums.label_loss += label_loss
            self._sums.num_correct += num_correct
            losses = [loss for subnet in step.subnets for loss in subnet.losses]
            num_on_labels = sum(loss.targets == "labels" for loss in losses)
            self._sums.num_on_labels += 1 if step.is_divided else num_on_labels
            self._sums.distillation_loss += distillation_loss
            self._sums.num_distilled += len(losses) - num_on_labels
        elif math.isfinite(label_loss + distillation_loss) and self._scaler.get_scale() > 1:
            self._sums.num_skipped += 1  # the scale was too large for half precision: it shrinks
        else:
            architectures = [subnet.architecture for subnet in step.subnets]
            newest = self._checkpoints.newest_name() if self._checkpoints is not None else None
            raise DivergedError(self.step, architectures, done.losses.tolist(), newest)
        self._update(norm)
        return bool(stopping > 0)

    def _update(self, norm: float) -> None:
        """Moves the weights by the gradient, whose norm is given, unless it overflowed."""
        clip = self._settings.gradient_clip
        if clip is not None and norm > clip and math.isfinite(norm):
            self._gradients.scale(clip / norm)
        set_rate(self._optimizer, self._schedule.learning_rate(self.step))
        self._scaler.step(self._optimizer)
        self._scaler.update()
        if self._average is not None:
            self._average.update(self.step)

    def epoch_report(self) -> EpochReport:
        """Returns the report of the epoch that ended with the last step."""
        sums = self._sums
        return EpochReport(
            epoch=self.step // self.steps_per_epoch,
            num_epochs=self._settings.epochs,
            step=self.step,
            num_steps=self.num_steps,
            phase=self._schedule.phase(self.step - 1),
            learning_rate=self._schedule.learning_rate(self.step - 1),
            label_loss=sums.mean_label_loss(),
            label_top1_percent=sums.top1_percent(self._settings.batch_size),
            distillation_loss=sums.mean_distillation_loss(),
            skipped_steps=int(sums.num_skipped),
        )


def _freeze_statistics(supernet: Supernet) -> None:
    for module in supernet.modules():
        if isinstance(module, ElasticBatchNorm2d):
            module.eval()


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

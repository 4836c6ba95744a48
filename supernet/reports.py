"""What a training tells: a report per epoch, and why it diverged."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from search_space.space import Architecture


class DivergedError(RuntimeError):
    """The loss or the gradient is not finite any more; the weights are those before the step.

    Attributes:
        step: the step that went wrong, from 0.
        architectures: its sub-networks.
        losses: their losses, as far as this rank's images add to them.
        checkpoint: the file name of the newest checkpoint, which is from before; None without one.
    """

    def __init__(
        self,
        step: int,
        architectures: Sequence[Architecture],
        losses: Sequence[float],
        checkpoint: str | None = None,
    ) -> None:
        # All arguments, so that it can be sent between processes.
        super().__init__(step, architectures, losses, checkpoint)
        self.step = step
        self.architectures = tuple(architectures)
        self.losses = tuple(losses)
        self.checkpoint = checkpoint

    def __str__(self) -> str:
        each = ", ".join(
            f"{architecture.digest} (loss {loss:.4g}) {json.dumps(dict(architecture))}"
            for loss, architecture in zip(self.losses, self.architectures, strict=True)
        )
        return (
            f"losses and gradients must be finite, got others at step {self.step}; the last good "
            f"checkpoint is {self.checkpoint or 'none'}; the step trained {each}"
        )


@dataclass(frozen=True)
class EpochReport:
    """What an epoch came to, over the batches of all ranks.

    Attributes:
        epoch: its number, from 1.
        num_epochs: of the whole training.
        step: steps done.
        num_steps: of the whole training.
        phase: of the schedule, in the last step; "" where there is only one.
        learning_rate: of the last step.
        label_loss: mean loss on labels of the sub-networks that train on them.
        label_top1_percent: share of the (augmented) training images that those classify rightly.
        distillation_loss: mean soft loss of the sub-networks that train on the outputs of another;
            None where there were none.
        skipped_steps: steps of the epoch that half precision overflowed and that changed nothing.
    """

    epoch: int
    num_epochs: int
    step: int
    num_steps: int
    phase: str
    learning_rate: float
    label_loss: float
    label_top1_percent: float
    distillation_loss: float | None
    skipped_steps: int = 0


@dataclass
class EpochSums:
    """Sums over the steps of an epoch so far, over the batches of all ranks.

    Attributes:
        label_loss: of losses on labels.
        num_correct: of images classified rightly by sub-networks that train on labels.
        num_on_labels: of passes of the whole batch that had labels.
        distillation_loss: of soft losses.
        num_distilled: of passes that had soft targets.
        num_skipped: of steps that changed nothing.
    """

    label_loss: float = 0.0
    num_correct: float = 0.0
    num_on_labels: float = 0.0
    distillation_loss: float = 0.0
    num_distilled: float = 0.0
    num_skipped: float = 0.0

    def mean_label_loss(self) -> float:
        """Returns the mean loss on labels; 0 if every step overflowed."""
        return self.label_loss / max(self.num_on_labels, 1)

    def top1_percent(self, batch_size: int) -> float:
        """Returns the share of training images classified rightly."""
        return 100 * self.num_correct / (max(self.num_on_labels, 1) * batch_size)

    def mean_distillation_loss(self) -> float | None:
        """Returns the mean soft loss; None if there was none."""
        return self.distillation_loss / self.num_distilled if self.num_distilled > 0 else None

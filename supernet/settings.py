"""What a user may choose about training and evaluating a supernet; imports no torch."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from search_space.family import NetworkSettings
from search_space.masking import MaskError, can_mask
from search_space.space import SearchSpace
from search_space.stitching import StitchSettings
from supernet.augmentation_settings import AugmentationSettings
from supernet.schedules.base import Horizon, InvalidTrainingError, Schedule
from supernet.schedules.multi_architecture import MultiArchitectureSettings
from supernet.schedules.sandwich import SandwichSettings
from supernet.schedules.settings import ScheduleSettings
from supernet.schedules.stitching import StitchingSettings

Precision = Literal["float32", "bfloat16"]
TrainingPrecision = Literal["float32", "bfloat16", "float16"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class TrainingSettings(BaseModel):
    """How a supernet is trained.

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step, over all workers together.
        optimizer: "sgd" with Nesterov momentum, or "adamw" (Loshchilov and Hutter 2019, arXiv
            1711.05101; betas 0.9 and 0.999).
        learning_rate: at its peak, after the warm-up.
        warmup_epochs: over which the rate rises linearly from nearly 0.
        momentum: of Nesterov's kind; sgd only.
        weight_decay: of convolution and linear weights; not of biases, norms and kernel transforms.
        label_smoothing: share of each label that is spread over all classes.
        gradient_clip: largest allowed L2 norm of the summed gradient; None never clips.
        accumulation_steps: parts in which each worker runs its share of a batch, one after another:
            less memory, the same update but for batch norms, which then see the parts.
        ema_decay: of a running average of the weights, which the training ends with; None keeps
            none and ends with the last weights.
        precision: in which convolutions and linear layers compute. "bfloat16" and "float16" are
            torch's autocast; with "float16" losses are scaled so that small gradients survive, and
            a step that overflows is left out.
        compile: whether networks that recur in every step are compiled (torch.compile).
        activation_checkpointing: whether activations are computed again in the backward pass
            instead of kept: less memory, about a third more time.
        frozen_batch_norm: whether batch norms normalize by their running statistics and leave them
            as they are.
        channels_last: whether images are stored with their channels last, which the convolutions of
            a CPU prefer.
        schedule: which architectures each step trains.
        augmentation: of the training images.
        checkpoint_every_epochs: how often a checkpoint is written; the end always writes one.
        kept_checkpoints: how many of them are kept while the training runs, the newest; the second
            serves where the first is damaged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=60, ge=1, le=100_000)
    batch_size: int = Field(default=64, ge=1, le=65_536)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Positive = 0.1
    warmup_epochs: NonNegative = 2.0
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: NonNegative = 3e-5
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    gradient_clip: Positive | None = None
    accumulation_steps: int = Field(default=1, ge=1, le=1024)
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    precision: TrainingPrecision = "float32"
    compile: bool = False
    activation_checkpointing: bool = False
    frozen_batch_norm: bool = False
    channels_last: bool = True
    schedule: ScheduleSettings = SandwichSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    checkpoint_every_epochs: int = Field(default=1, ge=1, le=100_000)
    kept_checkpoints: int = Field(default=2, ge=1, le=1000)

    def build_schedule(
        self, network: NetworkSettings, space: SearchSpace, num_images: int, num_workers: int
    ) -> Schedule:
        """Returns the schedule of a training on so many images.

        Args:
            network: settings of the family.
            space: its space, or what is left of it.
            num_images: training images.
            num_workers: among which each batch is divided.

        Raises:
            InvalidTrainingError: the batch is larger than the data or too small for what shares it,
                the schedule does not fit the family, the space or the epochs, or settings exclude
                each other.
            InvalidArchitectureError: the schedule's architecture is not of the space.
        """
        self.check_batch(num_images, num_workers)
        if self.compile and self.activation_checkpointing:
            rule = "must be off with compile: compiled networks keep what they choose to"
            raise InvalidTrainingError("activation_checkpointing", rule, value=True)
        if isinstance(self.schedule, MultiArchitectureSettings):
            self._check_division(self.schedule, network, space)
        horizon = Horizon(
            self.epochs, num_images // self.batch_size, self.learning_rate, self.warmup_epochs
        )
        if isinstance(self.schedule, StitchingSettings):
            return self.schedule.build(space, horizon, self._stitched(self.schedule, network))
        return self.schedule.build(space, horizon)

    def _stitched(self, schedule: StitchingSettings, network: NetworkSettings) -> StitchSettings:
        """Returns the family as what it is, if its networks are stitched.

        Raises:
            InvalidTrainingError: they are not, or the settings exclude this.
        """
        if not isinstance(network, StitchSettings):
            rule = f"needs a space of the kind stitch, not {network.kind}"
            raise InvalidTrainingError("schedule.kind", rule, schedule.kind)
        self._check_recurring(schedule.kind)
        return network

    def _check_division(
        self, schedule: MultiArchitectureSettings, network: NetworkSettings, space: SearchSpace
    ) -> None:
        """Returns if batches can be divided among networks in one pass.

        Raises:
            InvalidTrainingError: they cannot.
        """
        try:
            can_mask(network, space)
        except MaskError as error:
            rule = f"must fit the family ({error})"
            raise InvalidTrainingError("schedule.kind", rule, schedule.kind) from error
        if schedule.num_architectures > self.batch_size:
            rule = f"must be at most batch_size ({self.batch_size}): each has images of its own"
            raise InvalidTrainingError(
                "schedule.num_architectures", rule, schedule.num_architectures
            )
        self._check_recurring(schedule.kind)

    def _check_recurring(self, kind: str) -> None:
        """Returns unless networks are to be compiled of which none recurs.

        Raises:
            InvalidTrainingError: they are.
        """
        if self.compile:
            rule = f"must be off with {kind}, where no network recurs"
            raise InvalidTrainingError("compile", rule, value=True)

    def check_batch(self, num_images: int, num_workers: int = 1) -> None:
        """Returns if there is a batch for every step, and images for every part of it.

        Args:
            num_images: training images.
            num_workers: that train together, each on its share of a batch.

        Raises:
            InvalidTrainingError: the batch is larger than the data, or a part of it has less than
                two images, of which batch norms estimate no variance.
        """
        if self.batch_size > num_images:
            rule = f"must be at most {num_images}, the number of training images"
            raise InvalidTrainingError("batch_size", rule, self.batch_size)
        if self.batch_size // num_workers // self.accumulation_steps < 2:
            rule = (
                f"must give each of {num_workers} workers at least 2 images in each of "
                f"{self.accumulation_steps} accumulation_steps"
            )
            raise InvalidTrainingError("batch_size", rule, self.batch_size)

    @classmethod
    def preset(cls, name: Literal["digits"], **overrides: Any) -> Self:
        """Returns the recommended settings for the space preset of that name, some replaced."""
        return cls.model_validate({**TRAINING_PRESETS[name], **overrides})


TRAINING_PRESETS: dict[str, dict[str, Any]] = {
    "digits": {
        "epochs": 60,
        "learning_rate": 0.25,
        "weight_decay": 5e-4,
        "augmentation": {"crop_padding": 1},
    },
}


class AccuracySettings(BaseModel):
    """How a network's accuracy is found; part of the key under which results are reused.

    Attributes:
        split: which images are classified.
        calibration_images: training images, unaugmented, on which batch-norm statistics are
            estimated anew; all of them where there are fewer.
        calibration_seed: draws those images.
        batch_size: images at once, in calibration and evaluation.
        precision: in which convolutions and linear layers compute.
        channels_last: as in training.
        successive: whether the evaluation of a network may end as soon as it is proved that it
            cannot reach the front. Belongs to the settings only where it is chosen: evaluators
            without keep their digests.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["accuracy"] = "accuracy"
    split: Literal["train", "validation", "test"] = "validation"
    calibration_images: int = Field(default=512, ge=2, le=1_000_000)
    calibration_seed: int = Field(default=0, ge=0, lt=2**63)
    batch_size: int = Field(default=256, ge=2, le=65_536)
    precision: Precision = "float32"
    channels_last: bool = True
    successive: bool = Field(default=False, exclude_if=lambda chosen: not chosen)

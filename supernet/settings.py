"""What a user may choose about training and evaluating a supernet; imports no torch."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from search_space.space import SearchSpace
from supernet.schedules import Sandwich, Schedule, Single

Precision = Literal["float32", "bfloat16"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class SandwichSettings(BaseModel):
    """The sandwich rule with in-place distillation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sandwich"] = "sandwich"
    num_random: int = Field(
        default=2, ge=0, le=64, description="Random networks per step, beside both extremes."
    )
    largest_only_epochs: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Epochs at the start that train the largest network alone; its channels are "
        "then sorted by importance, once.",
    )

    def build(self, space: SearchSpace) -> Schedule:
        """Returns the schedule over a space."""
        return Sandwich(space, self.num_random, self.largest_only_epochs or None)


class SingleSettings(BaseModel):
    """One architecture, trained on the labels and, where `distillation` is above 0, on a teacher.

    Attributes:
        architecture: the only one.
        distillation: weight of the soft cross-entropy against the teacher's outputs, beside the
            loss on the labels; 0 needs no teacher.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["single"] = "single"
    architecture: dict[str, StrictInt | StrictFloat | StrictStr]
    distillation: NonNegative = 0.0

    def build(self, space: SearchSpace) -> Schedule:
        """Returns the schedule over a space.

        Raises:
            InvalidArchitectureError: the architecture is not of the space.
        """
        return Single(space.validate(self.architecture), self.distillation)


ScheduleSettings = Annotated[SandwichSettings | SingleSettings, Field(discriminator="kind")]


class AugmentationSettings(BaseModel):
    """What is done to training images, each drawn per image and epoch.

    Attributes:
        crop_padding: pixels added on every side before a random crop to the old size; 0 for none.
        flip: whether half of the images are mirrored left to right.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop_padding: int = Field(default=0, ge=0, le=64)
    flip: bool = False


class TrainingSettings(BaseModel):
    """How a supernet is trained: SGD with Nesterov momentum, warm-up, cosine.

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step, over all workers together.
        learning_rate: at its peak, after the warm-up.
        warmup_epochs: over which the rate rises linearly from nearly 0.
        momentum: of Nesterov's kind.
        weight_decay: of convolution and linear weights; not of biases, batch norms and kernel
            transforms.
        label_smoothing: share of each label that is spread over all classes.
        gradient_clip: largest allowed L2 norm of the summed gradient; None never clips.
        precision: in which convolutions and linear layers compute ("bfloat16": autocast).
        channels_last: whether images are stored with their channels last, which the convolutions of
            a CPU prefer.
        schedule: which architectures each step trains.
        augmentation: of the training images.
        checkpoint_every_epochs: how often a checkpoint is written; the end always writes one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=60, ge=1, le=100_000)
    batch_size: int = Field(default=64, ge=1, le=65_536)
    learning_rate: Positive = 0.1
    warmup_epochs: NonNegative = 2.0
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: NonNegative = 3e-5
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    gradient_clip: Positive | None = None
    precision: Precision = "float32"
    channels_last: bool = True
    schedule: ScheduleSettings = SandwichSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    checkpoint_every_epochs: int = Field(default=1, ge=1, le=100_000)

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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["accuracy"] = "accuracy"
    split: Literal["train", "validation", "test"] = "validation"
    calibration_images: int = Field(default=512, ge=2, le=1_000_000)
    calibration_seed: int = Field(default=0, ge=0, lt=2**63)
    batch_size: int = Field(default=256, ge=2, le=65_536)
    precision: Precision = "float32"
    channels_last: bool = True

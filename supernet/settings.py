"""What a user may choose about training and evaluating a supernet; imports no torch."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
)

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
    """One architecture, trained on the labels alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["single"] = "single"
    architecture: dict[str, StrictInt | StrictFloat | StrictStr]

    def build(self, space: SearchSpace) -> Schedule:
        """Returns the schedule over a space.

        Raises:
            InvalidArchitectureError: the architecture is not of the space.
        """
        return Single(space.validate(self.architecture))


ScheduleSettings = Annotated[SandwichSettings | SingleSettings, Field(discriminator="kind")]


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("must be a range: its first number not above its second")
    return bounds


Share = Annotated[float, Field(gt=0, le=1)]
Shares = Annotated[tuple[Share, Share], AfterValidator(_ascending)]
Ratios = Annotated[tuple[Positive, Positive], AfterValidator(_ascending)]
Strength = Annotated[float, Field(ge=0, le=1)]


class RandomResizedCropSettings(BaseModel):
    """A random rectangle of each image, stretched to the old size (Szegedy et al. 2015, section 6).

    Attributes:
        scale: range of the rectangle's area, as a share of the image's; uniform.
        ratio: range of its width over its height; its logarithm is uniform.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Shares = (0.08, 1.0)
    ratio: Ratios = (3 / 4, 4 / 3)


class ColourJitterSettings(BaseModel):
    """How far colours move at random, each image by factors of its own.

    Attributes:
        brightness: factors from 1 - brightness to 1 + brightness multiply all pixels.
        contrast: likewise the distances from the image's mean grey.
        saturation: likewise the distances from each pixel's grey; images of 3 channels only.
        hue: turns of the colour wheel, from -hue to hue; images of 3 channels only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    brightness: Strength = 0.0
    contrast: Strength = 0.0
    saturation: Strength = 0.0
    hue: float = Field(default=0.0, ge=0, le=0.5)


class ErasingSettings(BaseModel):
    """A random rectangle of some images loses its content (Zhong et al. 2020, algorithm 1).

    Attributes:
        probability: of an image to be erased.
        scale: range of the rectangle's area, as a share of the image's; uniform.
        ratio: range of its width over its height; its logarithm is uniform.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    probability: float = Field(default=0.5, gt=0, le=1)
    scale: Shares = (0.02, 0.33)
    ratio: Ratios = (0.3, 1 / 0.3)


class AugmentationSettings(BaseModel):
    """What is done to training images, each drawn per image and epoch, in this order.

    Mixing is drawn per batch. Where both kinds are on, a fair coin chooses for every batch.

    Attributes:
        crop_padding: pixels added on every side before a random crop to the old size; 0 for none.
        random_resized_crop: a random rectangle, stretched to the old size; None for none.
        flip: whether half of the images are mirrored left to right.
        colour_jitter: random brightness, contrast, saturation and hue; None for none.
        erasing: a random rectangle is blotted out; None for none.
        mixup_alpha: of the symmetric beta distribution of mixup's weights (Zhang et al. 2018);
            0 for no mixup.
        cutmix_alpha: of that of cutmix's areas (Yun et al. 2019); 0 for no cutmix.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop_padding: int = Field(default=0, ge=0, le=64)
    random_resized_crop: RandomResizedCropSettings | None = None
    flip: bool = False
    colour_jitter: ColourJitterSettings | None = None
    erasing: ErasingSettings | None = None
    mixup_alpha: float = Field(default=0.0, ge=0, le=100)
    cutmix_alpha: float = Field(default=0.0, ge=0, le=100)


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

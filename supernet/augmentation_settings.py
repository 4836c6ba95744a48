"""What a user may choose about the augmentation of training images; imports no torch."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


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

    @property
    def mixes(self) -> bool:
        """Whether images are mixed, and their labels with them."""
        return self.mixup_alpha > 0 or self.cutmix_alpha > 0

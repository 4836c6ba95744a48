"""Random changes of whole batches of images, each one operation per batch.

Every random number is drawn by a generator on the CPU, so that all devices draw the same. Images
are uint8 and stay so; arithmetic is float32 and is rounded once, where an operation ends.

Tensors carry their shape as a suffix: B batch, C channels, H height, W width, A attempts.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from supernet.augmentation_settings import (
    ColourJitterSettings,
    ErasingSettings,
    RandomResizedCropSettings,
)

NUM_ATTEMPTS = 10
"""How often a rectangle is drawn before one that does not fit is given up, as in torchvision."""

_GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Of red, green and blue in the luma of ITU-R BT.601."""

_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
"""From red, green and blue to luma and the two axes of the colour wheel (NTSC 1953)."""


@dataclass(frozen=True)
class Boxes:
    """One rectangle per image, all int64 of shape (B,), in pixels.

    Attributes:
        top: first row.
        left: first column.
        height: number of rows, at least 1.
        width: number of columns, at least 1.
        fits: whether a rectangle as wanted was found; where not, it is the whole image.
    """

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    fits: Tensor

    def to(self, device: torch.device) -> "Boxes":
        """Returns the boxes on a device."""
        parts = (self.top, self.left, self.height, self.width, self.fits)
        return Boxes(*(part.to(device) for part in parts))

    def mask(self, height: int, width: int) -> Tensor:
        """Returns bools of shape (B, 1, height, width): whether a pixel is inside."""
        rows_H = torch.arange(height, device=self.top.device)
        columns_W = torch.arange(width, device=self.top.device)
        top_B1, left_B1 = self.top[:, None], self.left[:, None]
        inside_BH = (rows_H >= top_B1) & (rows_H < top_B1 + self.height[:, None])
        inside_BW = (columns_W >= left_B1) & (columns_W < left_B1 + self.width[:, None])
        return inside_BH[:, None, :, None] & inside_BW[:, None, None, :]


def draw_boxes(
    count: int,
    size: tuple[int, int],
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: torch.Generator,
) -> Boxes:
    """Draws rectangles inside images, on the CPU.

    The area is uniform, the logarithm of the ratio is uniform, and the place is uniform among those
    inside. Sides are rounded to whole pixels, so area and ratio are off by up to half a pixel a
    side. Of `NUM_ATTEMPTS` rectangles per image the first that fits is taken.

    Args:
        count: number of images.
        size: (height, width) of each.
        scale: range of the area, as a share of the image's.
        ratio: range of width over height.
        generator: on the CPU.
    """
    height, width = size
    uniform_AB = torch.rand(2, NUM_ATTEMPTS, count, generator=generator)
    area_AB = height * width * (scale[0] + (scale[1] - scale[0]) * uniform_AB[0])
    low, high = math.log(ratio[0]), math.log(ratio[1])
    ratio_AB = torch.exp(low + (high - low) * uniform_AB[1])
    widths_AB = (area_AB * ratio_AB).sqrt().round().long()
    heights_AB = (area_AB / ratio_AB).sqrt().round().long()
    fits_AB = (widths_AB >= 1) & (widths_AB <= width) & (heights_AB >= 1) & (heights_AB <= height)
    first_1B = fits_AB.int().argmax(0, keepdim=True)  # the first of equal maxima
    fits = fits_AB.any(0)
    box_width = torch.where(fits, widths_AB.gather(0, first_1B)[0], width)
    box_height = torch.where(fits, heights_AB.gather(0, first_1B)[0], height)
    place_2B = torch.rand(2, count, generator=generator, dtype=torch.float64)
    top = (place_2B[0] * (height - box_height + 1)).long()
    left = (place_2B[1] * (width - box_width + 1)).long()
    return Boxes(top, left, box_height, box_width, fits)


def pad_and_crop(images_BCHW: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Returns random windows of the images' size out of the images, padded with 0."""
    count, _, height, width = images_BCHW.shape
    device = images_BCHW.device
    padded = functional.pad(images_BCHW, (padding,) * 4)
    rows_B, columns_B = torch.randint(2 * padding + 1, (2, count), generator=generator).to(device)
    # All windows as a view, of which one per image is copied: row by row, not pixel by pixel.
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(count, device=device), :, rows_B, columns_B]


def flip(images_BCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Returns the images, each mirrored left to right with probability 1/2."""
    flipped = torch.rand(len(images_BCHW), generator=generator) < 0.5
    flipped_B111 = flipped.to(images_BCHW.device)[:, None, None, None]
    return torch.where(flipped_B111, images_BCHW.flip(3), images_BCHW)


def random_resized_crop(
    images_BCHW: Tensor, settings: RandomResizedCropSettings, generator: torch.Generator
) -> Tensor:
    """Returns a random rectangle of each image, stretched to the images' size, bilinear.

    Szegedy et al. 2015 (arXiv:1409.4842), section 6. Where no rectangle fits, the whole image is
    taken. A rectangle is never larger than the image, so nothing shrinks and no filter against
    aliases is needed.
    """
    size = (images_BCHW.shape[2], images_BCHW.shape[3])
    count = len(images_BCHW)
    boxes = draw_boxes(count, size, settings.scale, settings.ratio, generator)
    return stretch(images_BCHW, boxes)


def stretch(images_BCHW: Tensor, boxes: Boxes) -> Tensor:
    """Returns the boxes of the images, each stretched to the images' size, bilinear.

    Equal to cutting every box out and resizing it alone (`interpolate` with `align_corners=False`):
    pixels outside of the box never bleed in.
    """
    _, _, height, width = images_BCHW.shape
    boxes = boxes.to(images_BCHW.device)
    y_BH = _sample_points(boxes.top, boxes.height, height)
    x_BW = _sample_points(boxes.left, boxes.width, width)
    grid_BHW2 = torch.stack(
        (
            x_BW[:, None, :].expand(-1, height, -1),
            y_BH[:, :, None].expand(-1, -1, width),
        ),
        dim=3,
    )
    found = functional.grid_sample(
        images_BCHW.float(), grid_BHW2, "bilinear", "border", align_corners=False
    )
    return _as_bytes(found)


def _sample_points(start_B: Tensor, length_B: Tensor, size: int) -> Tensor:
    """Returns where each output pixel looks along one axis, (B, size), the image from -1 to 1."""
    start_B1, length_B1 = start_B[:, None].float(), length_B[:, None].float()
    centres = torch.arange(size, device=start_B.device) + 0.5
    # Between the centres of the box's outer pixels, so that no neighbour outside takes part.
    inside = (centres * length_B1 / size - 0.5).clamp(min=0).minimum(length_B1 - 1)
    return (2 * (start_B1 + inside) + 1) / size - 1


def colour_jitter(
    images_BCHW: Tensor, settings: ColourJitterSettings, generator: torch.Generator
) -> Tensor:
    """Returns images whose brightness, contrast, saturation and hue have moved, in this order.

    Each of the four is linear in the colours, so together they are one matrix and one offset per
    image. We differ from torchvision in three ways: the order is fixed, values are clipped at the
    end only, and hue turns in the plane of YIQ instead of through HSV. Greys stay grey under the
    last two, which are left out where images do not have 3 channels.
    """
    count, channels = images_BCHW.shape[:2]
    device = images_BCHW.device
    draws_4B = torch.rand(4, count, generator=generator) * 2 - 1
    strengths = (settings.brightness, settings.contrast, settings.saturation, settings.hue)
    brightness, contrast, saturation, hue = (
        (strength * draw_B).to(device) for strength, draw_B in zip(strengths, draws_4B, strict=True)
    )
    brightness, contrast, saturation = 1 + brightness, 1 + contrast, 1 + saturation
    images = images_BCHW.float()
    grey_C = images.new_tensor(_GREY_WEIGHTS if channels == 3 else [1 / channels] * channels)
    mean_grey_B = images.mean((2, 3)) @ grey_C
    offset_B = (1 - contrast) * brightness * mean_grey_B
    scale_B = brightness * contrast
    if channels == 3:
        matrix_B33 = scale_B[:, None, None] * hue_matrix(hue) @ _saturation_matrix(saturation)
        images = torch.einsum("bdc,bchw->bdhw", matrix_B33, images)
    else:
        images = images * scale_B[:, None, None, None]
    return _as_bytes(images + offset_B[:, None, None, None])


def _saturation_matrix(factor_B: Tensor) -> Tensor:
    """Returns matrices (B, 3, 3) that scale the distance from grey."""
    grey_33 = factor_B.new_tensor([_GREY_WEIGHTS] * 3)
    identity_33 = torch.eye(3, device=factor_B.device)
    factor_B11 = factor_B[:, None, None]
    return factor_B11 * identity_33 + (1 - factor_B11) * grey_33


def hue_matrix(turns_B: Tensor) -> Tensor:
    """Returns matrices (B, 3, 3) that turn colours about the axis of greys, by whole turns."""
    angle_B = 2 * math.pi * turns_B
    cosine, sine = angle_B.cos(), angle_B.sin()
    zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
    rows = (one, zero, zero, zero, cosine, -sine, zero, sine, cosine)
    turn_B33 = torch.stack(rows, dim=1).view(-1, 3, 3)
    # Inverted in double precision, so that no turn at all is the identity.
    to_yiq = torch.tensor(_YIQ, dtype=torch.float64)
    from_yiq = torch.linalg.inv(to_yiq).float().to(turns_B.device)
    matrix_B33: Tensor = from_yiq @ turn_B33 @ to_yiq.float().to(turns_B.device)
    return matrix_B33


def erase(images_BCHW: Tensor, settings: ErasingSettings, generator: torch.Generator) -> Tensor:
    """Returns images of which some have lost a rectangle to their own mean colour.

    Zhong et al. 2020 (arXiv:1708.04896), algorithm 1. We differ in the filling: the image's mean in
    each channel, which needs no random number per pixel; and after `NUM_ATTEMPTS` rectangles that
    do not fit, the image stays whole.
    """
    count, _, height, width = images_BCHW.shape
    chosen = torch.rand(count, generator=generator) < settings.probability
    boxes = draw_boxes(count, (height, width), settings.scale, settings.ratio, generator)
    erased = (chosen & boxes.fits).to(images_BCHW.device)[:, None, None, None]
    mask_B1HW = boxes.to(images_BCHW.device).mask(height, width) & erased
    mean_BC11 = _as_bytes(images_BCHW.float().mean((2, 3), keepdim=True))
    return torch.where(mask_B1HW, mean_BC11, images_BCHW)


def mixup(
    images_BCHW: Tensor, targets_BK: Tensor, alpha: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Returns weighted means of pairs of images, and of their targets.

    Zhang et al. 2018 (arXiv:1710.09412), section 2. One weight from Beta(alpha, alpha) for the
    whole batch, as in the authors' code; partners come from a permutation of the batch.
    """
    weight = _beta(alpha, generator)
    partner = torch.randperm(len(images_BCHW), generator=generator).to(images_BCHW.device)
    mixed = torch.lerp(images_BCHW[partner].float(), images_BCHW.float(), weight)
    targets = torch.lerp(targets_BK[partner], targets_BK, weight)
    is_bytes = images_BCHW.dtype == torch.uint8
    return _as_bytes(mixed) if is_bytes else mixed.to(images_BCHW.dtype), targets


def cutmix(
    images_BCHW: Tensor, targets_BK: Tensor, alpha: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Returns images with a rectangle of a partner's, and targets in proportion to the areas.

    Yun et al. 2019 (arXiv:1905.04899), section 3.1 and algorithm 1: the rectangle has the images'
    ratio and 1 - lambda of their area, is the same for the whole batch and is cut off at the edges;
    lambda is then made exactly the share that is left. Partners come from a permutation.
    """
    height, width = images_BCHW.shape[2:]
    side = math.sqrt(1 - _beta(alpha, generator))
    cut_height, cut_width = int(height * side), int(width * side)
    row = int(torch.randint(height, (), generator=generator))
    column = int(torch.randint(width, (), generator=generator))
    rows = slice(max(row - cut_height // 2, 0), min(row + (cut_height + 1) // 2, height))
    columns = slice(max(column - cut_width // 2, 0), min(column + (cut_width + 1) // 2, width))
    partner = torch.randperm(len(images_BCHW), generator=generator).to(images_BCHW.device)
    mixed = images_BCHW.clone()
    mixed[:, :, rows, columns] = images_BCHW[partner][:, :, rows, columns]
    cut = (rows.stop - rows.start) * (columns.stop - columns.start)
    share_left = 1 - cut / (height * width)
    return mixed, torch.lerp(targets_BK[partner], targets_BK, share_left)


def _beta(alpha: float, generator: torch.Generator) -> float:
    """Draws from Beta(alpha, alpha), which torch offers no generator for."""
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha))


def _as_bytes(images: Tensor) -> Tensor:
    return images.round_().clamp_(0, 255).to(torch.uint8)

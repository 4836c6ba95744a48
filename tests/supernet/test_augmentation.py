"""Augmentation against plain per-image references and the distributions that it states."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional

from supernet.augmentation import (
    Boxes,
    colour_jitter,
    cutmix,
    draw_boxes,
    erase,
    flip,
    hue_matrix,
    mixup,
    stretch,
)
from supernet.augmentation_settings import (
    AugmentationSettings,
    ColourJitterSettings,
    ErasingSettings,
    RandomResizedCropSettings,
)
from supernet.data import augment, augmentation_generator, mix

EVERYTHING = AugmentationSettings(
    crop_padding=2,
    random_resized_crop=RandomResizedCropSettings(),
    flip=True,
    colour_jitter=ColourJitterSettings(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    erasing=ErasingSettings(),
    mixup_alpha=0.2,
    cutmix_alpha=1.0,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(count: int = 32, channels: int = 3, height: int = 12, width: int = 10) -> Tensor:
    shape = (count, channels, height, width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator(9))


@pytest.mark.parametrize("channels", [1, 3])
def test_everything_together_is_a_function_of_seed_and_step(channels: int) -> None:
    images = random_images(channels=channels)
    labels = torch.arange(32) % 5

    def at(step: int) -> tuple[Tensor, Tensor]:
        draws = augmentation_generator(3, step)
        return mix(augment(images, EVERYTHING, draws), labels, 5, EVERYTHING, draws)

    first, again, other = at(1), at(1), at(2)
    assert first[0].dtype == torch.uint8
    assert first[0].shape == images.shape
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"random_resized_crop": {"scale": (1, 1), "ratio": (1, 1)}},
        {"colour_jitter": {}},
        {"erasing": {"scale": (1, 1), "ratio": (3, 3)}},  # fits nowhere
    ],
)
def test_identity_settings_leave_every_bit(fields: dict[str, Any]) -> None:
    images = random_images(height=11, width=11)
    settings = AugmentationSettings.model_validate(fields)
    assert torch.equal(augment(images, settings, generator()), images)


def test_a_stretched_box_is_the_cut_out_and_resized_image() -> None:
    images = random_images(count=64)
    boxes = draw_boxes(64, (12, 10), (0.08, 1.0), (3 / 4, 4 / 3), generator())
    stretched = stretch(images, boxes)
    for index, image in enumerate(images):
        top, left = int(boxes.top[index]), int(boxes.left[index])
        rows = slice(top, top + int(boxes.height[index]))
        columns = slice(left, left + int(boxes.width[index]))
        expected = functional.interpolate(
            image[None, :, rows, columns].float(), (12, 10), mode="bilinear", align_corners=False
        )[0]
        # Rounded to the nearest, up to the order of floating-point additions.
        assert float((stretched[index].float() - expected).abs().max()) <= 0.501


def test_boxes_have_the_stated_areas_and_ratios_and_lie_inside() -> None:
    height, width = 200, 240  # large, so that whole pixels matter little
    boxes = draw_boxes(4000, (height, width), (0.1, 0.5), (0.5, 2.0), generator())
    area = (boxes.height * boxes.width) / (height * width)
    ratio = boxes.width / boxes.height
    assert bool(boxes.fits.all())
    assert 0.095 < float(area.min()) < 0.11
    assert 0.49 < float(area.max()) < 0.505
    assert float(ratio.min()) > 0.49
    assert float(ratio.max()) < 2.04
    assert bool((boxes.top >= 0).all())
    assert bool((boxes.top + boxes.height <= height).all())
    assert bool((boxes.left + boxes.width <= width).all())
    assert float(area.mean()) == pytest.approx(0.3, abs=0.01)
    assert float(ratio.log().mean()) == pytest.approx(0, abs=0.03)
    share_of_way = boxes.top / (height - boxes.height).clamp(min=1)
    assert float(share_of_way.mean()) == pytest.approx(0.5, abs=0.03)


def test_a_box_that_never_fits_is_the_whole_image() -> None:
    boxes = draw_boxes(5, (8, 8), (0.9, 1.0), (4.0, 4.0), generator())
    assert not bool(boxes.fits.any())
    assert boxes.height.tolist() == boxes.width.tolist() == [8] * 5
    assert boxes.top.tolist() == boxes.left.tolist() == [0] * 5


def test_half_of_the_images_are_flipped() -> None:
    images = random_images(count=2000, height=4, width=4)
    flipped = (flip(images, generator()) == images.flip(3)).flatten(1).all(1)
    assert float(flipped.float().mean()) == pytest.approx(0.5, abs=0.04)


def jittered(images: Tensor, **strengths: float) -> Tensor:
    return colour_jitter(images, ColourJitterSettings(**strengths), generator(1))


def factors(index: int, strength: float, count: int = 32) -> Tensor:
    """The factors that the draws of `generator(1)` give."""
    return 1 + strength * (torch.rand(4, count, generator=generator(1))[index] * 2 - 1)


def test_brightness_multiplies_and_contrast_keeps_the_mean_grey() -> None:
    images = random_images()
    scaled = images * factors(0, 0.4)[:, None, None, None]
    expected = scaled.round().clamp(0, 255).to(torch.uint8)
    assert torch.equal(jittered(images, brightness=0.4), expected)
    weights = torch.tensor([0.299, 0.587, 0.114])
    greys = torch.einsum("c,bchw->b", weights, images.float()) / 120
    contrast = factors(1, 0.4)[:, None, None, None]
    moved = contrast * images + (1 - contrast) * greys[:, None, None, None]
    found = jittered(images, contrast=0.4).float()
    assert float((found - moved.clamp(0, 255)).abs().max()) <= 0.51


def test_saturation_and_hue_leave_greys_and_luma() -> None:
    grey = random_images(channels=1).expand(-1, 3, -1, -1)
    assert torch.equal(jittered(grey, saturation=1.0, hue=0.5), grey)
    soft = random_images() // 4 + 96  # nothing is clipped
    weights = torch.tensor([0.299, 0.587, 0.114])
    for strengths in ({"saturation": 0.8}, {"hue": 0.5}):
        found = jittered(soft, **strengths)
        before, after = (torch.einsum("c,bchw->bhw", weights, x.float()) for x in (soft, found))
        assert float((before - after).abs().max()) < 1.0
        assert not torch.equal(found, soft)


def test_a_whole_turn_of_hue_comes_back_and_a_third_moves_red_to_green_or_blue() -> None:
    turn = hue_matrix(torch.tensor([0.0, 1.0, 1 / 3]))
    torch.testing.assert_close(turn[0], torch.eye(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(turn[1], torch.eye(3), atol=1e-5, rtol=0)
    assert int((turn[2] @ torch.tensor([1.0, 0.0, 0.0])).argmax()) != 0


def test_one_box_of_some_images_is_erased_to_their_mean() -> None:
    images = random_images(count=1000, height=24, width=24)
    settings = ErasingSettings(probability=0.3, scale=(0.1, 0.2), ratio=(0.5, 2.0))
    changed = (erase(images, settings, generator()) != images).any(1)
    touched = changed.flatten(1).any(1)
    assert float(touched.float().mean()) == pytest.approx(0.3, abs=0.05)
    share = changed[touched].float().mean((1, 2))
    assert float(share.max()) < 0.22
    erased = erase(images, settings, generator())[touched][0]
    inside = changed[touched][0]
    assert len(torch.unique(erased[:, inside], dim=1).T) == 1


def test_a_mask_is_one_inside_its_box() -> None:
    one = torch.ones(1, dtype=torch.long)
    mask = Boxes(one, one * 2, one * 2, one, one.bool()).mask(4, 5)[0, 0]
    assert torch.nonzero(mask).tolist() == [[1, 2], [2, 2]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_mixup_weighs_images_as_targets(dtype: torch.dtype) -> None:
    values = torch.tensor([0.0, 200.0])
    images = values[:, None, None, None].expand(2, 3, 4, 4).to(dtype)
    targets = functional.one_hot(torch.tensor([0, 1]), 2).float()
    for seed in range(20):
        mixed, soft = mixup(images, targets, 1.0, generator(seed))
        assert mixed.dtype == dtype
        assert torch.allclose(soft.sum(1), torch.ones(2))
        expected = 200 * soft[:, 1]  # the second class's share is how bright the image is
        assert float((mixed[:, 0, 0, 0].float() - expected).abs().max()) <= 0.51


def test_the_weights_of_mixup_follow_the_beta_distribution() -> None:
    images = torch.zeros(2, 1, 1, 1)
    targets = torch.eye(2)
    alpha = 0.4
    weights = []
    for seed in range(1500):
        _, soft = mixup(images, targets, alpha, generator(seed))
        if float(soft[0, 0]) != 1:  # not paired with itself
            weights.append(float(soft[0, 0]))
    assert np.mean(weights) == pytest.approx(0.5, abs=0.05)
    assert np.var(weights) == pytest.approx(1 / (4 * (2 * alpha + 1)), abs=0.02)


def test_the_cut_area_is_the_partners_share_of_the_target() -> None:
    images = torch.arange(8, dtype=torch.uint8)[:, None, None, None].expand(8, 3, 9, 7)
    targets = functional.one_hot(torch.arange(8), 8).float()
    sizes = set()
    for seed in range(30):
        mixed, soft = cutmix(images, targets, 1.0, generator(seed))
        assert torch.allclose(soft.sum(1), torch.ones(8))
        shares = torch.stack([(mixed[:, 0] == label).float().mean((1, 2)) for label in range(8)], 1)
        torch.testing.assert_close(shares, soft, atol=1e-6, rtol=0)
        sizes.add(round(float(soft[0, 0]), 3))
    assert len(sizes) > 10


def test_a_fair_coin_chooses_between_mixup_and_cutmix() -> None:
    images = (torch.arange(2) * 100)[:, None, None, None].expand(2, 1, 16, 16).float()
    settings = AugmentationSettings(mixup_alpha=1.0, cutmix_alpha=1.0)
    num_blended = num_mixed = 0
    for step in range(300):
        draws = augmentation_generator(0, step)
        mixed, soft = mix(images, torch.tensor([0, 1]), 2, settings, draws)
        if 0 < float(soft[0, 0]) < 1:
            num_mixed += 1
            num_blended += bool(((mixed != 0) & (mixed != 100)).any())
    assert num_blended / num_mixed == pytest.approx(0.5, abs=0.15)


def test_without_mixing_images_stay_and_targets_are_one_hot() -> None:
    images = random_images(count=3)
    mixed, soft = mix(images, torch.tensor([2, 0, 1]), 4, AugmentationSettings(), generator())
    assert mixed is images
    assert soft.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"random_resized_crop": {"scale": (0.5, 0.2)}}, ("random_resized_crop", "scale")),
        ({"random_resized_crop": {"scale": (0, 1)}}, ("random_resized_crop", "scale", 0)),
        ({"random_resized_crop": {"ratio": (1, math.inf)}}, ("random_resized_crop", "ratio", 1)),
        ({"colour_jitter": {"hue": 0.6}}, ("colour_jitter", "hue")),
        ({"colour_jitter": {"brightness": math.nan}}, ("colour_jitter", "brightness")),
        ({"erasing": {"probability": 0}}, ("erasing", "probability")),
        ({"mixup_alpha": -1}, ("mixup_alpha",)),
    ],
)
def test_settings_out_of_range_are_named(fields: dict[str, Any], location: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        AugmentationSettings.model_validate(fields)
    assert caught.value.errors()[0]["loc"] == location


def test_settings_survive_json() -> None:
    assert AugmentationSettings.model_validate_json(EVERYTHING.model_dump_json()) == EVERYTHING


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
def test_every_device_draws_the_same() -> None:
    images, labels = random_images(), torch.arange(32) % 5

    def on(device: str) -> tuple[Tensor, Tensor]:
        draws = augmentation_generator(0, 0)
        changed = augment(images.to(device), EVERYTHING, draws)
        return mix(changed, labels.to(device), 5, EVERYTHING, draws)

    (here, here_targets), (there, there_targets) = on("cpu"), on("cuda")
    assert there.device.type == "cuda"
    assert torch.allclose(here_targets, there_targets.cpu())
    assert int((here.int() - there.cpu().int()).abs().max()) <= 2  # each operation rounds once

"""Compound scaling: the paper's numbers, rounding, and versions within a budget."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.cnn import MobileNetV3Settings
from search_space.compound_scaling import SCALABLE, factors, scaled, scaled_genes, scaled_within
from search_space.costs import costs
from search_space.deepmad import DeepMADSettings
from search_space.families import NETWORK_FAMILIES
from search_space.family import NetworkSettings
from search_space.vit import VisionTransformerSettings

BASE = DeepMADSettings.model_validate(
    {
        "resolutions": [64],
        "stem_widths": [32],
        "stages": [
            {"widths": [64], "hidden_widths": [32], "kernel_sizes": [3], "depths": [3]},
            {"widths": [128], "hidden_widths": [64], "kernel_sizes": [3], "depths": [4]},
        ],
    }
)


def macs(settings: NetworkSettings) -> int:
    return costs(settings.lower(settings.build().largest())).macs


@pytest.mark.parametrize(
    ("scale", "depth", "width", "resolution", "activations"),
    [(4, 1.1487, 1.7411, 1.0718, 2.297), (16, 1.3195, 3.0314, 1.1487, 16**0.6)],
)
def test_factors_are_the_papers(
    scale: float, depth: float, width: float, resolution: float, activations: float
) -> None:
    found = factors(scale)
    assert found.depth == pytest.approx(depth, abs=5e-5)
    assert found.width == pytest.approx(width, abs=5e-5)
    assert found.resolution == pytest.approx(resolution, abs=5e-5)
    assert found.activations == pytest.approx(activations, rel=1e-3)


@given(st.floats(0.01, 100), st.floats(0, 1))
def test_factors_multiply_to_the_scale_and_undo_each_other(scale: float, alpha: float) -> None:
    found, back = factors(scale, alpha), factors(1 / scale, alpha)
    assert found.macs == pytest.approx(scale)
    assert found.width * back.width == pytest.approx(1)


def test_alpha_of_one_is_width_alone_and_of_a_third_shares_alike() -> None:
    alone = factors(4, 1.0)
    assert (alone.depth, alone.width, alone.resolution) == (1, 2, 1)
    alike = factors(8, 1 / 3)
    assert alike.depth == pytest.approx(2)
    assert alike.width**2 == pytest.approx(2)
    assert alike.activations == pytest.approx(8 ** (5 / 6))


@pytest.mark.parametrize(("scale", "alpha"), [(0, 0.8), (-1, 0.8), (math.inf, 0.8), (4, 1.1)])
def test_factors_are_of_sensible_numbers(scale: float, alpha: float) -> None:
    with pytest.raises(ValueError, match="got"):
        factors(scale, alpha)


def test_sizes_are_multiplied_and_rounded() -> None:
    found = scaled(BASE, factors(4))
    assert isinstance(found, DeepMADSettings)
    assert found.resolutions == (68,)  # 64 * 1.0718 = 68.6
    assert found.stem_widths == (56,)  # 55.7
    assert [stage.widths for stage in found.stages] == [(112,), (224,)]  # 111.4, 222.9
    assert [stage.hidden_widths for stage in found.stages] == [(56,), (112,)]
    assert [stage.depths for stage in found.stages] == [(3,), (5,)]  # 3.4, 4.6
    assert found.stages[0].kernel_sizes == (3,)
    assert macs(found) / macs(BASE) == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize("kind", SCALABLE)
def test_spaces_are_scaled_option_by_option(kind: str) -> None:
    settings = NETWORK_FAMILIES[kind].from_preset("tiny")
    larger = scaled(settings, factors(16))
    assert larger.kind == kind
    assert 8 < macs(larger) / macs(settings) < 32
    same = NETWORK_FAMILIES[kind].from_preset("imagenet")
    assert scaled(same, factors(1)).build().size == same.build().size


def test_options_that_become_equal_are_one_and_what_is_not_there_stays_so() -> None:
    settings = MobileNetV3Settings.from_preset("mobilenetv2")
    assert settings.head_width is None
    smaller = scaled(settings, factors(1 / 1024))
    assert isinstance(smaller, MobileNetV3Settings)
    assert smaller.head_width is None
    assert all(len(stage.depths) < 3 for stage in smaller.stages)


def test_other_families_are_refused() -> None:
    with pytest.raises(ValueError, match="'vit'"):
        scaled(VisionTransformerSettings.from_preset("tiny"), factors(2))


@pytest.mark.parametrize("share", [0.3, 1.0, 5.0])
def test_the_largest_version_within_a_budget(share: float) -> None:
    budget = share * macs(BASE)
    found, scale = scaled_within(BASE, "macs", budget)
    assert macs(found) <= budget
    assert macs(found) > 0.75 * budget  # widths come in eights
    assert macs(scaled(BASE, factors(scale * 2 ** (1 / 64)))) > budget


def test_a_budget_that_no_version_keeps_and_one_that_all_keep() -> None:
    with pytest.raises(ValueError, match="num_params <= 10"):
        scaled_within(BASE, "num_params", 10)
    largest, scale = scaled_within(BASE, "num_params", 1e30)
    with pytest.raises(ValueError, match=r"at most|less than"):
        scaled(largest, factors(1e6 / scale))
    with pytest.raises(ValueError, match="'watts'"):
        scaled_within(BASE, "watts", 10)


def test_versions_within_a_space_take_the_options_next_to_the_scaled_sizes() -> None:
    space = DeepMADSettings.from_preset("imagenet").build()
    base = {
        name: {"width": 256, "hidden_width": 64, "depth": 4, "kernel_size": 5}[
            name.rpartition(".")[2]
        ]
        for name in space.smallest()
        if name != "stem.width"
    }
    one, four, huge = scaled_genes(space, {**base, "stem.width": 32}, [1, 4, 1e6])
    assert dict(space.decode(one)) == {**base, "stem.width": 32}
    larger = space.decode(four)  # widths by 1.74, depths by 1.15
    assert (larger["stem.width"], larger["stage2.width"], larger["stage3.width"]) == (64, 448, 448)
    assert (larger["stage3.hidden_width"], larger["stage3.depth"]) == (128, 5)
    assert larger["stage3.kernel_size"] == 5
    assert space.decode(huge)["stage5.width"] == 2048


def test_blocks_that_a_base_does_not_have_are_like_its_last() -> None:
    space = MobileNetV3Settings.from_preset("imagenet").build()
    shallow = dict(space.smallest())
    shallow |= {"stage1.block2.kernel_size": 7, "stage1.block2.expand_ratio": 6}
    (deep,) = scaled_genes(space, shallow, [2**12])
    found = space.decode(deep)
    assert found["stage1.depth"] == 4
    assert found["stage1.block4.kernel_size"] == 7
    assert found["stage1.block1.kernel_size"] == 3
    assert found["stage1.block3.expand_ratio"] == 6
    assert found["resolution"] == 196  # 194

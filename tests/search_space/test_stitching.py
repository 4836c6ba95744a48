"""Stitched networks: the counts of the released codes, routes, layers, and what is refused."""

from itertools import pairwise
from typing import Any

import pytest

from search_space.costs import costs
from search_space.stitching import StitchSettings


def transformer(*depths: int, width: int = 8, **fields: Any) -> dict[str, Any]:
    """An anchor: a vision transformer of stages of so many blocks, each twice as wide."""
    widths = [width * 2**number for number in range(len(depths))]
    stages = [
        {
            "widths": [stage_width],
            "heads": [2],
            "head_widths": [stage_width // 2],
            "hidden_widths": [2 * stage_width],
            "num_blocks": depth,
            "skippable": [],
        }
        for stage_width, depth in zip(widths, depths, strict=True)
    ]
    sizes = {"input_channels": 1, "num_classes": 10, "resolutions": [16], "patch_size": 2}
    return {"network": {"kind": "vit", "stem_width": 0, "stages": stages} | sizes | fields}


def resnet(*depths: int, ratio: float, **fields: Any) -> dict[str, Any]:
    """An anchor: a residual network of stages of so many blocks."""
    stages = [
        {
            "widths": [16 * 2**number],
            "depths": [depth],
            "expand_ratios": [ratio],
            "stride": 1 + (number > 0),
        }
        for number, depth in enumerate(depths)
    ]
    sizes = {"input_channels": 1, "num_classes": 10, "resolutions": [16]}
    stem = {"stem_stride": 2, "stem_pool": False, "stem_widths": [8]}
    return {"network": {"kind": "resnet", "stages": stages} | stem | sizes | fields}


def stitched(*anchors: dict[str, Any], **fields: Any) -> StitchSettings:
    return StitchSettings.model_validate({"anchors": anchors, **fields})


@pytest.mark.parametrize(
    ("scheme", "num_networks"),
    [
        ({}, 71),
        ({"kernel": 1}, 27),
        ({"stride": 2}, 51),
        ({"kernel": 3}, 111),
        ({"kernel": 4}, 147),
        ({"kernel": 4, "stride": 4}, 99),
        ({"nearest": False}, 732),
    ],
)
def test_the_released_code_counts_as_many_stitches_of_three_transformers(
    scheme: dict[str, Any], num_networks: int
) -> None:
    settings = StitchSettings.from_preset("deit", scheme={"kind": "one_way", **scheme})
    assert settings.build().size == num_networks


def test_hierarchical_transformers_are_stitched_within_stages() -> None:
    anchors = [
        transformer(2, 2, depth, 2, width=8 + 4 * (n > 1)) for n, depth in enumerate((6, 18, 18))
    ]
    assert stitched(*anchors).build().size == 41


def test_residual_networks_are_stitched_within_stages() -> None:
    small, large = resnet(2, 2, 2, 2, ratio=0.1), resnet(3, 4, 6, 3, ratio=0.25)
    assert stitched(small, large, stages=[2, 3]).build().size == 10


def test_a_residual_network_is_stitched_to_a_transformer() -> None:
    settings = stitched(
        resnet(2, 2, 2, 2, ratio=0.1), transformer(2, 2, 6, 2, width=16), stages=[2, 3]
    )
    assert settings.build().size == 8


@pytest.mark.parametrize("depth", [12, 24])
def test_the_released_code_counts_as_many_two_way_stitches(depth: int) -> None:
    settings = stitched(transformer(12), transformer(depth, width=16), scheme={"kind": "two_way"})
    assert settings.build().size == 134
    assert len(settings.stitch_layers()) == 22


def test_options_ascend_between_the_first_and_the_last_anchor() -> None:
    settings = StitchSettings.from_preset("deit")
    space = settings.build()
    (choice,) = space.choices
    options = choice.options
    assert (options[0], options[-1]) == ("1:1-12", "3:1-12")
    sizes = [costs(settings.lower({"route": option})).macs for option in options]
    assert all(before <= behind for before, behind in pairwise(sizes[1:-1]))
    assert [dict(each) for each in settings.anchor_architectures()] == [
        {"route": f"{number}:1-12"} for number in (1, 2, 3)
    ]

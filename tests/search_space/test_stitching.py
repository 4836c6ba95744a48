"""Stitched networks: the counts of the released codes, routes, layers, and what is refused."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from search_space.costs import costs
from search_space.stitching import StitchSettings
from search_space.tensors import kernel_sizes


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


def test_the_published_costs_of_the_anchors_and_of_stitches_between_them() -> None:
    """SN-Net's table: DeiT-Ti/S/B 1.3, 4.6 and 17.6 GMACs, with a class token beside the tokens."""
    settings = StitchSettings.from_preset("deit")
    macs = [costs(settings.lower(each)).macs / 1e9 for each in settings.anchor_architectures()]
    assert macs == pytest.approx([1.25, 4.58, 17.5], rel=0.01)


def test_a_stitch_runs_the_front_of_one_anchor_and_the_back_of_another() -> None:
    settings = stitched(transformer(4), transformer(4, width=12))
    layers = settings.lower({"route": "1:1-2,2:3-4"})
    names = [layer.name for layer in layers]
    front, back = settings.anchor_layers(1), settings.anchor_layers(2)
    first_behind = "anchor2.stage1.block3.attention.norm"
    joint = names.index("stitch1to2.layer2")
    assert layers[:joint] == front[:joint]
    assert names[joint - 1 : joint + 2] == [
        "anchor1.stage1.block2.feed_forward.add",
        "stitch1to2.layer2",
        first_behind,
    ]
    assert names[-1] == "anchor2.classifier"
    whole = {layer.name: layer for layer in back}
    replaced = [layer.name for layer in layers[joint + 1 :] if layer != whole[layer.name]]
    assert replaced == [first_behind, "anchor2.stage1.block3.attention.add"]
    stitch = layers[joint]
    assert (stitch.op, stitch.inputs) == ("conv", ("anchor1.stage1.block2.feed_forward.add",))
    assert (stitch.in_channels, stitch.out_shape, stitch.bias) == (8, (12, 8, 8), True)


def test_stitching_layers_say_what_they_connect() -> None:
    settings = stitched(transformer(3), transformer(3, width=12))
    first, second = settings.stitch_layers()
    assert (first.in_channels, first.out_channels) == (8, 12)
    assert (first.front_anchor, first.back_anchor) == (1, 2)
    output = "anchor{}.stage1.block{}.feed_forward.add"
    assert first.pairs == (
        (output.format(1, 1), "anchor2.patches.position"),
        (output.format(1, 1), output.format(2, 1)),
        (output.format(1, 2), "anchor2.patches.position"),
        (output.format(1, 2), output.format(2, 1)),
    )
    assert second.pairs == (
        (output.format(1, 2), output.format(2, 2)),
        (output.format(1, 3), output.format(2, 1)),
        (output.format(1, 3), output.format(2, 2)),
    )


def test_reductions_belong_to_the_block_behind_them() -> None:
    settings = stitched(transformer(2, 2), transformer(2, 2, width=12))
    names = {layer.name for layer in settings.lower({"route": "1:1-1,2:2-4"})}
    assert "anchor2.stage2.reduction.conv" in names
    assert "anchor1.stage2.reduction.conv" not in names
    assert not any(name.startswith("anchor2.patches") for name in names)


def test_unequal_depths_are_joined_by_nearest_interpolation() -> None:
    settings = stitched(transformer(2), transformer(6, width=12))
    options = settings.build().choices[0].options
    assert set(options[1:-1]) == {
        *(f"1:1-1,2:{back}-6" for back in (2, 3)),
        *(f"1:1-2,2:{back}-6" for back in (4, 5, 6)),
    }
    deeper_first = stitched(transformer(6), transformer(3, width=24))
    options = deeper_first.build().choices[0].options
    assert set(options[1:-1]) == {"1:1-3,2:2-3", "1:1-5,2:3-3"}


def test_windows_are_cut_off_where_a_stage_ends() -> None:
    scheme = {"kind": "one_way", "kernel": 3, "stride": 2, "forward_only": True}
    settings = stitched(transformer(4), transformer(4, width=12), scheme=scheme)
    assert set(settings.build().choices[0].options[1:-1]) == {
        f"1:1-{front},2:{back}-4" for front, back in ((1, 2), (1, 3), (2, 3), (3, 4))
    }


def test_neighbours_without_a_place_to_stitch_have_no_stitches() -> None:
    anchors = [
        transformer(*depths, width=8 + 4 * n) for n, depths in enumerate(((1, 2), (1, 2), (2, 2)))
    ]
    assert stitched(*anchors, stages=[1], scheme={"kind": "one_way", "kernel": 1}).build().size == 4


def test_two_way_routes_can_be_chosen() -> None:
    anchors = transformer(4), transformer(8, width=12)
    scheme = {"kind": "two_way", "routes": ["large_small", "large_small_large"]}
    settings = stitched(*anchors, scheme=scheme)
    assert set(settings.build().choices[0].options[1:-1]) == {
        "2:1-2,1:2-4",
        "2:1-4,1:3-4",
        "2:1-6,1:4-4",
        "2:1-2,1:2-2,2:5-8",
        "2:1-2,1:2-3,2:7-8",
        "2:1-4,1:3-3,2:7-8",
    }


def test_what_all_anchors_share_is_taken_from_them() -> None:
    settings = stitched(transformer(3), transformer(3, width=12))
    assert (settings.input_channels, settings.num_classes, settings.resolutions) == (1, 10, (16,))
    assert settings.input_shape(settings.build().largest()) == (1, 16, 16)
    several = {"resolutions": [16, 32]}
    anchors = [
        transformer(3, width=width, **several) | {"architecture": {"resolution": 16}}
        for width in (8, 12)
    ]
    assert stitched(*anchors).build().size == 9
    at_both = stitched(*anchors, **several)
    assert at_both.build().size == 18
    assert dict(at_both.anchor_architectures()[1]) == {"resolution": 16, "route": "2:1-3"}
    assert at_both.lower(at_both.build().largest())[0].out_shape == (1, 32, 32)
    assert at_both.anchor_layers(1)[0].out_shape == (1, 16, 16)


def test_an_anchor_is_the_largest_network_unless_it_says_which() -> None:
    space = {"kind": "vit", "preset": "tiny"}
    largest, *_ = stitched({"network": space}, {"network": space}).anchors
    assert largest.architecture == largest.network.build().largest()
    named = dict(largest.architecture) | {"stage1.width": 16}
    settings = stitched({"network": space, "architecture": named}, {"network": space})
    assert dict(settings.anchors[0].architecture) == named
    assert hash(settings) == hash(StitchSettings.model_validate_json(settings.model_dump_json()))
    again = {"network": space, "architecture": dict(largest.architecture)}
    assert (
        stitched(again, again).build().digest == stitched(*[{"network": space}] * 2).build().digest
    )


def test_costs_are_those_of_every_route() -> None:
    settings = StitchSettings.from_preset("tiny")
    space = settings.build()
    genes = np.arange(space.size)[::-1, None].repeat(2, axis=0)
    found = settings.compute(genes)
    lowered = [costs(settings.lower(space.decode(row))) for row in genes]
    assert found["macs"].tolist() == [each.macs for each in lowered]
    assert [settings.macs(space.decode(row)) for row in genes] == found["macs"].tolist()
    assert found["peak_activations"].tolist() == [each.peak_activations for each in lowered]


def test_all_kernels_are_seen_without_looking_at_every_route() -> None:
    """Of thousands of routes that takes seconds, and requests wait for it."""
    anchors = [resnet(2, 2, ratio=ratio, stem_pool=True) for ratio in (1, 2)]
    settings = stitched(*anchors, scheme={"kind": "two_way"}, stages=[1, 2])
    space = settings.build()
    assert len(list(settings.networks_of_all_kernels(space))) == 1 < space.size
    found: dict[str, set[int]] = {}
    for row in space.sample(100, np.random.default_rng(0)):
        for layer in settings.lower(space.decode(row)):
            if layer.op == "conv":
                found.setdefault(layer.name, set()).add(layer.kernel)
    assert {(1,), (3,)} <= {tuple(sizes) for sizes in found.values()}
    assert kernel_sizes(settings, space) == {name: (*sizes,) for name, sizes in found.items()}


def test_resolutions_of_many_layers_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    anchors = [transformer(3, width=width, resolutions=[8, 12, 16]) for width in (8, 12)]
    layers = sum(len(stitched(*anchors).anchor_layers(number)) for number in (1, 2))
    monkeypatch.setattr("search_space.stitching.MAX_LAYERS", 3 * layers - 1)
    stitched(*anchors, resolutions=[8, 16])
    with pytest.raises(ValidationError, match=r"resolutions must be at most 2 where .* got 3"):
        stitched(*anchors, resolutions=[8, 12, 16])


def test_the_readme_has_an_example() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    examples = map(json.loads, re.findall(r"```json\n(.*?)```", text, re.DOTALL))
    (example,) = (each for each in examples if each.get("kind") == "stitch")
    options = StitchSettings.model_validate(example).build().choices[0].options
    assert options == ("1:1-2", "1:1-1,2:3-6", "1:1-1,2:2-6", "2:1-6")


WIDE = {"widths": [8], "depths": [2], "expand_ratios": [0.5], "stride": 1}
SMALL, LARGE = transformer(3), transformer(3, width=12)


@pytest.mark.parametrize(
    ("anchors", "fields", "message"),
    [
        ([SMALL], {}, "anchors\n.*at least 2 items"),
        (
            [SMALL, transformer(3, width=12, num_classes=9)],
            {},
            "anchors.1.network.num_classes must be 10, .* got 9",
        ),
        ([SMALL, LARGE], {"num_classes": 9}, "anchors.0.network.num_classes must be 9, .* got 10"),
        (
            [SMALL, transformer(3, width=12, input_channels=3)],
            {},
            "anchors.1.network.input_channels must be 1, .* got 3",
        ),
        (
            [SMALL, transformer(3, width=12, resolutions=[32])],
            {},
            r"anchors.1.architecture.resolution must be one of \(16,\), .* got 32",
        ),
        (
            [SMALL, LARGE],
            {"resolutions": [16, 32]},
            r"resolutions must be among those of anchors.0.network, \(16,\), got 32",
        ),
        (
            [SMALL, transformer(3, width=12, patch_size=4)],
            {},
            r"anchors.1 must have the grid of anchors.0 .* block 1 .* \(8, 8\), .* got \(4, 4\)",
        ),
        (
            [SMALL, LARGE],
            {"scheme": {"kind": "one_way", "kernel": 4}},
            "scheme.kernel must be at most 3, .* got 4",
        ),
        ([SMALL, LARGE], {"stages": [2]}, r"stages must be at most 1, .* got \(2,\)"),
        ([SMALL, LARGE], {"stages": [0]}, "stages.0"),
        (
            [SMALL, transformer(3, 3, width=12)],
            {},
            r"stages must be given where .* \[1, 2\], got None",
        ),
        (
            [SMALL, LARGE, LARGE],
            {"scheme": {"kind": "two_way"}},
            "anchors must be exactly 2 .* got 3",
        ),
        ([LARGE, SMALL], {}, r"anchors.1 must have at least \d+ multiply-accumulates, .* got \d+"),
        (
            [transformer(20, width=width) for width in (8, 12, 16, 20)],
            {"scheme": {"kind": "one_way", "nearest": False, "kernel": 3}},
            "at most 10000 networks",
        ),
        (
            [transformer(1, 1), transformer(1, 1, width=12)],
            {"scheme": {"kind": "one_way", "kernel": 1}},
            r"stages must have blocks to stitch, got \(1,\)",
        ),
        (
            [resnet(2, 2, ratio=ratio, stages=[WIDE, WIDE | {"widths": [12]}]) for ratio in (1, 2)],
            {"scheme": {"kind": "one_way", "forward_only": False}, "stages": [2]},
            r"scheme.forward_only must not be false where .*\(8 and 12 in anchors.1\), got False",
        ),
        (
            [SMALL | {"architecture": {"stage1.width": 5}}, LARGE],
            {},
            "anchors.0.architecture\n.*stage1.width is not a choice of space 'vit', got 5",
        ),
        ([{"network": SMALL["network"] | {"kind": "custom"}}, LARGE], {}, "anchors.0.network"),
        (
            [SMALL, LARGE],
            {"scheme": {"kind": "two_way", "routes": ["small_large", "small_large"]}},
            "scheme.two_way.routes\n.*must be distinct",
        ),
    ],
)
def test_anchors_that_do_not_fit_are_refused(
    anchors: list[dict[str, Any]], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        stitched(*anchors, **fields)

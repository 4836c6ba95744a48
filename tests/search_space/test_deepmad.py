"""DeepMAD's space: its networks, and that what is computed at once is what layers add up to."""

import math
from dataclasses import asdict

import numpy as np
import pytest

from search_space.costs import costs
from search_space.deepmad import DeepMADSettings
from search_space.deepmad_figures import FIGURES
from search_space.entropy import PAPER, RELEASED, ScoreSettings
from search_space.family import PAPER_COSTS
from search_space.layers import Layer
from search_space.resnet import ResNetSettings
from search_space.space import Architecture

ODD = DeepMADSettings.model_validate(
    {
        "input_channels": 3,
        "num_classes": 7,
        "resolutions": [24, 31, 45],
        "stem_widths": [3, 40],
        "stages": [
            {"widths": [5, 90], "hidden_widths": [2, 200], "depths": [1, 4], "stride": 1},
            {"widths": [8], "hidden_widths": [3, 11, 70], "depths": [2], "kernel_sizes": [3, 5, 7]},
            {"widths": [6, 40], "hidden_widths": [9], "depths": [1, 2, 3], "stride": 2},
            {"widths": [33], "hidden_widths": [4, 44], "depths": [1], "stride": 1},
        ],
    }
)
"""Sides that strides do not divide, parts without choices, blocks wide and narrow."""
EXAMPLES = [
    ODD,
    DeepMADSettings.from_preset("tiny"),
    DeepMADSettings.from_preset("tiny", stem_stride=2),
    DeepMADSettings.from_preset("imagenet"),
]


@pytest.mark.parametrize("settings", EXAMPLES)
def test_costs_at_once_are_those_of_the_layers_exactly(settings: DeepMADSettings) -> None:
    space = settings.build()
    rows = space.sample(60, np.random.default_rng(0))
    rows = np.concatenate([rows, [space.encode(space.smallest()), space.encode(space.largest())]])
    found = settings.compute(rows)
    assert tuple(found) == settings.computed_metrics == (*PAPER_COSTS, *FIGURES)
    for number, row in enumerate(rows):
        expected = asdict(costs(settings.lower(space.decode(row))))
        assert {name: found[name][number] for name in expected} == expected


def stages_of(settings: DeepMADSettings, architecture: Architecture) -> list[list[Layer]]:
    """The trunk's convolutions by stage, cut before each super-block with a stride of 2."""
    convs = [
        layer
        for layer in settings.lower(architecture)
        if layer.op == "conv" and ".shortcut" not in layer.name
    ]
    stages = [[convs[0]]]
    for number, stage in enumerate(settings.stages, start=1):
        if stage.stride == 2:
            stages.append([])
        stages[-1] += [conv for conv in convs if conv.name.startswith(f"stage{number}.")]
    return stages


def score_by_hand(stages: list[list[Layer]], settings: ScoreSettings) -> float:
    total, log_widths = 0.0, 0.0
    for number, stage in enumerate(stages):
        log_widths += sum(math.log(conv.in_channels * conv.kernel**2) for conv in stage)
        channels, side, _ = stage[-1].out_shape
        weight = settings.last_weight if number == len(stages) - 1 else 1
        depth = log_widths / 2 if settings.square_root else log_widths
        total += weight * math.log(channels * side**2) * depth
    depths = [len(stage) for stage in stages[1:]]
    spread = np.var(depths) if settings.variance else np.std(depths)
    return total - settings.penalty_weight * math.exp(min(float(spread), 300))


def effectiveness_by_hand(stages: list[list[Layer]]) -> float:
    ratios, widths = [], []
    for stage in stages:
        widths += [conv.in_channels * conv.kernel**2 for conv in stage]
        ratios.append(len(widths) / math.exp(np.mean(np.log(widths))))
    return max(ratios)


@pytest.mark.parametrize("settings", EXAMPLES)
def test_scores_at_once_are_the_formulas_over_the_layers(settings: DeepMADSettings) -> None:
    space = settings.build()
    rows = space.sample(20, np.random.default_rng(1))
    found = settings.compute(rows)
    for number, row in enumerate(rows):
        stages = stages_of(settings, space.decode(row))
        for name, variant in (("deepmad_score", RELEASED), ("deepmad_score_paper", PAPER)):
            assert found[name][number] == pytest.approx(score_by_hand(stages, variant))
        assert found["effectiveness"][number] == pytest.approx(effectiveness_by_hand(stages))


def violation(**changes: int) -> float:
    """Of a network whose widths keep all rules, but for the changes."""
    sizes = {"stem": 16, "width1": 32, "hidden1": 16, "width2": 64, "hidden2": 16} | changes
    stages = [
        {"widths": [sizes[f"width{n}"]], "hidden_widths": [sizes[f"hidden{n}"]], "depths": [1]}
        for n in (1, 2)
    ]
    settings = DeepMADSettings.model_validate({"stem_widths": [sizes["stem"]], "stages": stages})
    space = settings.build()
    return float(settings.compute(space.encode(space.smallest())[None])["shape_violation"][0])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 0),
        ({"width2": 128, "hidden2": 128}, 0),
        ({"width2": 16}, 1),  # half of what comes in
        ({"width2": 192, "hidden2": 24}, 0.5),  # six times
        ({"hidden1": 40}, 0.25),  # wider than the output
        ({"hidden2": 4}, 0.6),  # a sixteenth of it
        ({"stem": 4, "hidden2": 4}, 1.6),
    ],
)
def test_rules_for_widths_are_broken_by_the_relative_excess(
    changes: dict[str, int], expected: float
) -> None:
    assert violation(**changes) == pytest.approx(expected)


def test_a_network_that_both_families_have_is_the_same_in_both() -> None:
    stage = {"widths": [16], "depths": [2], "stride": 2}
    ours = DeepMADSettings.model_validate(
        {
            "resolutions": [32],
            "stem_widths": [8],
            "stages": [{**stage, "hidden_widths": [8], "kernel_sizes": [3]}],
        }
    )
    theirs = ResNetSettings.model_validate(
        {
            "resolutions": [32],
            "stem_hidden_widths": [8],
            "stem_widths": [8],
            "stem_depths": [0],
            "stem_pool": False,
            "stages": [{**stage, "expand_ratios": [0.5]}],
        }
    )

    def blocks(settings: DeepMADSettings | ResNetSettings) -> list[Layer]:
        layers = settings.lower(settings.build().smallest())
        return [layer for layer in layers if layer.name.startswith("stage1.block2")]

    assert blocks(ours) == blocks(theirs)


def test_families_without_a_quicker_way_compute_one_network_after_another() -> None:
    settings = ResNetSettings.from_preset("tiny")
    space = settings.build()
    rows = space.sample(5, np.random.default_rng(0))
    found = settings.compute(rows)
    assert tuple(found) == settings.computed_metrics == PAPER_COSTS
    for number, row in enumerate(rows):
        expected = asdict(costs(settings.lower(space.decode(row))))
        assert {name: found[name][number] for name in expected} == expected
    assert found["macs"].dtype == np.float64
    assert settings.compute(rows[:0])["macs"].shape == (0,)

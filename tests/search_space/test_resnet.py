import pytest
from pydantic import ValidationError

from search_space.costs import costs
from search_space.parts import make_divisible
from search_space.resnet import ResNetSettings

MULTIPLIERS = (0.65, 0.8, 1.0)
BASE_DEPTHS = (2, 2, 4, 2)


def scaled(width: int) -> list[int]:
    return [make_divisible(width * multiplier, 8) for multiplier in MULTIPLIERS]


def once_for_all(depths: str, ratios: str, widths: str, resolution: int) -> dict[str, float]:
    """Returns an architecture from once-for-all's own notation.

    Five additions to depths, of the stem and the stages; 18 ratios, of every block of the largest
    network; 6 numbers of width multipliers, of the stem's hidden and last layers and the stages.
    """
    stem_depth, *more = map(int, depths.split("-"))
    numbers = list(map(int, widths.split("-")))
    ratio_of = [float(ratio) / 100 for ratio in ratios.split("-")]
    values: dict[str, float] = {
        "resolution": resolution,
        # Half of the rounded stem width, rounded again: 24 for both smaller multipliers.
        "stem.hidden_width": make_divisible(scaled(64)[numbers[0]] // 2, 8),
        "stem.depth": int(stem_depth == 2),  # 0 and 1 both leave the block out
        "stem.width": scaled(64)[numbers[1]],
    }
    first_block = 0
    for stage, (base, addition) in enumerate(zip(BASE_DEPTHS, more, strict=True)):
        name = f"stage{stage + 1}"
        values[f"{name}.width"] = scaled(256 * 2**stage)[numbers[2 + stage]]
        values[f"{name}.depth"] = base + addition
        for block in range(base + addition):
            values[f"{name}.block{block + 1}.expand_ratio"] = ratio_of[first_block + block]
        first_block += base + 2
    return values


# The released code (ofa_resnets.py) builds these, counted with torch: largest, smallest at both
# ends of the resolutions, ResNet-50D itself with and without the stem's block, three drawn at
# random. Additions to depths, ratios in percent, widths, resolution, MACs, parameters.
COUNTED = [
    ("2-2-2-2-2", "35-" * 17 + "35", "2-2-2-2-2-2", 224, 7_491_643_904, 48_105_992),
    ("0-0-0-0-0", "20-" * 17 + "20", "0-0-0-0-0-0", 224, 962_192_128, 6_539_280),
    ("0-0-0-0-0", "20-" * 17 + "20", "0-0-0-0-0-0", 128, 315_079_552, 6_539_280),
    ("2-1-1-1-1", "25-" * 17 + "25", "2-2-2-2-2-2", 224, 3_892_092_928, 24_179_016),
    ("0-1-1-1-1", "25-" * 17 + "25", "2-2-2-2-2-2", 224, 3_776_487_424, 24_169_736),
    (
        "2-1-0-1-2",
        "25-25-25-25-25-35-20-35-20-25-20-20-35-25-35-35-35-20",
        "1-0-2-0-2-1",
        224,
        3_327_603_200,
        25_985_808,
    ),
    (
        "2-2-0-1-1",
        "25-35-35-20-35-25-25-35-25-20-35-20-20-35-25-35-35-35",
        "0-2-1-1-0-2",
        160,
        1_574_752_000,
        25_770_080,
    ),
    (
        "2-2-0-0-2",
        "20-20-20-35-25-20-20-25-35-25-20-25-35-25-35-20-35-25",
        "2-0-2-2-2-1",
        200,
        3_098_594_624,
        23_782_856,
    ),
]


@pytest.mark.parametrize(
    ("depths", "ratios", "widths", "resolution", "macs", "num_params"), COUNTED
)
def test_costs_equal_those_of_the_published_networks(
    depths: str, ratios: str, widths: str, resolution: int, macs: int, num_params: int
) -> None:
    settings = ResNetSettings()
    values = once_for_all(depths, ratios, widths, resolution)
    found = costs(settings.lower(settings.build().validate(values)))
    assert (found.macs, found.num_params) == (macs, num_params)


def test_the_published_space_has_its_size_without_what_the_encoding_counts_twice() -> None:
    num_genes = 5 + sum(depth + 2 for depth in BASE_DEPTHS) + 6
    assert f"{3**num_genes:.2e}" == "6.86e+13"  # the published encoding
    stages = 3**4 * (3**2 + 3**3 + 3**4) ** 3 * (3**4 + 3**5 + 3**6)
    per_resolution = 2 * 2 * 3 * stages
    assert ResNetSettings(resolutions=(224,)).build().size == per_resolution
    assert ResNetSettings().build().size == 25 * per_resolution
    assert f"{per_resolution:.2e}" == "1.64e+12"


def test_the_published_widths_are_the_rounded_multiples() -> None:
    settings = ResNetSettings()
    assert settings.stem_widths == tuple(scaled(64))
    halves = {make_divisible(width // 2, 8) for width in scaled(64)}
    assert settings.stem_hidden_widths == tuple(sorted(halves)) == (24, 32)
    for stage, settings_of_stage in enumerate(settings.stages):
        assert settings_of_stage.widths == tuple(scaled(256 * 2**stage))
    assert ResNetSettings.from_preset("imagenet") == settings


def test_a_bottleneck_is_activated_after_its_sum_and_its_stride_is_in_the_middle() -> None:
    settings = ResNetSettings(resolutions=(224,))
    layers = {layer.name: layer for layer in settings.lower(settings.build().smallest())}
    block = "stage2.block1"
    assert layers[f"{block}.shortcut.pool"].inputs == ("stage1.block2.activation",)
    assert layers[f"{block}.shortcut.conv"].inputs == (f"{block}.shortcut.pool",)
    assert layers[f"{block}.reduce.conv"].stride == layers[f"{block}.expand.conv"].stride == 1
    assert layers[f"{block}.spatial.conv"].stride == 2
    assert layers[f"{block}.add"].inputs == (f"{block}.expand.norm", f"{block}.shortcut.norm")
    assert layers[f"{block}.activation"].inputs == (f"{block}.add",)
    assert layers["stage2.block2.add"].inputs == (
        "stage2.block2.expand.norm",
        "stage2.block1.activation",
    )
    assert "stage1.block1.shortcut.pool" not in layers  # its stride is 1
    assert layers["stem.pool"].out_shape == (40, 56, 56)
    assert layers["pool"].inputs == ("stage4.block2.activation",)


def test_the_tiny_preset_reaches_from_starved_to_ample() -> None:
    settings = ResNetSettings.from_preset("tiny")
    space = settings.build()
    small, large = (costs(settings.lower(a)) for a in (space.smallest(), space.largest()))
    assert large.macs > 5 * small.macs
    assert large.num_params < 30_000


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"preset": "mnist"}, "'tiny', 'cifar' or 'imagenet'"),
        ({"stem_depths": [1, 0]}, "options must ascend"),
        ({"resolutions": [31, 64]}, "resolutions must be at least 32, the product .*, got 31"),
        ({"preset": "tiny", "resolutions": [1]}, "resolutions must be at least 2, .* got 1"),
        ({"stem_depths": [9]}, "less than or equal to 8"),
        ({"stem_depths": []}, "at least 1 item"),
        ({"stages": []}, "at least 1 item"),
        ({"stages": [{"widths": [8], "expand_ratios": [0]}]}, "greater than 0"),
        ({"stages": [{"widths": [8], "depths": [33]}]}, "at most 32 blocks"),
        ({"stages": [{"widths": [8], "stride": 3}]}, "1 or 2"),
        ({"stages": [{"widths": [8], "kernel_sizes": [3]}]}, "Extra inputs"),
    ],
)
def test_bad_settings_name_the_field_and_the_rule(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ResNetSettings.model_validate(fields)

import pytest
from pydantic import ValidationError

from search_space.cnn import MobileNetV3Settings
from search_space.costs import costs
from search_space.parts import make_divisible
from search_space.space import Architecture, SearchSpace


def once_for_all(kernels: str, ratios: str, depths: str, resolution: int) -> dict[str, int]:
    """Returns an architecture from once-for-all's own notation: four entries per stage."""
    values = {"resolution": resolution}
    for stage, depth in enumerate(map(int, depths.split("-"))):
        values[f"stage{stage + 1}.depth"] = depth
        for block in range(depth):
            name = f"stage{stage + 1}.block{block + 1}"
            values[f"{name}.kernel_size"] = int(kernels.split("-")[4 * stage + block])
            values[f"{name}.expand_ratio"] = int(ratios.split("-")[4 * stage + block])
    return values


def test_the_published_space_has_the_published_size() -> None:
    per_resolution = (9**2 + 9**3 + 9**4) ** 5
    assert MobileNetV3Settings(resolutions=(224,)).build().size == per_resolution
    assert MobileNetV3Settings().build().size == 25 * per_resolution
    assert f"{per_resolution:.2e}" == "2.18e+19"


# Recorded by DyNAS-T's search of the published supernet (width 1.0): kernels, ratios, depths,
# resolution, MACs, parameters.
RECORDED = [
    (
        "3-3-3-5-3-3-5-5-5-3-3-3-3-5-5-7-5-3-5-3",
        "3-3-4-3-3-3-3-4-3-3-4-3-3-3-3-3-3-3-4-3",
        "2-2-2-2-2",
        224,
        122_972_112,
        3_423_464,
    ),
    (
        "7-3-5-7-3-3-5-5-7-5-7-3-5-7-5-5-5-5-3-3",
        "3-3-4-6-3-3-4-4-6-4-4-4-4-4-3-4-6-4-4-3",
        "3-3-3-4-4",
        224,
        270_624_768,
        5_172_600,
    ),
    (
        "7-7-7-7-7-7-7-7-7-7-5-7-5-7-7-7-7-5-7-7",
        "4-6-6-6-4-6-6-4-6-4-6-4-6-6-6-4-6-6-6-6",
        "4-4-4-4-4",
        224,
        506_480_288,
        7_318_520,
    ),
]


@pytest.mark.parametrize(
    ("kernels", "ratios", "depths", "resolution", "macs", "num_params"), RECORDED
)
def test_costs_equal_those_recorded_on_the_published_supernet(
    kernels: str, ratios: str, depths: str, resolution: int, macs: int, num_params: int
) -> None:
    settings = MobileNetV3Settings()
    values = once_for_all(kernels, ratios, depths, resolution)
    found = costs(settings.lower(settings.build().validate(values)))
    assert (found.macs, found.num_params) == (macs, num_params)


def proxyless(resolution: int, kernels: str, ratios: str, depths: str) -> dict[str, int]:
    """Returns an architecture from the notation of once-for-all's ProxylessNAS: a sixth stage."""
    *five, _ = depths.split("-")
    values = once_for_all(kernels, ratios, "-".join(five), resolution)
    values["stage6.block1.kernel_size"] = int(kernels.split("-")[20])
    values["stage6.block1.expand_ratio"] = int(ratios.split("-")[20])
    return values


# The released code (ofa_proxyless.py) builds these, counted with torch: largest, smallest, one
# drawn at random of both its width lists, and MobileNetV2 itself.
PLAIN = [
    ("mobilenetv2", 224, "7-" * 20 + "7", "6-" * 20 + "6", "4-4-4-4-4-1", 525_973_568, 4_340_456),
    ("mobilenetv2", 128, "3-" * 20 + "3", "3-" * 20 + "3", "2-2-2-2-2-1", 45_469_184, 2_320_168),
    (
        "mobilenetv2",
        176,
        "5-3-7-5-5-7-3-5-3-3-3-3-7-7-5-5-3-3-7-3-3",
        "3-3-6-6-6-4-6-6-4-6-3-3-6-6-4-6-4-4-4-6-6",
        "4-3-2-3-4-1",
        216_416_768,
        3_497_424,
    ),
    ("mobilenetv2", 224, "3-" * 20 + "3", "6-" * 20 + "6", "2-3-4-3-3-1", 300_774_272, 3_504_872),
    ("proxyless", 224, "7-" * 20 + "7", "6-" * 20 + "6", "4-4-4-4-4-1", 1_004_908_032, 7_942_056),
    ("proxyless", 128, "3-" * 20 + "3", "3-" * 20 + "3", "2-2-2-2-2-1", 87_823_104, 3_718_832),
    (
        "proxyless",
        176,
        "3-5-7-7-5-3-3-3-7-5-3-7-3-5-3-5-5-3-3-3-7",
        "3-3-6-6-6-6-6-3-3-3-6-3-6-6-3-4-3-4-3-3-6",
        "2-2-2-4-2-1",
        276_347_472,
        4_903_184,
    ),
]


@pytest.mark.parametrize(
    ("preset", "resolution", "kernels", "ratios", "depths", "macs", "num_params"), PLAIN
)
def test_plain_inverted_residuals_cost_what_the_published_ones_do(
    preset: str,
    resolution: int,
    kernels: str,
    ratios: str,
    depths: str,
    macs: int,
    num_params: int,
) -> None:
    settings = MobileNetV3Settings.from_preset(preset, resolutions=range(128, 225, 16))
    values = proxyless(resolution, kernels, ratios, depths)
    found = costs(settings.lower(settings.build().validate(values)))
    assert (found.macs, found.num_params) == (macs, num_params)


def test_the_plain_spaces_have_a_sixth_stage_of_one_block() -> None:
    for preset in ("mobilenetv2", "proxyless"):
        settings = MobileNetV3Settings.from_preset(preset)
        assert settings.build().size == 9 * MobileNetV3Settings().build().size
        layers = settings.lower(settings.build().largest())
        assert {layer.function for layer in layers} == {"", "relu6"}
        assert "multiply" not in {layer.op for layer in layers}


def test_a_part_with_one_option_is_fixed_and_no_choice() -> None:
    settings = MobileNetV3Settings.from_preset("cifar")
    names = [choice.name for choice in settings.build().choices]
    assert "resolution" not in names
    assert not any(name.endswith("width") for name in names)
    assert settings.resolution(settings.build().smallest()) == 32


def test_choices_are_path_names_with_parents_first() -> None:
    names = [choice.name for choice in MobileNetV3Settings.from_preset("digits").build().choices]
    assert names[:5] == [
        "resolution",
        "stage1.width",
        "stage1.depth",
        "stage1.block1.kernel_size",
        "stage1.block1.expand_ratio",
    ]


def test_the_digits_preset_reaches_from_starved_to_ample() -> None:
    settings = MobileNetV3Settings.from_preset("digits")
    space = settings.build()
    small, large = (costs(settings.lower(a)) for a in (space.smallest(), space.largest()))
    assert large.macs > 30 * small.macs
    assert 50_000 < large.num_params < 100_000


def test_presets_are_not_kept_so_that_equal_settings_are_equal() -> None:
    preset = MobileNetV3Settings.model_validate({"kind": "mobilenetv3", "preset": "imagenet"})
    assert preset == MobileNetV3Settings()
    assert preset.build().digest == MobileNetV3Settings().build().digest
    assert "preset" not in preset.model_dump()


def test_settings_that_define_other_networks_give_another_space() -> None:
    wider = MobileNetV3Settings.from_preset("digits", head_width=128).build()
    assert wider.digest != MobileNetV3Settings.from_preset("digits").build().digest


def test_settings_written_before_a_field_was_added_mean_the_same_space() -> None:
    settings = MobileNetV3Settings.from_preset("digits")
    younger = MobileNetV3Settings.younger_fields
    older = settings.model_dump(mode="json", exclude=set(younger))
    assert MobileNetV3Settings.model_validate(older) == settings
    for name in younger:
        other = MobileNetV3Settings.from_preset("digits", **{name: "relu6"})
        assert other.build().digest != settings.build().digest


def test_integral_ratios_are_one_option_however_they_are_written() -> None:
    def space(ratios: list[float]) -> SearchSpace:
        stage = {"widths": [8], "expand_ratios": ratios}
        return MobileNetV3Settings.model_validate({"stages": [stage]}).build()

    assert space([3, 4]).digest == space([3.0, 4.0]).digest
    assert space([1.5, 3]).choices[3].options == (1.5, 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"preset": "mnist"}, "'digits', 'cifar', 'imagenet', .* or 'proxyless'"),
        ({"resolutions": [32, 16]}, "options must ascend"),
        ({"resolutions": []}, "at least 1 item"),
        ({"resolutions": [31, 64]}, "resolutions must be at least 32, the product .*, got 31"),
        ({"stages": [{"widths": [8], "kernel_sizes": [4]}]}, "kernel sizes must be odd"),
        ({"stages": [{"widths": [8], "depths": [33]}]}, "at most 32 blocks"),
        ({"stages": [{"widths": [8], "expand_ratios": [0]}]}, "greater than 0"),
        ({"stages": [{"widths": [8], "expand_ratios": [float("nan")]}]}, "nan"),
        ({"colour": 1}, "Extra inputs are not permitted"),
    ],
)
def test_bad_settings_name_the_field_and_the_rule(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MobileNetV3Settings.model_validate(fields)


@pytest.mark.parametrize(
    ("width", "divisor", "rounded"), [(16, 8, 16), (12, 8, 16), (11, 8, 16), (3, 8, 8), (90, 8, 88)]
)
def test_make_divisible_never_drops_more_than_a_tenth(
    width: int, divisor: int, rounded: int
) -> None:
    assert make_divisible(width, divisor) == rounded


def test_lowering_needs_only_the_active_choices() -> None:
    settings = MobileNetV3Settings.from_preset("digits")
    smallest = settings.build().smallest()
    assert isinstance(smallest, Architecture)
    assert not any("block2" in layer.name for layer in settings.lower(smallest))

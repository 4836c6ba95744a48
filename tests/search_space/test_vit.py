import numpy as np
import pytest
from pydantic import ValidationError

from search_space.costs import costs
from search_space.vit import VisionTransformerSettings

STAGE = {"widths": [8], "heads": [2], "head_widths": [4], "hidden_widths": [16]}


def test_the_published_space_has_the_published_size() -> None:
    space = VisionTransformerSettings().build()
    blocks = (4 * 7) ** 3 * (4 * 7 + 1) ** 3  # heads x hidden widths; three blocks may be absent
    assert space.size == (5 * blocks) ** 3
    assert f"{space.size:.2e}" == "1.92e+28"  # the paper's order: 1e28
    assert VisionTransformerSettings.from_preset("imagenet").build().digest == space.digest


# ViT-ResNAS-Tiny, from the released scripts/vit-sr-nas/searched_net/tiny.sh: per stage the width
# and each block's (heads, hidden width).
TINY_WIDTHS, TINY_HEAD_WIDTHS = (176, 352, 704), (32, 48, 64)
TINY_BLOCKS = (
    ((3, 704), (3, 576), (3, 640), (4, 576), (4, 704)),
    ((10, 1408), (8, 1408), (8, 1280), (8, 1408), (10, 1280), (10, 1024)),
    ((10, 2560), (10, 1792), (10, 2816), (8, 2816), (8, 2560)),
)


def searched_tiny() -> dict[str, int]:
    values = {}
    for stage, (width, blocks) in enumerate(zip(TINY_WIDTHS, TINY_BLOCKS, strict=True), start=1):
        values[f"stage{stage}.width"] = width
        for block in (2, 4, 6):
            values[f"stage{stage}.block{block}.exists"] = int(block <= len(blocks))
        for block, (heads, hidden) in enumerate(blocks, start=1):
            values[f"stage{stage}.block{block}.heads"] = heads
            values[f"stage{stage}.block{block}.hidden_width"] = hidden
    return values


def class_token_macs() -> int:
    """What the released network's class token takes beside the patches, which we do not have."""
    macs, num_tokens = 0, 256
    for stage, width in enumerate(TINY_WIDTHS):
        for heads, hidden in TINY_BLOCKS[stage]:
            inner = heads * TINY_HEAD_WIDTHS[stage]
            # As a row of all linear layers, then as a row and a column of both products.
            macs += 4 * width * inner + 2 * width * hidden + 2 * inner * (2 * num_tokens + 1)
        if stage < 2:
            macs += width * TINY_WIDTHS[stage + 1]  # its own linear layer in the reduction
            num_tokens //= 4
    return macs


def test_the_published_network_has_the_published_costs() -> None:
    settings = VisionTransformerSettings()
    found = costs(settings.lower(settings.build().validate(searched_tiny())))
    # By the released network_utils/compute_flop_mac.py, without a distillation token; the paper's
    # table says 1.8 G and 41 M.
    assert found.macs + class_token_macs() == 1_782_630_272
    assert found.num_params == pytest.approx(41e6, rel=0.02)


def test_a_block_that_does_not_exist_has_no_choices_and_no_layers() -> None:
    settings = VisionTransformerSettings.from_preset("tiny")
    smallest = settings.build().smallest()
    assert "stage1.block1.heads" in smallest
    assert "stage1.block2.heads" not in smallest
    assert not any("block2" in layer.name for layer in settings.lower(smallest))


def test_a_part_with_one_option_is_fixed_and_no_choice() -> None:
    settings = VisionTransformerSettings.model_validate(
        {"stages": [{**STAGE, "num_blocks": 2, "skippable": []}], "resolutions": [14]}
    )
    assert settings.build().size == 1
    assert len(settings.build().choices) == 0


@pytest.mark.parametrize("preset", ["tiny", "cifar", "imagenet"])
def test_the_largest_network_has_every_layer_of_any_other(preset: str) -> None:
    settings = VisionTransformerSettings.from_preset(preset)
    space = settings.build()
    largest = {layer.name: layer for layer in settings.lower(space.largest())}
    for row in space.sample(20, np.random.default_rng(0)):
        for layer in settings.lower(space.decode(row)):
            full = largest[layer.name]
            assert layer.out_channels <= full.out_channels
            assert layer.in_channels <= full.in_channels
            assert layer.in_heads <= full.in_heads
            assert layer.out_heads <= full.out_heads


def test_the_tiny_preset_reaches_from_starved_to_ample() -> None:
    settings = VisionTransformerSettings.from_preset("tiny")
    space = settings.build()
    small, large = (costs(settings.lower(a)) for a in (space.smallest(), space.largest()))
    assert large.macs > 10 * small.macs
    assert 50_000 < large.num_params < 200_000


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"preset": "huge"}, "'tiny', 'cifar' or 'imagenet'"),
        (
            {"resolutions": [200]},
            r"multiples of 56 = patch_size \* 2\^\(number of stages - 1\), .*2",
        ),
        ({"patch_size": 7}, "patch_size must be even below a stem, got 7"),
        ({"stages": [STAGE, {**STAGE, "widths": [6, 9]}]}, "at least 8, .* got 6"),
        ({"stages": [{**STAGE, "skippable": [7]}]}, r"at most num_blocks = 6, got \(7,\)"),
        ({"stages": [{**STAGE, "skippable": [2, 1]}]}, "skippable must ascend"),
        ({"stages": [{**STAGE, "num_blocks": 1, "skippable": [1]}]}, "must leave a block"),
        ({"stages": [{**STAGE, "heads": [4, 2]}]}, "options must ascend"),
        ({"stages": []}, "at least 1 item"),
    ],
)
def test_bad_settings_name_the_field_and_the_rule(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        VisionTransformerSettings.model_validate(fields)

import pytest

from search_space.cnn import MobileNetV3Settings
from search_space.layers import Layer, LayerGraph
from search_space.masking import MaskError, can_mask, kept
from search_space.stitching import StitchSettings
from search_space.vit import VisionTransformerSettings


def test_vision_transformers_of_one_resolution_can_share_a_pass() -> None:
    for preset in ("tiny", "imagenet"):
        can_mask(VisionTransformerSettings.from_preset(preset))


def test_stitches_cannot_share_a_pass() -> None:
    message = r"differ in route .* must have every layer, got anchor1\.\S+ missing"
    with pytest.raises(MaskError, match=message):
        can_mask(StitchSettings.from_preset("tiny"))


def test_what_a_network_lacks_is_zeros_and_its_sum_is_the_shortcut() -> None:
    settings = VisionTransformerSettings.from_preset("tiny")
    space = settings.build()
    found = kept(settings.lower(space.largest()), settings.lower(space.smallest()))
    query = found["stage1.block1.attention.query"]
    assert (query.channels, query.heads, query.in_channels) == (8, 2, 16)
    assert found["stage1.block2.attention.query"].channels == 0
    assert found["stage1.block2.attention.norm"].in_channels == 16
    assert found["stage1.block2.attention.add"].channels == 16
    assert found["classifier"].channels == 10


STAGE = {"widths": [8, 16], "depths": [2, 3], "kernel_sizes": [3], "expand_ratios": [2]}
FIXED = {
    "input_channels": 1,
    "num_classes": 10,
    "resolutions": [16],
    "stages": [{**STAGE, "widths": [8], "depths": [2]}],
}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"resolutions": [16, 32]},
            r"differ in resolution .* one height and width, got \(32, 32\) and \(16, 16\)",
        ),
        (
            {"stages": [{**STAGE, "widths": [8], "depths": [2], "kernel_sizes": [3, 5]}]},
            r"differ in stage1.block1.kernel_size .* must have one kernel, got 5 and 3",
        ),
        (
            {"stages": [{**STAGE, "depths": [2]}]},
            r"differ in stage1.width .*project.norm must come before all choices, got a batch_norm",
        ),
        ({"stages": [{**STAGE, "widths": [8]}]}, "differ in stage1.depth .* a batch_norm"),
    ],
)
def test_other_differences_are_refused_with_choice_layer_and_rule(
    fields: dict[str, object], message: str
) -> None:
    can_mask(MobileNetV3Settings.model_validate(FIXED))  # one architecture alone always can
    with pytest.raises(MaskError, match=message):
        can_mask(MobileNetV3Settings.model_validate({**FIXED, **fields}))


def test_a_restricted_space_may_allow_what_its_whole_does_not() -> None:
    settings = VisionTransformerSettings.from_preset("tiny", resolutions=[8, 16])
    with pytest.raises(MaskError, match="resolution"):
        can_mask(settings)
    can_mask(settings, settings.build().restrict({"resolution": (16,)}))


def network(*, gate: str = "", pool_first: bool = False, width: int = 4) -> tuple[Layer, ...]:
    graph = LayerGraph((1, 4, 4))
    x = graph.conv("conv", graph.input, width)
    if pool_first:
        x = graph.global_pool("pool", x)
    if gate:
        x = graph.activation("gate", x, gate)  # type: ignore[arg-type]  # one of its literals
    graph.conv("last", x, 2)
    return graph.layers()


def test_gates_that_open_at_zero_and_missing_layers_are_refused() -> None:
    with pytest.raises(MaskError, match="gate must keep zeros, got hard_sigmoid"):
        kept(network(gate="hard_sigmoid"), network(gate="hard_sigmoid", width=2))
    assert kept(network(gate="gelu"), network(gate="gelu", width=2))["gate"].channels == 2
    with pytest.raises(MaskError, match="pool must be in all networks, got one without it"):
        kept(network(pool_first=True), network())
    with pytest.raises(MaskError, match="larger network must have every layer, got pool missing"):
        kept(network(), network(pool_first=True))

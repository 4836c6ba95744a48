"""What stitched supernets have that others have not: many ways through them, frozen weights."""

import copy
from typing import Any

import pytest
import torch
from supernet_examples import (
    PLAIN,
    RESNET,
    STITCH,
    TWO_WAY,
    few_digits,
    random_images,
    small_supernet,
)

from search_space.families import NETWORK_FAMILIES
from search_space.stitching import StitchSettings
from supernet.base import Supernet
from supernet.elastic import ElasticConv2d
from supernet.gradients import GradientBuffer
from supernet.network import Network, initialize
from supernet.optimizer import build_optimizer
from supernet.settings import TrainingSettings
from supernet.training import train


def one_block_before_two() -> StitchSettings:
    """Anchors that are stitched behind a block whose channels no shortcut holds in place."""
    mobile: dict[str, Any] = {"kernel_sizes": [3], "expand_ratios": [1], "widths": [6]}
    stages = [mobile | {"depths": [1], "stride": 1}, mobile | {"depths": [1]}]
    residual = {"widths": [8], "expand_ratios": [0.5]}
    others = [residual | {"depths": [2], "stride": 1}, residual | {"depths": [1]}]
    return StitchSettings.model_validate(
        {
            "anchors": [
                {"network": PLAIN.model_dump() | {"resolutions": [8], "stages": stages}},
                {"network": RESNET.model_dump() | {"resolutions": [8], "stages": others}},
            ],
            "stages": [1],
        }
    )


@pytest.mark.parametrize("kind", sorted(NETWORK_FAMILIES.keys() - {"stitch"}))
def test_networks_of_every_family_can_be_anchors(kind: str) -> None:
    network = NETWORK_FAMILIES[kind].from_preset("tiny")
    space = network.build()
    anchors = [
        {"network": network.model_dump(), "architecture": dict(each)}
        for each in (space.smallest(), space.largest())
    ]
    settings = StitchSettings.model_validate({"anchors": anchors, "stages": [1, 2]})
    supernet = small_supernet(settings=settings)
    options = supernet.space.choices[0].options
    assert len(options) > 2
    for option in options:
        architecture = supernet.space.validate({"route": option})
        images = random_images(architecture, 3, settings)
        expected = supernet.extract(architecture)(images).detach()
        assert float(expected.std()) > 0.05
        torch.testing.assert_close(supernet(images, architecture), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [STITCH, TWO_WAY, one_block_before_two()])
def test_sorting_channels_keeps_the_functions_of_all_routes(settings: StitchSettings) -> None:
    supernet = small_supernet(settings=settings)
    space = supernet.space
    every = [{**space.largest(), "route": route} for route in space.choices[-1].options]
    networks = [space.validate(values) for values in every]
    images = random_images(space.largest(), 3, settings)
    before = [supernet(images, network) for network in networks]
    names = {layer.name for layer in settings.stitch_layers()}
    weights = copy.deepcopy(supernet.state_dict())
    supernet.sort_channels()
    for network, logits in zip(networks, before, strict=True):
        torch.testing.assert_close(supernet(images, network), logits, rtol=1e-4, atol=1e-5)
    moved = {key for key, tensor in supernet.state_dict().items() if not weights[key].equal(tensor)}
    assert moved
    if settings not in (STITCH, TWO_WAY):  # the stitching layer reads channels that moved
        assert {f"{name}.weight" for name in names} <= moved


def test_a_restricted_supernet_has_the_layers_of_its_routes_alone() -> None:
    settings = StitchSettings.from_preset("tiny")
    options = ("1:1-1,2:2-3", "1:1-2,2:3-3")
    supernet = Supernet(settings, allowed={"route": options})
    routes = [settings.lower({"route": option}) for option in options]
    assert {layer.name for layer in supernet.layers} == {
        layer.name for layers in routes for layer in layers
    }
    inputs = {layer.name: layer.inputs for layer in supernet.layers}
    assert inputs["stitch1to2.layer1"] == ("anchor1.stage1.block1.feed_forward.add",)
    assert inputs["anchor2.stage1.block2.attention.norm"] == ("stitch1to2.layer1",)
    assert inputs["anchor2.stage1.block3.attention.norm"] == (
        "anchor2.stage1.block2.feed_forward.add",
        "stitch1to2.layer2",
    )


def low_rank_layer() -> ElasticConv2d:
    layer = ElasticConv2d(6, 5, [1], bias=True, rank=2)
    initialize(layer, torch.Generator().manual_seed(0))
    return layer


def test_a_low_rank_layer_begins_as_its_frozen_weight() -> None:
    layer = low_rank_layer()
    assert not layer.weight.requires_grad
    assert torch.equal(layer.sliced(6, 5, 1)[0], layer.weight)
    assert bool(layer.get_parameter("low_rank_down").abs().min() > 0)


def test_a_low_rank_layer_is_its_weight_and_the_product_of_its_factors() -> None:
    layer = low_rank_layer()
    up, down = layer.get_parameter("low_rank_up"), layer.get_parameter("low_rank_down")
    torch.nn.init.normal_(up, generator=torch.Generator().manual_seed(1))
    merged, _ = layer.sliced(6, 5, 1)
    expected = layer.weight + 0.5 * torch.einsum("or,ri->oi", up, down)[:, :, None, None]
    torch.testing.assert_close(merged, expected)
    merged.sum().backward()
    assert layer.weight.grad is None
    assert up.grad is not None
    assert down.grad is not None


def test_training_leaves_frozen_weights_as_they_are() -> None:
    settings = StitchSettings.from_preset("tiny", rank=2)
    supernet = Supernet(settings)
    before = copy.deepcopy(supernet.state_dict())
    training = TrainingSettings(epochs=2, batch_size=20, weight_decay=0.1, ema_decay=0.5)
    train(supernet, few_digits(60), training, seed=0)
    changed = {key for key, now in supernet.state_dict().items() if not before[key].equal(now)}
    stitches = {layer.name for layer in settings.stitch_layers()}
    assert not changed & {f"{name}.weight" for name in stitches}
    assert {key for key in changed if key.startswith("stitch1to2")} >= {
        f"{name}.{kind}" for name in stitches for kind in ("bias", "low_rank_down", "low_rank_up")
    }


def test_frozen_weights_have_no_gradients_and_no_place_in_the_optimizer() -> None:
    supernet = Supernet(StitchSettings.from_preset("tiny", rank=2))
    learned = [each for each in supernet.parameters() if each.requires_grad]
    buffer = GradientBuffer(supernet, num_scalars=1)
    assert buffer.flat.numel() == sum(each.numel() for each in learned) + 1
    groups = build_optimizer(supernet, TrainingSettings()).param_groups
    assert sum(len(group["params"]) for group in groups) == len(learned)
    decayed = {id(parameter) for parameter in groups[0]["params"]}
    factors = [each for name, each in supernet.named_parameters() if "low_rank" in name]
    assert factors
    assert all(id(factor) in decayed for factor in factors)


def test_an_extracted_network_has_merged_weights() -> None:
    supernet = small_supernet(settings=TWO_WAY)
    architecture = supernet.space.validate({"resolution": 16, "route": "1:1-1,2:3-5"})
    extracted = supernet.extract(architecture)
    assert isinstance(extracted, Network)
    layer = supernet.get_submodule("stitch1to2.layer1")
    assert isinstance(layer, ElasticConv2d)
    found = extracted.get_parameter("stitch1to2.layer1.weight")
    assert torch.equal(found, layer.sliced(8, 12, 1)[0])
    assert not torch.equal(found, layer.weight)

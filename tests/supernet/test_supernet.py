import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import architectures
from supernet_examples import (
    EXAMPLES,
    lively,
    random_architectures,
    random_images,
    small_supernet,
)

import supernet.base
from search_space.cnn import MobileNetV3Settings
from search_space.families import NETWORK_FAMILIES
from search_space.space import InvalidArchitectureError
from supernet.base import Supernet

SMALL = {family: small_supernet(family=family) for family in EXAMPLES}
PRESETS = [
    (kind, preset)
    for kind, family in NETWORK_FAMILIES.items()
    for preset in family.presets
    if preset != "imagenet"  # larger than a quick test
]

every_family = pytest.mark.parametrize("family", EXAMPLES)


@every_family
@given(data=st.data())
@settings(max_examples=60)
def test_the_supernet_computes_what_the_extracted_network_computes(
    family: str, data: st.DataObject
) -> None:
    architecture = data.draw(architectures(SMALL[family].space))
    x = random_images(architecture, family=family)
    with torch.no_grad():
        found, expected = SMALL[family](x, architecture), SMALL[family].extract(architecture)(x)
    assert float(expected.std()) > 0.05  # nothing vanished
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("family", "preset"), PRESETS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_the_same_holds_for_the_presets(family: str, preset: str, channels_last: bool) -> None:
    network = lively(Supernet(NETWORK_FAMILIES[family].from_preset(preset)))
    wanted = torch.channels_last if channels_last else torch.contiguous_format
    for row in network.space.sample(3, np.random.default_rng(0)):
        architecture = network.space.decode(row)
        x = torch.randn(2, *network.settings.input_shape(architecture))
        x = x.contiguous(memory_format=wanted)
        with torch.no_grad():
            found, expected = network(x, architecture), network.extract(architecture)(x)
        scale = float(expected.abs().max())
        torch.testing.assert_close(found / scale, expected / scale, rtol=1e-5, atol=1e-5)


@every_family
@given(data=st.data())
@settings(max_examples=20)
def test_the_same_holds_in_training_mode(family: str, data: st.DataObject) -> None:
    architecture = data.draw(architectures(SMALL[family].space))
    network = copy.deepcopy(SMALL[family]).train()
    x = random_images(architecture, 8, family)
    expected = network.extract(architecture)(x)
    torch.testing.assert_close(network(x, architecture), expected, rtol=1e-5, atol=1e-5)


def used(channels: int, heads: int, max_channels: int, max_heads: int) -> torch.Tensor:
    """The numbers of the first channels of each of the first heads."""
    by_head = torch.arange(max_channels).view(max_heads, -1)
    return by_head[:heads, : channels // heads].flatten()


@every_family
@given(data=st.data())
@settings(max_examples=20)
def test_gradients_outside_the_active_slice_are_exactly_zero(
    family: str, data: st.DataObject
) -> None:
    architecture = data.draw(architectures(SMALL[family].space))
    network = copy.deepcopy(SMALL[family]).train()
    network.zero_grad()
    network(random_images(architecture, 8, family), architecture).square().sum().backward()
    layers = {layer.name: layer for layer in EXAMPLES[family].lower(architecture)}
    full = {layer.name: layer for layer in network.layers}
    for name, parameter in network.named_parameters():
        owner, _, kind = name.rpartition(".")
        if owner not in layers:
            assert parameter.grad is None, name
            continue
        layer = layers[owner]
        if kind.startswith("transform"):
            assert (parameter.grad is not None) == (layer.kernel < int(kind[10])), name
            continue
        assert parameter.grad is not None, name
        outside = parameter.grad.clone()
        size = len(parameter), full[owner].out_heads
        inside: tuple[object, ...] = (used(layer.out_channels, layer.out_heads, *size),)
        if kind == "weight" and parameter.dim() > 1:
            size = parameter.shape[1], full[owner].in_heads
            columns = used(layer.in_channels // layer.groups, layer.in_heads, *size)
            inside = (inside[0][:, None], columns)
        if parameter.dim() == 4 and layer.kernel < parameter.shape[-1]:
            # The first crop is what is read: the size below the largest.
            below = max(k for k in network.get_submodule(owner).kernel_sizes[:-1])
            margin = (parameter.shape[-1] - below) // 2
            inside += (slice(margin, margin + below),) * 2
        outside[inside] = 0
        assert not outside.any(), name
        # Few channels between two ReLUs may all be dead; a key's bias shifts all scores alike.
        if "squeeze_excite" not in name and "key.bias" not in name:
            assert parameter.grad[inside].any(), name


@every_family
def test_an_extracted_network_shares_no_memory(family: str) -> None:
    network = small_supernet(family=family)
    owned = {t.untyped_storage().data_ptr() for t in network.state_dict().values()}
    for architecture in random_architectures(network.space, 4):
        extracted = network.extract(architecture)
        assert owned.isdisjoint(
            t.untyped_storage().data_ptr() for t in extracted.state_dict().values()
        )
        # Its own memory is no larger than it needs.
        for tensor in extracted.state_dict().values():
            assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()


def test_extracted_parameters_are_leaves_that_train() -> None:
    network = small_supernet()
    extracted = network.extract(network.space.smallest())
    assert all(p.is_leaf and p.requires_grad for p in extracted.parameters())


@every_family
def test_sorting_channels_keeps_the_largest_network_and_changes_others(family: str) -> None:
    network = small_supernet(family=family)
    largest, smallest = network.space.largest(), network.space.smallest()
    large, small = (random_images(a, family=family) for a in (largest, smallest))
    before, other = network(large, largest), network(small, smallest)
    network.sort_channels()
    torch.testing.assert_close(network(large, largest), before, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(network(small, smallest), other)


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("mobilenetv3", ("stage1.block1.project.conv", "stage2.block2.project.conv")),
        ("vit", ("stage1.block1.feed_forward.project", "stage2.block3.feed_forward.project")),
    ],
)
def test_sorting_puts_important_channels_first(family: str, names: tuple[str, ...]) -> None:
    network = small_supernet(family=family)
    network.sort_channels()
    for name in names:
        importance = network.get_submodule(name).weight.abs().sum((0, 2, 3))
        assert torch.equal(importance, importance.sort(descending=True).values)


def test_sorting_moves_whole_attention_heads() -> None:
    network = small_supernet(family="vit")
    project = "stage1.block1.attention.project.weight"
    with torch.no_grad():
        network.get_parameter(project)[:, :4] /= 10  # the first head becomes the last
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    network.sort_channels()
    after = dict(network.named_parameters())
    importance = before[project].abs().sum((0, 2, 3)).view(3, 4).sum(1)
    order = importance.argsort(descending=True)
    assert order[-1] == 0
    heads = before[project].view(8, 3, 4)[:, order].reshape(after[project].shape)
    assert torch.equal(after[project], heads)
    for part in ("query", "key", "value"):
        for kind in ("weight", "bias"):
            name = f"stage1.block1.attention.{part}.{kind}"
            assert torch.equal(after[name], before[name].unflatten(0, (3, 4))[order].flatten(0, 1))


@every_family
def test_sorting_moves_companions_along(family: str) -> None:
    network = small_supernet(family=family)
    companions = {name: p.detach().clone() for name, p in network.named_parameters()}
    network.sort_channels(companions)
    assert all(torch.equal(companions[name], p) for name, p in network.named_parameters())


def test_after_sorting_a_small_network_keeps_what_matters() -> None:
    network = small_supernet()
    space = network.space
    largest = space.largest()
    narrow = {
        name: 0.5 if name.startswith("stage2.block1.e") else largest[name] for name in largest
    }
    project = network.get_submodule("stage2.block1.project.conv").weight
    with torch.no_grad():  # only every fourth hidden channel matters, as many as `narrow` keeps
        project[:, torch.arange(project.shape[1]) % 4 != 2] = 0
    x = random_images(largest)
    architecture = space.validate(narrow)
    assert not torch.allclose(network(x, architecture), network(x, largest))
    network.sort_channels()
    torch.testing.assert_close(network(x, architecture), network(x, largest))


@every_family
def test_a_restricted_space_needs_only_weights_of_its_own_size(family: str) -> None:
    whole = small_supernet(family=family)
    for architecture in random_architectures(whole.space, 4):
        alone = Supernet(
            whole.settings, allowed={name: [value] for name, value in architecture.items()}
        )
        assert alone.space.size == 1
        extracted = alone.extract(architecture)
        assert {name: p.shape for name, p in alone.named_parameters()} == {
            name: p.shape for name, p in extracted.named_parameters()
        }


def test_initial_weights_depend_on_the_generator_alone() -> None:
    first, second = small_supernet(3).state_dict(), small_supernet(3).state_dict()
    other = small_supernet(4).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["stem.conv.weight"], other["stem.conv.weight"])


def test_a_copy_is_independent_of_plans_that_were_made_before() -> None:
    network = small_supernet()
    largest = network.space.largest()
    x = random_images(largest)
    expected = network(x, largest)
    twin = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(network(x, largest), expected)
    assert not twin(x, largest).any()


def test_only_so_many_plans_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supernet.base, "MAX_CACHED_PLANS", 2)
    network = small_supernet()
    for architecture in random_architectures(network.space, 6):
        network(random_images(architecture), architecture)
        assert len(network._plans) <= 2


def test_inputs_of_another_resolution_are_refused() -> None:
    smallest = SMALL["mobilenetv3"].space.smallest()
    with pytest.raises(ValueError, match=r"\(any, 1, 8, 8\), got \(3, 1, 12, 12\)"):
        SMALL["mobilenetv3"](torch.zeros(3, 1, 12, 12), smallest)


def test_architectures_of_another_space_are_refused() -> None:
    other = MobileNetV3Settings.from_preset("digits").build().largest()
    with pytest.raises(InvalidArchitectureError):
        SMALL["mobilenetv3"](torch.zeros(3, 1, 8, 8), other)
    with pytest.raises(InvalidArchitectureError):
        SMALL["mobilenetv3"].extract(other)

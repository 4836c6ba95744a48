import copy

import pytest
import torch
from hypothesis import given, settings
from strategies import architectures
from supernet_examples import (
    SETTINGS,
    VIT,
    random_architectures,
    random_images,
    small_supernet,
)

import supernet.base
from search_space.cnn import MobileNetV3Settings
from search_space.space import Architecture, InvalidArchitectureError

SMALL = small_supernet()


@given(architecture=architectures(SMALL.space))
@settings(max_examples=20)
def test_gradients_outside_the_active_slice_are_exactly_zero(architecture: Architecture) -> None:
    network = copy.deepcopy(SMALL).train()
    network.zero_grad()
    network(random_images(architecture, 8), architecture).square().sum().backward()
    layers = {layer.name: layer for layer in SETTINGS.lower(architecture)}
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
        inside = (slice(layer.out_channels),)
        if kind == "weight" and layer.op != "batch_norm":
            inside += (slice(layer.in_channels // layer.groups),)
        if parameter.dim() == 4 and layer.kernel < parameter.shape[-1]:
            # The first crop is what is read: the size below the largest.
            below = max(k for k in network.get_submodule(owner).kernel_sizes[:-1])
            margin = (parameter.shape[-1] - below) // 2
            inside += (slice(margin, margin + below),) * 2
        outside[inside] = 0
        assert not outside.any(), name
        if "squeeze_excite" not in name:  # few channels between two ReLUs may all be dead
            assert parameter.grad[inside].any(), name


def test_extracted_parameters_are_leaves_that_train() -> None:
    network = small_supernet()
    extracted = network.extract(network.space.smallest())
    assert all(p.is_leaf and p.requires_grad for p in extracted.parameters())


def test_sorting_channels_keeps_the_largest_network_and_puts_important_channels_first() -> None:
    network = small_supernet()
    largest = network.space.largest()
    x = random_images(largest)
    before = network(x, largest)
    network.sort_channels()
    torch.testing.assert_close(network(x, largest), before, rtol=1e-5, atol=1e-5)
    for name in ("stage1.block1.project.conv", "stage2.block2.project.conv"):
        importance = network.get_submodule(name).weight.abs().sum((0, 2, 3))
        assert torch.equal(importance, importance.sort(descending=True).values)


def test_sorting_moves_whole_attention_heads() -> None:
    network = small_supernet(settings=VIT)
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
    hidden = network.get_parameter("stage1.block1.feed_forward.project.weight").abs().sum((0, 2, 3))
    assert torch.equal(hidden, hidden.sort(descending=True).values)


def test_sorting_moves_companions_along() -> None:
    network = small_supernet()
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
    smallest = SMALL.space.smallest()
    with pytest.raises(ValueError, match=r"\(any, 1, 8, 8\), got \(3, 1, 12, 12\)"):
        SMALL(torch.zeros(3, 1, 12, 12), smallest)


def test_architectures_of_another_space_are_refused() -> None:
    other = MobileNetV3Settings.from_preset("digits").build().largest()
    with pytest.raises(InvalidArchitectureError):
        SMALL(torch.zeros(3, 1, 8, 8), other)
    with pytest.raises(InvalidArchitectureError):
        SMALL.extract(other)

"""What holds for the networks of every family, on the small spaces of `supernet_examples`."""

import copy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from strategies import architectures
from supernet_examples import (
    EXAMPLES,
    STITCHED,
    digits,
    few_digits,
    lively,
    random_architectures,
    random_images,
    small_supernet,
)
from torch import Tensor

from search_space.families import NETWORK_FAMILIES
from search_space.space import Architecture
from search_space.tensors import is_low_rank
from supernet.base import Supernet
from supernet.checkpoints import load_supernet, save_supernet
from supernet.evaluate import evaluate_architecture
from supernet.export import onnx_model
from supernet.network import fold
from supernet.schedules.sampling import DEPTHS, RESOLUTION, dimension
from supernet.settings import AccuracySettings, TrainingSettings
from supernet.training import train

SUPERNETS = {name: small_supernet(settings=settings) for name, settings in EXAMPLES.items()}
every_family = pytest.mark.parametrize("name", EXAMPLES)


def images(network: Supernet, architecture: Architecture, count: int = 3) -> Tensor:
    return random_images(architecture, count, network.settings)


def test_no_family_is_missing() -> None:
    assert {settings.kind for settings in EXAMPLES.values()} == set(NETWORK_FAMILIES)


@every_family
@given(data=st.data())
@hypothesis_settings(max_examples=30)
def test_the_supernet_computes_what_the_extracted_network_computes(
    name: str, data: st.DataObject
) -> None:
    network = SUPERNETS[name]
    architecture = data.draw(architectures(network.space))
    x = images(network, architecture)
    with torch.no_grad():
        found, expected = network(x, architecture), network.extract(architecture)(x)
    assert float(expected.std()) > 0.05  # nothing vanished
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@every_family
@given(data=st.data())
@hypothesis_settings(max_examples=10)
def test_the_same_holds_in_training_mode(name: str, data: st.DataObject) -> None:
    network = copy.deepcopy(SUPERNETS[name]).train()
    architecture = data.draw(architectures(network.space))
    x = images(network, architecture, 8)
    expected = network.extract(architecture)(x)
    torch.testing.assert_close(network(x, architecture), expected, rtol=1e-5, atol=1e-5)


PRESETS = [
    (kind, preset)
    for kind, family in NETWORK_FAMILIES.items()
    for preset in family.presets
    if family.from_preset(preset).resolutions[-1] <= 32
]


@pytest.mark.parametrize(("kind", "preset"), PRESETS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_the_same_holds_for_the_presets(kind: str, preset: str, channels_last: bool) -> None:
    network = lively(Supernet(NETWORK_FAMILIES[kind].from_preset(preset)))
    wanted = torch.channels_last if channels_last else torch.contiguous_format
    for row in network.space.sample(3, np.random.default_rng(0)):
        architecture = network.space.decode(row)
        x = images(network, architecture, 2).contiguous(memory_format=wanted)
        with torch.no_grad():
            found, expected = network(x, architecture), network.extract(architecture)(x)
        scale = float(expected.abs().max())
        torch.testing.assert_close(found / scale, expected / scale, rtol=1e-5, atol=1e-5)


def used(network: Supernet, architecture: Architecture) -> dict[str, Tensor]:
    """By parameter, where it takes part in an architecture: in what `extract` would copy."""
    network.zero_grad()
    owners = {name for name, _ in network.named_modules()}
    slices = [
        tensor
        for layer in network.settings.lower(architecture)
        if layer.name in owners
        for tensor in network._slices(layer).values()
        if tensor.requires_grad
    ]
    torch.autograd.backward(slices, [0.5 + torch.rand(tensor.shape) for tensor in slices])
    return {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad != 0
        for name, parameter in network.named_parameters()
    }


@every_family
@given(data=st.data())
@hypothesis_settings(max_examples=10)
def test_gradients_outside_the_active_slice_are_exactly_zero(
    name: str, data: st.DataObject
) -> None:
    network = copy.deepcopy(SUPERNETS[name]).train()
    architecture = data.draw(architectures(network.space))
    inside = used(network, architecture)
    network.zero_grad()
    network(images(network, architecture, 8), architecture).square().sum().backward()
    num_reached = 0
    for path, parameter in network.named_parameters():
        if not inside[path].any():
            assert parameter.grad is None, path
            continue
        assert parameter.grad is not None, path
        assert not parameter.grad[~inside[path]].any(), path
        num_reached += bool(parameter.grad[inside[path]].any())
    # Layers behind units that are zero for every image get no gradient, but most are reached.
    assert num_reached > 0.8 * sum(bool(mask.any()) for mask in inside.values())


@every_family
def test_an_extracted_network_shares_no_memory_and_is_no_larger_than_needed(name: str) -> None:
    network = SUPERNETS[name]
    owned = {t.untyped_storage().data_ptr() for t in network.state_dict().values()}
    for architecture in random_architectures(network.space, 4):
        for tensor in network.extract(architecture).state_dict().values():
            storage = tensor.untyped_storage()
            assert storage.data_ptr() not in owned
            assert storage.nbytes() == tensor.numel() * tensor.element_size()


@every_family
def test_sorting_channels_keeps_networks_that_take_layers_whole(name: str) -> None:
    network = small_supernet(settings=EXAMPLES[name])
    weights = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    extremes = network.space.largest(), network.space.smallest()
    before = [network(images(network, a), a) for a in extremes]
    network.sort_channels()
    largest, smallest = (network(images(network, a), a) for a in extremes)
    torch.testing.assert_close(largest, before[0], rtol=1e-5, atol=1e-5)
    kept = torch.allclose(smallest, before[1], rtol=1e-2, atol=1e-2)
    assert kept == (name in STITCHED)
    assert any(not torch.equal(weights[k], t) for k, t in network.state_dict().items())


@every_family
def test_networks_that_were_trained_keep_their_channels(name: str) -> None:
    network = small_supernet(settings=EXAMPLES[name])
    space = network.space
    # All of the largest but its widths: sorting by norms of whole layers would mix them.
    widths = [dimension(choice.name) not in DEPTHS | {RESOLUTION} for choice in space.choices]
    narrow = space.decode(space.canonical(np.where(widths, 0, space.num_options - 1)[None])[0])
    before = {a: network(images(network, a), a) for a in (space.largest(), narrow)}
    weights = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    network.sort_channels(trained=[narrow])
    for architecture, logits in before.items():
        found = network(images(network, architecture), architecture)
        torch.testing.assert_close(found, logits, rtol=1e-4, atol=1e-5)
    assert any(not torch.equal(weights[k], t) for k, t in network.state_dict().items())


@every_family
def test_a_restricted_space_needs_only_weights_of_its_own_size(name: str) -> None:
    settings = EXAMPLES[name]
    for architecture in random_architectures(settings.build(), 4):
        alone = Supernet(settings, allowed={name: [value] for name, value in architecture.items()})
        assert alone.space.size == 1
        extracted = alone.extract(architecture)
        assert {name: p.shape for name, p in alone.named_parameters() if not is_low_rank(name)} == {
            name: p.shape for name, p in extracted.named_parameters()
        }


@every_family
def test_folding_keeps_the_function_and_leaves_no_batch_norm(name: str) -> None:
    network = SUPERNETS[name]
    for architecture in random_architectures(network.space, 6):
        extracted = network.extract(architecture)
        folded = fold(extracted)
        assert not any(layer.op == "batch_norm" for layer in folded.layers)
        x = images(network, architecture)
        torch.testing.assert_close(folded(x), extracted(x), rtol=1e-4, atol=1e-5)


@every_family
@pytest.mark.parametrize("is_folded", [False, True])
def test_the_onnx_graph_computes_what_the_network_computes(name: str, is_folded: bool) -> None:
    supernet = SUPERNETS[name]
    for architecture in random_architectures(supernet.space, 5):
        network = supernet.extract(architecture)
        network = fold(network) if is_folded else network
        model = onnx_model(network)
        onnx.checker.check_model(model, full_check=True)
        x = images(supernet, architecture, 5)
        session = onnxruntime.InferenceSession(model.SerializeToString())
        (found,) = session.run(["logits"], {"images": x.numpy()})
        np.testing.assert_allclose(found, network(x).detach().numpy(), rtol=1e-4, atol=1e-4)


@every_family
def test_a_stored_supernet_comes_back(name: str, tmp_path: Path) -> None:
    network = SUPERNETS[name]
    save_supernet(tmp_path / "a", network)
    loaded = load_supernet(tmp_path / "a")
    assert loaded.settings == network.settings
    for architecture in random_architectures(network.space, 3):
        x = images(network, architecture)
        assert torch.equal(loaded(x, architecture), network(x, architecture))


@every_family
def test_digits_are_classified_after_calibrating_and_folding(name: str) -> None:
    supernet = SUPERNETS[name]
    settings = AccuracySettings(calibration_images=100, batch_size=100)
    for architecture in random_architectures(supernet.space, 3):
        network, found = evaluate_architecture(supernet, architecture, digits(), settings)
        assert not any(layer.op == "batch_norm" for layer in network.layers)
        assert found.num_images == 397
        assert np.isfinite(found.loss)


@pytest.mark.parametrize("kind", NETWORK_FAMILIES)
def test_the_tiny_preset_learns_in_a_few_steps(kind: str) -> None:
    supernet = Supernet(NETWORK_FAMILIES[kind].from_preset("tiny"))
    training = TrainingSettings(
        epochs=8, batch_size=20, optimizer="adamw", learning_rate=5e-3, warmup_epochs=1
    )
    losses: list[float] = []
    data = few_digits(60)
    train(supernet, data, training, seed=0, report=lambda report: losses.append(report.label_loss))
    assert len(losses) == 8
    assert losses[-1] < losses[0] - 0.2

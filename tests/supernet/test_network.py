import copy

import pytest
import torch
from supernet_examples import random_architectures, random_images, small_supernet

from search_space.layers import LayerGraph
from supernet.network import Network, fold


def by_hand() -> Network:
    graph = LayerGraph((2, 5, 5))
    x = graph.conv("stem.conv", graph.input, 4, kernel=3, stride=2)
    x = graph.batch_norm("stem.norm", x)
    x = graph.activation("stem.activation", x, "relu")
    gate = graph.activation("gate", graph.global_pool("pool", x), "hard_sigmoid")
    x = graph.add("add", graph.multiply("multiply", x, gate), x)
    graph.linear("classifier", graph.flatten("flatten", x), 3)
    return Network(graph.layers(), generator=torch.Generator().manual_seed(0))


def test_parameters_live_under_the_layers_names() -> None:
    assert list(by_hand().state_dict()) == [
        "stem.conv.weight",
        "stem.norm.weight",
        "stem.norm.bias",
        "stem.norm.running_mean",
        "stem.norm.running_var",
        "stem.norm.num_batches_tracked",
        "classifier.weight",
        "classifier.bias",
    ]


def test_forward_computes_what_the_layers_say() -> None:
    network = by_hand().eval()
    x = torch.randn(2, 2, 5, 5)
    stem = network.get_submodule("stem")
    y = torch.relu(stem.get_submodule("norm")(stem.get_submodule("conv")(x)))
    y = y * torch.nn.functional.hardsigmoid(y.mean((2, 3), keepdim=True)) + y
    expected = network.get_submodule("classifier")(y.flatten(1))
    torch.testing.assert_close(network(x), expected)


def test_the_generator_alone_decides_the_initial_weights() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = by_hand().state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    second = by_hand().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_initial_weights_have_the_stated_spread() -> None:
    graph = LayerGraph((64, 8, 8))
    x = graph.conv("dense", graph.input, 128, kernel=3)
    x = graph.conv("depthwise", x, 128, kernel=5, groups=128, bias=True)
    graph.linear("classifier", graph.flatten("flatten", x), 10)
    network = Network(graph.layers(), generator=torch.Generator().manual_seed(0))
    std = {name: float(p.detach().std()) for name, p in network.named_parameters()}
    assert std["dense.weight"] == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.05)
    assert std["depthwise.weight"] == pytest.approx((2 / 25) ** 0.5, rel=0.05)
    assert std["classifier.weight"] == pytest.approx((1 / (3 * 128 * 64)) ** 0.5, rel=0.05)
    assert std["depthwise.bias"] == std["classifier.bias"] == 0


def test_initial_weights_of_transformers_have_the_stated_spread() -> None:
    graph = LayerGraph((64, 8, 8))
    x = graph.conv("stem", graph.input, 128, kernel=3)
    x = graph.layer_norm("norm", graph.batch_norm("stem_norm", x))
    x = graph.position("position", graph.conv("tokens", x, 96, bias=True))
    graph.linear("classifier", graph.flatten("flatten", x), 10)
    network = Network(graph.layers(), generator=torch.Generator().manual_seed(0))
    std = {name: float(p.detach().std()) for name, p in network.named_parameters()}
    assert std["stem.weight"] == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.05)
    assert std["tokens.weight"] == pytest.approx((1 / (3 * 128)) ** 0.5, rel=0.05)
    assert std["position.embedding"] == pytest.approx(0.02, rel=0.05)
    assert std["tokens.bias"] == std["norm.bias"] == 0
    assert torch.equal(network.get_parameter("norm.weight"), torch.ones(128))


def test_folding_keeps_the_function_and_leaves_no_batch_norm() -> None:
    supernet = small_supernet()
    for architecture in random_architectures(supernet.space, 6):
        network = supernet.extract(architecture)
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        folded = fold(network)
        assert not any(layer.op == "batch_norm" for layer in folded.layers)
        assert not folded.training
        x = random_images(architecture)
        torch.testing.assert_close(folded(x), network(x), rtol=1e-4, atol=1e-5)
        assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())


def test_folding_a_folded_network_changes_nothing() -> None:
    supernet = small_supernet()
    folded = fold(supernet.extract(supernet.space.largest()))
    again = fold(folded)
    assert again.layers == folded.layers
    assert all(torch.equal(t, folded.state_dict()[name]) for name, t in again.state_dict().items())


def test_a_batch_norm_without_a_convolution_of_its_own_cannot_be_folded() -> None:
    graph = LayerGraph((2, 4, 4))
    conv = graph.conv("conv", graph.input, 2)
    graph.add("add", graph.batch_norm("norm", conv), conv)
    with pytest.raises(ValueError, match=r"norm must follow a convolution that nothing else reads"):
        fold(Network(graph.layers()))


def test_a_copy_is_independent() -> None:
    network = by_hand().eval()
    x = torch.randn(1, 2, 5, 5)
    expected = network(x)
    twin = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(network(x), expected)
    assert not twin(x).any()


def test_pools_leave_out_what_lies_beyond_the_border() -> None:
    x = torch.tensor([[1.0, -2.0, 6.0], [3.0, 2.0, -4.0], [-8.0, 0.0, -5.0]])[None, None]
    graph = LayerGraph((1, 3, 3))
    graph.average_pool("pool", graph.input, 2)
    assert Network(graph.layers())(x).tolist() == [[[[1.0, 1.0], [-4.0, -5.0]]]]
    graph = LayerGraph((1, 3, 3))
    graph.max_pool("pool", graph.input, kernel=3, stride=2)
    assert Network(graph.layers())(x - 10).tolist() == [[[[-7.0, -4.0], [-7.0, -8.0]]]]


def test_relu6_is_cut_off_at_six() -> None:
    graph = LayerGraph((1, 1, 3))
    graph.activation("activation", graph.input, "relu6")
    x = torch.tensor([-1.0, 5.0, 7.0])[None, None, None]
    assert Network(graph.layers())(x).tolist() == [[[[0.0, 5.0, 6.0]]]]

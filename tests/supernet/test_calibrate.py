import pytest
import torch
from supernet_examples import EXAMPLES, random_architectures, small_supernet
from torch import nn

from search_space.layers import LayerGraph
from search_space.vit import VisionTransformerSettings
from supernet.base import Supernet
from supernet.calibrate import calibrate
from supernet.network import Network


def one_norm() -> Network:
    graph = LayerGraph((2, 3, 3))
    graph.batch_norm("norm", graph.input)
    return Network(graph.layers())


def test_statistics_are_the_averages_of_the_batches_weighted_by_size() -> None:
    network = one_norm()
    images = torch.randn(10, 2, 3, 3) * 3 + 2
    calibrate(network, images, batch_size=4)
    batches = images.split([4, 4, 2])
    mean = sum(len(b) / 10 * b.mean((0, 2, 3)) for b in batches)
    variance = sum(len(b) / 10 * b.var((0, 2, 3)) for b in batches)
    norm = network.get_submodule("norm")
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, variance)
    assert norm.momentum == 0.1
    assert not any(module.training for module in network.modules())


@pytest.mark.parametrize("name", EXAMPLES)
def test_earlier_statistics_leave_no_trace(name: str) -> None:
    supernet = small_supernet(settings=EXAMPLES[name])
    for architecture in random_architectures(supernet.space, 3):
        network, other = supernet.extract(architecture), supernet.extract(architecture)
        for module in other.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.fill_(7.0)
                module.running_var.fill_(3.0)
        images = torch.randn(20, *network.input_shape)
        for candidate in (network, other):
            calibrate(candidate, images, batch_size=8)
        found, expected = network.state_dict(), other.state_dict()
        assert all(torch.equal(found[name], expected[name]) for name in found)


def test_one_batch_gives_the_outputs_of_training_mode() -> None:
    supernet = small_supernet()
    network = supernet.extract(supernet.space.largest())
    images = torch.randn(64, *network.input_shape)
    expected = network.train()(images)
    calibrate(network, images, batch_size=64)
    # The running variance is the unbiased one.
    torch.testing.assert_close(network(images), expected, rtol=0.05, atol=0.05)


def test_a_network_without_batch_norms_is_left_as_it_is() -> None:
    settings = VisionTransformerSettings.from_preset("tiny")
    network = Supernet(settings).extract(settings.build().smallest())
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    calibrate(network.train(), torch.randn(20, *network.input_shape), batch_size=8)
    assert not network.training
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())


def test_a_single_image_is_never_a_batch_of_its_own() -> None:
    supernet = small_supernet()
    network = supernet.extract(supernet.space.smallest())
    calibrate(network, torch.randn(9, *network.input_shape), batch_size=4)
    assert all(torch.isfinite(t).all() for t in network.state_dict().values())


def test_images_are_prepared_batch_by_batch() -> None:
    network = one_norm()
    sizes: list[int] = []

    def prepare(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        return batch.float()

    calibrate(network, torch.ones(10, 2, 3, 3, dtype=torch.uint8), 4, prepare)
    assert sizes == [4, 4, 2]
    assert network.get_submodule("norm").running_mean.tolist() == pytest.approx([1, 1])

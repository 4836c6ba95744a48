"""Names and shapes said without torch are those that torch's modules own."""

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from supernet_examples import EXAMPLES, random_architectures
from torch import nn

from search_space.cnn import MobileNetV3Settings
from search_space.costs import layer_params
from search_space.families import NETWORK_FAMILIES
from search_space.family import NetworkSettings
from search_space.tensors import (
    Shape,
    is_transform,
    layer_tensors,
    network_tensors,
    supernet_tensors,
)
from supernet.base import Supernet
from supernet.fitting import is_counter
from supernet.network import Network

PRESETS = {
    f"{kind} {preset}": family.from_preset(preset)
    for kind, family in NETWORK_FAMILIES.items()
    for preset in family.presets
    if family.from_preset(preset).resolutions[-1] <= 32
}
SPACES = EXAMPLES | PRESETS
every_space = pytest.mark.parametrize("settings", SPACES.values(), ids=SPACES.keys())


def shapes_of(module: nn.Module) -> dict[str, Shape]:
    return {
        name: tuple(tensor.shape)
        for name, tensor in module.state_dict().items()
        if not is_counter(name)
    }


@every_space
def test_of_a_supernet(settings: NetworkSettings) -> None:
    assert supernet_tensors(settings, settings.build()) == shapes_of(Supernet(settings))


def test_of_a_supernet_with_transforms() -> None:
    named = supernet_tensors(EXAMPLES["mobilenetv3"], EXAMPLES["mobilenetv3"].build())
    transforms = {name: shape for name, shape in named.items() if is_transform(name)}
    assert transforms["stage1.block1.depthwise.conv.transform_7to5"] == (25, 25)
    assert transforms["stage1.block1.depthwise.conv.transform_5to3"] == (9, 9)
    assert transforms["stage2.block1.depthwise.conv.transform_7to3"] == (9, 9)
    assert len(transforms) == 6


@every_space
def test_of_a_restricted_supernet(settings: NetworkSettings) -> None:
    for architecture in random_architectures(settings.build(), 3):
        supernet = Supernet(settings, allowed={name: [v] for name, v in architecture.items()})
        assert supernet_tensors(settings, supernet.space) == shapes_of(supernet)


@every_space
def test_of_networks(settings: NetworkSettings) -> None:
    for architecture in random_architectures(settings.build(), 4):
        layers = settings.lower(architecture)
        assert network_tensors(layers) == shapes_of(Network(layers))


@every_space
def test_parameters_are_as_many_as_costs_count(settings: NetworkSettings) -> None:
    for row in settings.build().sample(3, np.random.default_rng(0)):
        for layer in settings.lower(settings.build().decode(row)):
            learned = [
                math.prod(shape)
                for kind, shape in layer_tensors(layer).items()
                if not kind.startswith("running_")
            ]
            assert sum(learned) == layer_params(layer), layer.name


def test_kinds_are_the_names_of_torch() -> None:
    norm = nn.BatchNorm2d(3)
    counters = [name for name in norm.state_dict() if is_counter(name)]
    assert counters == ["num_batches_tracked"]
    assert norm.num_batches_tracked.dtype == torch.int64


def test_the_documentation_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code, {})
    settings = MobileNetV3Settings.from_preset("digits")
    network = Network(settings.lower(settings.build().largest()))
    expected = [f"{name} {shape}" for name, shape in shapes_of(network).items()]
    assert capsys.readouterr().out.splitlines() == expected
    assert f"# {expected[0]}, ..." in code


def test_to_name_them_takes_no_torch() -> None:
    script = "import sys, search_space.tensors, supernet.fitting\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0

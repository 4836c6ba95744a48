"""A small space, supernets over it and data for it, shared by the tests of the supernet."""

from pathlib import Path

import numpy as np
import torch

from search_space.cnn import MobileNetV3Settings
from search_space.deepmad import DeepMADSettings
from search_space.family import NetworkSettings
from search_space.resnet import ResNetSettings
from search_space.space import Architecture, SearchSpace
from search_space.stitching import StitchSettings
from search_space.tensors import is_low_rank, is_transform
from search_space.vit import VisionTransformerSettings
from supernet.base import Supernet
from supernet.data import TensorData
from supernet.datasets import DataSet, DigitsSource, Split, load_source

SETTINGS = MobileNetV3Settings.model_validate(
    {
        "input_channels": 1,
        "num_classes": 10,
        "resolutions": [8, 12],
        "stem_width": 4,
        "stem_stride": 1,
        "first_block_width": 4,
        "stages": [
            {
                "widths": [4, 8],
                "depths": [1, 2],
                "kernel_sizes": [3, 5, 7],
                "expand_ratios": [1, 2],
                "squeeze_excite": True,
                "activation": "hard_swish",
            },
            {"widths": [8], "depths": [2], "kernel_sizes": [3, 7], "expand_ratios": [0.5, 2]},
        ],
        "final_expand_width": 16,
        "head_width": 24,
        "width_divisor": 2,
    }
)
"""All that the family offers, in networks of a few thousand weights."""

PLAIN = MobileNetV3Settings.model_validate(
    {
        "input_channels": 1,
        "num_classes": 10,
        "resolutions": [8, 11],
        "stem_width": 6,
        "stem_activation": "relu6",
        "first_block_width": 4,
        "first_block_activation": "relu6",
        "stages": [
            {
                "widths": [6],
                "depths": [1, 2],
                "kernel_sizes": [3, 5],
                "expand_ratios": [1, 2],
                "activation": "relu6",
            }
        ],
        "final_expand_width": 16,
        "head_activation": "relu6",
        "head_width": None,
        "width_divisor": 2,
    }
)
RESNET = ResNetSettings.model_validate(
    {
        "input_channels": 1,
        "num_classes": 10,
        "resolutions": [8, 12],  # 12 is pooled to 6, 3 and 2: windows that are cut off
        "stem_hidden_widths": [2, 4],
        "stem_widths": [4, 6],
        "stem_depths": [0, 2],
        "stem_stride": 1,
        "stages": [
            {"widths": [4, 8], "depths": [1, 2], "expand_ratios": [0.5, 1], "stride": 1},
            {"widths": [8], "depths": [2], "expand_ratios": [0.25, 0.5]},
            {"widths": [8, 12], "depths": [1], "expand_ratios": [0.5]},
        ],
        "width_divisor": 2,
    }
)
VIT = VisionTransformerSettings.model_validate(
    {
        "input_channels": 1,
        "num_classes": 10,
        "resolutions": [16, 24],
        "stem_width": 4,
        "patch_size": 4,
        "stages": [
            {
                "widths": [6, 8],
                "heads": [1, 2, 3],
                "head_widths": [2, 4],
                "hidden_widths": [8, 12],
                "num_blocks": 2,
                "skippable": [2],
            },
            {
                "widths": [8, 12],
                "heads": [2, 3],
                "head_widths": [4],
                "hidden_widths": [8, 16],
                "num_blocks": 3,
                "skippable": [1, 3],
            },
        ],
    }
)
DEEPMAD = DeepMADSettings.model_validate(
    {
        "input_channels": 1,
        "num_classes": 10,
        "resolutions": [8, 11],
        "stem_widths": [4, 6],
        "stem_stride": 1,
        "stages": [
            {"widths": [6, 8], "hidden_widths": [4, 8], "depths": [1, 2], "stride": 1},
            {"widths": [8, 12], "hidden_widths": [6], "depths": [1, 3], "kernel_sizes": [3, 7]},
        ],
    }
)
_MOBILE_STAGES = [
    {"widths": [6], "depths": [2], "kernel_sizes": [3], "expand_ratios": [2], "stride": 1},
    {"widths": [8], "depths": [3], "kernel_sizes": [5], "expand_ratios": [2], "stride": 2},
]
_RESIDUAL_STAGES = [
    {"widths": [8], "depths": [2], "expand_ratios": [0.5], "stride": 1},
    {"widths": [12], "depths": [4], "expand_ratios": [0.5], "stride": 2},
]
_PLAIN_TRANSFORMERS = [
    {
        "widths": [heads * 4],
        "heads": [heads],
        "head_widths": [4],
        "hidden_widths": [16],
        "num_blocks": depth,
        "skippable": [],
    }
    for heads, depth in ((2, 3), (3, 5))
]
STITCH = StitchSettings.model_validate(
    {
        "anchors": [
            {"network": anchor.model_dump() | {"resolutions": [8], "stages": stages}}
            for anchor, stages in ((PLAIN, _MOBILE_STAGES), (RESNET, _RESIDUAL_STAGES))
        ],
        "stages": [1, 2],
    }
)
TWO_WAY = StitchSettings.model_validate(
    {
        "anchors": [
            {
                "network": VIT.model_dump() | {"stages": [stage]},
                "architecture": {"resolution": 16},
            }
            for stage in _PLAIN_TRANSFORMERS
        ],
        "resolutions": [16, 24],
        "scheme": {"kind": "two_way"},
        "rank": 2,
    }
)
EXAMPLES: dict[str, NetworkSettings] = {
    "mobilenetv3": SETTINGS,
    "mobilenetv2": PLAIN,
    "resnet": RESNET,
    "vit": VIT,
    "deepmad": DEEPMAD,
    "stitch": STITCH,
    "two-way stitch": TWO_WAY,
}
STITCHED = frozenset(["stitch", "two-way stitch"])
"""The examples whose networks take layers whole or not at all."""
"""A small space of every family, for digits; the contract's tests run over all of them."""


def lively(supernet: Supernet, seed: int = 0) -> Supernet:
    """Draws everything that starts as a constant, so that no term can hide: eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in supernet.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.dim() == 1 or name.endswith("embedding") or _only_in_supernets(name):
                tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=0.3)
        for layer in supernet.layers:
            if layer.op == "linear":
                supernet.get_submodule(layer.name).weight.normal_(generator=generator)
    return supernet.eval()


def _only_in_supernets(name: str) -> bool:
    return is_transform(name) or is_low_rank(name)


def small_supernet(seed: int = 0, settings: NetworkSettings = SETTINGS) -> Supernet:
    return lively(Supernet(settings, generator=torch.Generator().manual_seed(seed)), seed)


def random_architectures(space: SearchSpace, count: int, seed: int = 0) -> list[Architecture]:
    """Both extremes and random ones."""
    rows = space.sample(count - 2, np.random.default_rng(seed))
    return [space.smallest(), space.largest(), *(space.decode(row) for row in rows)]


def random_images(
    architecture: Architecture, count: int = 3, settings: NetworkSettings = SETTINGS
) -> torch.Tensor:
    shape = (count, *settings.input_shape(architecture))
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def digits() -> TensorData:
    return TensorData.from_data_set(load_source(DigitsSource(), Path()))


def few_digits(count: int) -> TensorData:
    """The first images of the training split, and all others."""
    whole = load_source(DigitsSource(), Path())
    train = Split(whole.train.images[:count], whole.train.labels[:count])
    few = DataSet(train, whole.validation, whole.test, whole.num_classes, whole.mean, whole.std)
    return TensorData.from_data_set(few)

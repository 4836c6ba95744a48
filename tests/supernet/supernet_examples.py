"""Small spaces of every family, supernets over them and data, shared by the supernet's tests."""

from pathlib import Path

import numpy as np
import torch

from search_space.cnn import MobileNetV3Settings
from search_space.family import NetworkSettings
from search_space.space import Architecture, SearchSpace
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
"""All that a family offers, in networks of a few thousand weights."""

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

EXAMPLES: dict[str, NetworkSettings] = {"mobilenetv3": SETTINGS, "vit": VIT}
"""By family; a family listed here passes through all tests that hold for every family."""


def lively(supernet: Supernet, seed: int = 0) -> Supernet:
    """Draws everything that starts as a constant, so that no term can hide: eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in supernet.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.dim() == 1 or "transform" in name or name.endswith("embedding"):
                tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=0.3)
        supernet.classifier.weight.normal_(generator=generator)
    return supernet.eval()


def small_supernet(seed: int = 0, family: str = "mobilenetv3") -> Supernet:
    generator = torch.Generator().manual_seed(seed)
    return lively(Supernet(EXAMPLES[family], generator=generator), seed)


def random_architectures(space: SearchSpace, count: int, seed: int = 0) -> list[Architecture]:
    """Both extremes and random ones."""
    rows = space.sample(count - 2, np.random.default_rng(seed))
    return [space.smallest(), space.largest(), *(space.decode(row) for row in rows)]


def random_images(
    architecture: Architecture, count: int = 3, family: str = "mobilenetv3"
) -> torch.Tensor:
    shape = (count, *EXAMPLES[family].input_shape(architecture))
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def digits() -> TensorData:
    return TensorData.from_data_set(load_source(DigitsSource(), Path()))


def few_digits(count: int) -> TensorData:
    """The first images of the training split, and all others."""
    whole = load_source(DigitsSource(), Path())
    train = Split(whole.train.images[:count], whole.train.labels[:count])
    few = DataSet(train, whole.validation, whole.test, whole.num_classes, whole.mean, whole.std)
    return TensorData.from_data_set(few)

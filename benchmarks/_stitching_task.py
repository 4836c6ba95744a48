"""What the benchmark of stitched networks is made of: anchors, stitches, and what they reach."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from _image_tasks import FASHION, device

from search_space.costs import costs
from search_space.family import NetworkSettings
from search_space.space import Architecture, digest_of
from search_space.stitching import AnchorSettings, StitchSettings
from search_space.vit import VisionTransformerSettings
from supernet.anchors import AnchorFile
from supernet.augmentation_settings import AugmentationSettings
from supernet.base import Supernet
from supernet.checkpoints import load_supernet, save_supernet
from supernet.data import TensorData, in_memory_format, resize
from supernet.evaluate import evaluate_architecture
from supernet.export import INPUT_NAME, onnx_model
from supernet.network import Network
from supernet.schedules.settings import ScheduleSettings
from supernet.schedules.single import SingleSettings
from supernet.settings import AccuracySettings, TrainingSettings
from supernet.stitching import FromAnchors
from supernet.training import train

Split = Literal["validation", "test"]

ANCHOR_WIDTHS = (16, 32, 64)
BETWEEN_WIDTHS = (24, 48)
"""Of networks trained separately, to compare stitches of their cost with."""

INITIAL_IMAGES = 100
"""On which stitching layers are solved for, as in the paper."""

TASK = replace(FASHION, num_train=30_000)
"""More images than other benchmarks take: the largest anchor would be no better with 10,000."""


@dataclass(frozen=True)
class Effort:
    """How long everything is trained.

    Attributes:
        alone: epochs of every network that is trained separately, the anchors too.
        stitched: epochs of each training of all stitches.
    """

    alone: int
    stitched: int


FULL, QUICK = Effort(alone=6, stitched=2), Effort(alone=3, stitched=2)


@dataclass(frozen=True)
class Point:
    """One network.

    Attributes:
        name: its route, or that it was trained separately.
        macs: of one image.
        top1: validation accuracy, in percent.
    """

    name: str
    macs: int
    top1: float


def transformer(width: int) -> VisionTransformerSettings:
    """Returns a transformer without choices: six blocks over 4 x 4 patches, heads of 8 channels."""
    stage = {
        "widths": [width],
        "heads": [width // 8],
        "head_widths": [8],
        "hidden_widths": [2 * width],
        "num_blocks": 6,
        "skippable": [],
    }
    return VisionTransformerSettings.model_validate(
        {
            "input_channels": 1,
            "num_classes": 10,
            "resolutions": [28],
            "stem_width": 0,
            "patch_size": 7,
            "stages": [stage],
        }
    )


def stitched_family() -> StitchSettings:
    """Returns the three anchors, stitched as SN-Net does by default."""
    anchors = tuple(AnchorSettings(network=transformer(width)) for width in ANCHOR_WIDTHS)
    return StitchSettings(anchors=anchors)


def recipe(schedule: ScheduleSettings, epochs: int) -> TrainingSettings:
    """Returns how everything here is trained."""
    return TrainingSettings(
        epochs=epochs,
        batch_size=100,
        optimizer="adamw",
        learning_rate=0.002,
        warmup_epochs=1,
        weight_decay=0.05,
        augmentation=AugmentationSettings(flip=True),
        checkpoint_every_epochs=100_000,
        schedule=schedule,
    )


def trained_alone(
    width: int, data: TensorData, epochs: int, seed: int, folder: Path
) -> tuple[Supernet, Path]:
    """Returns a transformer that was trained by itself, and its file; trains it if there is none.

    Args:
        width: of its tokens.
        data: to train on.
        epochs: of the training.
        seed: of weights, order and augmentation.
        folder: where files are; their names say all that a training depends on.
    """
    family = transformer(width)
    architecture = dict(family.build().largest())
    settings = recipe(SingleSettings(architecture=architecture), epochs)
    facts = [family.model_dump(mode="json"), settings.model_dump(mode="json"), data.version, seed]
    path = folder / f"width{width}-{digest_of(facts)}.safetensors"
    if not path.exists():
        generator = torch.Generator().manual_seed(seed)
        supernet = Supernet(family, generator=generator).to(device())
        train(supernet, data, settings, seed=seed)
        save_supernet(path, supernet)
    return load_supernet(path).to(device()), path


def initialized(files: Sequence[Path], data: TensorData, seed: int) -> Supernet:
    """Returns the stitched supernet before any training: anchors, and layers by least squares."""
    generator = torch.Generator().manual_seed(seed)
    supernet = Supernet(stitched_family(), generator=generator).to(device())
    anchors = tuple(AnchorFile("supernet", path) for path in files)
    FromAnchors(anchors, images=INITIAL_IMAGES, seed=seed).apply(supernet, data)
    return supernet


def trained_together(
    start: Supernet, schedule: ScheduleSettings, data: TensorData, epochs: int, seed: int
) -> Supernet:
    """Returns a copy of a stitched supernet, trained."""
    supernet = copy.deepcopy(start)
    train(supernet, data, recipe(schedule, epochs), seed=seed)
    return supernet.eval()


def every_network(family: NetworkSettings) -> list[Architecture]:
    """Returns all networks of a family that has one choice, in ascending order of cost."""
    space = family.build()
    return sorted(
        (space.decode(np.array([position])) for position in range(space.size)),
        key=lambda architecture: macs(family, architecture),
    )


def macs(family: NetworkSettings, architecture: Architecture) -> int:
    """Returns the multiply-accumulates of one image."""
    return costs(family.lower(architecture)).macs


def top1(
    supernet: Supernet, architecture: Architecture, data: TensorData, split: Split = "validation"
) -> float:
    """Returns a network's accuracy in percent."""
    settings = AccuracySettings(split=split)
    return evaluate_architecture(supernet, architecture, data, settings)[1].top1_percent


def curve(supernet: Supernet, data: TensorData) -> list[Point]:
    """Returns all networks of a stitched supernet, in ascending order of cost."""
    family = supernet.settings
    return [
        Point(str(each["route"]), macs(family, each), top1(supernet, each, data))
        for each in every_network(family)
    ]


def line_between(
    anchors: Sequence[Point], budgets: Sequence[int] | npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Returns what lies on the straight lines between neighbouring anchors, at some costs."""
    return np.interp(budgets, [a.macs for a in anchors], [a.top1 for a in anchors])


def onnx_difference(network: Network, data: TensorData) -> float:
    """Returns the largest difference of any logit, of the exported network to torch's."""
    images = resize(data.normalize(data.validation.images[:256]), network.input_shape[1])
    with torch.inference_mode():
        expected = network(in_memory_format(images, channels_last=True)).cpu().numpy()
    model = onnx_model(network).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {INPUT_NAME: images.cpu().contiguous().numpy()})
    return float(np.abs(np.asarray(found) - expected).max())

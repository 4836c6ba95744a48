"""Writes a chosen network to files, and reads the test split with what was written.

Both run as Ray tasks, so that the process which drives a job stays light.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnxruntime
import ray
import torch

from search_space.space import Architecture, Option
from supernet.checkpoints import load_supernet
from supernet.data import TensorData, resize
from supernet.evaluate import evaluate_architecture, wilson_interval
from supernet.export import ExportedFile, write_export
from supernet.settings import AccuracySettings
from workers.failures import summary
from workers.measurement import describe_device
from workers.sharing import check_shared

TEST_BATCH_SIZE = 256
Result = TypeVar("Result")


class TaskFailedError(RuntimeError):
    """The function raised, or the workers that ran it died; names the cause."""


class TaskCancelledError(Exception):
    """The task was ended because it was asked to."""


@dataclass(frozen=True)
class ExportJob:
    """Everything that decides what is written and where.

    Attributes:
        supernet_path: the trained supernet.
        data_path: a data set as `supernet.datasets.write_data_set` left it.
        accuracy: calibration settings; those of the search that chose the network.
        architecture: of the supernet's space.
        card: what the caller knows about the network; see `supernet.export.write_export`.
        folder: where the files go.
    """

    supernet_path: Path
    data_path: Path
    accuracy: AccuracySettings
    architecture: Mapping[str, Option]
    card: Mapping[str, Any]
    folder: Path


def export_network(job: ExportJob) -> dict[str, ExportedFile]:
    """Writes the extracted, calibrated, batch-norm-folded network; returns its files by name."""
    supernet = load_supernet(job.supernet_path)
    data = TensorData.from_file(check_shared(job.data_path))
    architecture = supernet.space.validate(job.architecture)
    network, _ = evaluate_architecture(supernet, architecture, data, job.accuracy)
    return write_export(job.folder, network, {**job.card, **_preprocessing(data, architecture)})


def _preprocessing(data: TensorData, architecture: Architecture) -> dict[str, Any]:
    """Returns how an image becomes the network's input, as part of the card."""
    return {
        "architecture": dict(architecture),
        "architecture_digest": architecture.digest,
        "num_classes": data.num_classes,
        "preprocessing": {
            "scale": "pixel / 255",
            "mean": data.mean,
            "std": data.std,
            "resize": "bilinear to the input's height and width, after normalization",
        },
        "versions": {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__},
    }


def read_test_split(model_path: Path, data_path: Path) -> dict[str, Any]:
    """Classifies the test split with an exported ONNX file, in ONNX Runtime.

    Returns:
        `top1_percent` with the numbers that it comes from and its 95 % Wilson interval.
    """
    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    (declared,) = session.get_inputs()
    data = TensorData.from_file(check_shared(data_path))
    num_correct = 0
    batches = zip(
        torch.split(data.test.images, TEST_BATCH_SIZE),
        torch.split(data.test.labels, TEST_BATCH_SIZE),
        strict=True,
    )
    for images_BCHW, labels_B in batches:
        inputs = resize(data.normalize(images_BCHW), declared.shape[-1])
        (logits,) = session.run(None, {declared.name: inputs.contiguous().numpy()})
        num_correct += int(np.sum(np.argmax(logits, axis=1) == labels_B.numpy()))
    num_images = len(data.test)
    low, high = wilson_interval(num_correct, num_images)
    return {
        "method": "measured",
        "split": "test",
        "top1_percent": 100 * num_correct / num_images,
        "num_correct": num_correct,
        "num_images": num_images,
        "interval_percent": [100 * low, 100 * high],
        "interval": "wilson 95 %",
        "runtime": f"onnxruntime {onnxruntime.__version__}",
        "device": describe_device(),
    }


def run_task(
    function: Callable[..., Result],
    *arguments: Any,
    should_cancel: Callable[[], bool],
    num_cpus: int = 1,
) -> Result:
    """Runs a function in a Ray worker with some cores, and waits for it.

    A worker that dies is replaced and the function run again, three times at most.

    Raises:
        TaskCancelledError: `should_cancel` said so; the task was ended.
        TaskFailedError: the function raised, or its workers died.
    """
    call = ray.remote(num_cpus=num_cpus, max_retries=3)(function).remote(*arguments)
    while not ray.wait([call], timeout=0.5)[0]:
        if should_cancel():
            ray.cancel(call, force=True)
            raise TaskCancelledError(f"{function.__name__} was cancelled")
    try:
        result: Result = ray.get(call)
    except ray.exceptions.RayTaskError as error:
        raise TaskFailedError(summary(error.cause)) from error
    except ray.exceptions.RayError as error:
        raise TaskFailedError(summary(error)) from error
    return result

"""How figures were obtained, as JSON values."""

from typing import Any

import torch

from supernet.data import TensorData
from supernet.evaluate import Accuracy
from supernet.settings import AccuracySettings


def accuracy_provenance(
    accuracy: Accuracy, settings: AccuracySettings, supernet_version: str, data: TensorData
) -> dict[str, Any]:
    """Returns how an accuracy was obtained, as JSON values."""
    return {
        "method": "measured",
        "split": settings.split,
        "num_images": accuracy.num_images,
        "num_correct": accuracy.num_correct,
        "loss": accuracy.loss,
        "interval_percent": list(accuracy.interval_percent),
        "interval": "wilson 95 %",
        "calibration": {
            "procedure": "batch-norm statistics estimated anew, cumulative average",
            "num_images": min(settings.calibration_images, len(data.train)),
            "seed": settings.calibration_seed,
            "batch_size": settings.batch_size,
        },
        "precision": settings.precision,
        "supernet_version": supernet_version,
        "data_set_version": data.version,
        "runtime": f"torch {torch.__version__}",
    }

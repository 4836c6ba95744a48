"""How figures were obtained, as JSON values."""

from typing import Any

import torch

from supernet.data import TensorData
from supernet.evaluate import Accuracy
from supernet.proxy_settings import ProxySettings
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


def proxy_provenance(settings: ProxySettings, data: TensorData) -> dict[str, Any]:
    """Returns how zero-cost proxies were obtained, as JSON values."""
    return {
        "method": "computed",
        "from": "a network initialized anew, never trained",
        "initialization": "supernet.network.initialize; N(0, 1) for zen, |w| of it for synflow",
        "settings": settings.model_dump(mode="json"),
        "data_set_version": data.version,
        "split": "train",
        "runtime": f"torch {torch.__version__}",
    }

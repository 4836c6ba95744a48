"""How figures were obtained, as JSON values."""

from typing import Any

import torch

from supernet.data import TensorData
from supernet.evaluate import Accuracy
from supernet.floors import MAX_ERROR
from supernet.proxy_settings import ProxySettings
from supernet.settings import AccuracySettings


def accuracy_provenance(
    accuracy: Accuracy,
    settings: AccuracySettings,
    supernet_version: str,
    data: TensorData,
    dropped_below_percent: float | None = None,
) -> dict[str, Any]:
    """Returns how an accuracy was obtained, as JSON values.

    Args:
        accuracy: of all images of the split, or of those that were tried.
        settings: by which.
        supernet_version: digest of the supernet's file.
        data: the data set.
        dropped_below_percent: the floor that the network was proved to miss, where its evaluation
            ended there.
    """
    dropped = {
        "dropped": True,
        "floor_percent": dropped_below_percent,
        "split_images": len(data.split(settings.split)),
        "proof": f"exact test, images drawn without replacement, error {MAX_ERROR} in all",
    }
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
        **(dropped if dropped_below_percent is not None else {}),
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

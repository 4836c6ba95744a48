"""What re-estimating batch-norm statistics is worth, and how many images it takes.

Trains a supernet on Fashion-MNIST (see _image_tasks.py) with delayed shrinking and evaluates a
fixed sample of its networks with the supernet's own running statistics and with statistics
estimated on 2 to 4,096 training images; rank correlation of the accuracies with those at 4,096.
With --quick: 1,000 images and few epochs.
"""

from collections.abc import Mapping

import numpy as np
import torch
from _image_tasks import ACCURACY, FASHION, device
from harness import Figure, parse_arguments, report
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau

from supernet.base import Supernet
from supernet.data import TensorData
from supernet.evaluate import evaluate_architecture, evaluate_network
from supernet.network import fold
from supernet.schedules.delayed_shrinking import DelayedShrinkingSettings
from supernet.training import train

COUNTS = (2, 8, 32, 64, 128, 256, 512, 1024, 2048, 4096)
MOST = COUNTS[-1]
OWN = "the supernet's own"


def top1s(supernet: Supernet, data: TensorData) -> dict[str, list[float]]:
    """Returns accuracies of the sampled networks by where their statistics come from."""
    sample = FASHION.sampled_architectures()
    own = [fold(supernet.extract(architecture).eval()) for architecture in sample]
    found = {OWN: [evaluate_network(network, data, ACCURACY).top1_percent for network in own]}
    for count in COUNTS:
        settings = ACCURACY.model_copy(update={"calibration_images": count})
        found[f"{count:,} images"] = [
            evaluate_architecture(supernet, architecture, data, settings)[1].top1_percent
            for architecture in sample
        ]
    return found


def figures(found: Mapping[str, list[float]]) -> list[Figure]:
    """Returns mean accuracy and rank correlation for each."""
    best = found[f"{MOST:,} images"]
    figures = []
    for name, values in found.items():
        figures.append(Figure(f"{name}: mean", float(np.mean(values)), "% top-1"))
        tau = kendalltau(values, best).statistic
        if np.isfinite(tau):  # it is not where all networks guess alike
            figures.append(Figure(f"{name}: tau", float(tau), f"with {MOST:,} images"))
    return figures


def main() -> None:
    """Trains, evaluates, reports."""
    arguments = parse_arguments(__doc__)
    torch.set_num_threads(min(2, torch.get_num_threads()))
    data = FASHION.load(quick=arguments.quick)
    supernet = Supernet(FASHION.family).to(device())
    schedule = DelayedShrinkingSettings(ramp_epochs=1)
    train(
        supernet,
        data,
        FASHION.settings_of(schedule, 6 if arguments.quick else FASHION.epochs),
        seed=0,
    )
    found = top1s(supernet.eval(), data)
    table = Table(title="validation top-1 in percent, by MACs", title_justify="left")
    table.add_column("statistics")
    for _ in FASHION.sampled_architectures():
        table.add_column(justify="right")
    for name, values in found.items():
        table.add_row(name, *(f"{value:.1f}" for value in values))
    Console().print(table)
    report("Batch-norm statistics estimated anew", figures(found), arguments)


if __name__ == "__main__":
    main()

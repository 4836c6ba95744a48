"""Batch-norm statistics of an extracted network.

A supernet's running statistics mix all the networks it was trained as; a network on its own needs
its own (Cai et al. 2020, arXiv 1908.09791; Yu and Huang 2019, arXiv 1903.05134, section 3.4).
"""

from collections.abc import Callable
from itertools import accumulate

import torch
from torch import Tensor, nn

from supernet.network import Network


@torch.no_grad()
def calibrate(
    network: Network,
    images: Tensor,
    batch_size: int,
    prepare: Callable[[Tensor], Tensor] = lambda batch: batch,
) -> None:
    """Estimates the network's running means and variances anew; leaves it in eval mode.

    Each becomes the average of the batches' statistics, weighted by their sizes (the variances
    unbiased within their batch, as torch has them). A network without batch norms stays as it is.

    Args:
        network: changed in place; its earlier statistics leave no trace.
        images: training images, unaugmented, of shape (count, channels, height, width), count > 1.
        batch_size: images at once, at least 2; more give better statistics.
        prepare: turns a batch of images into the network's input.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    network.eval()
    if not norms:
        return
    for norm in norms:
        norm.train()
    sizes, shares = calibration_batches(len(images), batch_size)
    for batch_BCHW, share in zip(torch.split(images, sizes), shares, strict=True):
        for norm in norms:
            norm.momentum = share
        network(prepare(batch_BCHW))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


def calibration_batches(count: int, batch_size: int) -> tuple[list[int], list[float]]:
    """Returns the sizes of batches that add up to `count`, and the momentum of each.

    One image, which has no variance, is never alone. A batch norm's running statistics become
    (1 - m) running + m batch: with m = batch / seen so far a cumulative average by size, in which
    nothing is left of what was before.
    """
    sizes = [batch_size] * (count // batch_size)
    rest = count % batch_size
    if rest == 1 and sizes:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    seen = accumulate(sizes)
    return sizes, [size / total for size, total in zip(sizes, seen, strict=True)]

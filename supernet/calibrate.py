"""Batch-norm statistics of an extracted network.

A supernet's running statistics mix all the networks it was trained as; a network on its own needs
its own (Cai et al. 2020, arXiv 1908.09791; Yu and Huang 2019, arXiv 1903.05134, section 3.4).
"""

from collections.abc import Callable

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
    num_seen = 0
    for batch_BCHW in torch.split(images, _without_single_rest(len(images), batch_size)):
        num_seen += len(batch_BCHW)
        for norm in norms:
            # mean <- (1 - m) mean + m batch: with m = batch / seen a weighted cumulative average.
            norm.momentum = len(batch_BCHW) / num_seen
        network(prepare(batch_BCHW))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


def _without_single_rest(count: int, batch_size: int) -> list[int]:
    """Returns batch sizes that add up to `count`; one image, which has no variance, never alone."""
    sizes = [batch_size] * (count // batch_size)
    rest = count % batch_size
    if rest == 1 and sizes:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes

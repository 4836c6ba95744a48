"""Several architectures in one masked pass, against one pass for each of them.

Forward plus backward, in training mode, of one batch that is divided among 2 or 4 random
architectures of a vision transformer space: once by `masked_forward`, once by running each
architecture on its share. The masked pass computes at the size that holds all architectures, so it
does more arithmetic, in fewer and larger operations. Both alternatives run in turn; a ratio is the
median of the ratios within each turn, over several draws of architectures.

    python benchmarks/masked_passes.py [--quick] [--json FILE]
"""

import statistics
from collections.abc import Callable

import numpy as np
import torch
from harness import Figure, interleaved, parse_arguments, report
from torch import Tensor

from search_space.costs import costs
from search_space.space import Architecture
from search_space.vit import VisionTransformerSettings
from supernet.base import Supernet
from supernet.data import in_memory_format
from supernet.masked import containing, masked_forward

BATCH_SIZE = 64
NUM_DRAWS, QUICK_NUM_DRAWS = 6, 2
REPEATS, QUICK_REPEATS = {"tiny": 20, "cifar": 4}, {"tiny": 6, "cifar": 1}


def passes(
    supernet: Supernet, architectures: list[Architecture], images: Tensor
) -> dict[str, Callable[[], object]]:
    """Returns what is timed for one draw of architectures."""
    shares = images.chunk(len(architectures))
    own = torch.arange(len(architectures)).repeat_interleave(len(shares[0]))

    def masked() -> None:
        masked_forward(supernet, images, architectures, own).sum().backward()

    def separate() -> None:
        for architecture, share in zip(architectures, shares, strict=True):
            supernet(share, architecture).sum().backward()

    return {"masked": masked, "separate": separate}


def arithmetic(supernet: Supernet, architectures: list[Architecture]) -> float:
    """Returns the multiply-accumulates of the masked pass by those of separate passes."""
    lower = supernet.settings.lower
    whole = costs(lower(containing(supernet.space, architectures))).macs
    return whole / statistics.fmean(costs(lower(a)).macs for a in architectures)


def figures(preset: str, count: int, num_draws: int, repeats: int) -> list[Figure]:
    """Returns the figures of one preset and one number of architectures."""
    supernet = Supernet(VisionTransformerSettings.from_preset(preset)).train()
    for parameter in supernet.parameters():
        parameter.grad = torch.zeros_like(parameter)
    space = supernet.space
    shape = (BATCH_SIZE, *supernet.settings.input_shape(space.largest()))
    images = in_memory_format(torch.randn(shape), channels_last=True)
    ratios, factors, milliseconds = [], [], []
    rng = np.random.default_rng(0)
    for _ in range(num_draws):
        architectures = [space.decode(row) for row in space.sample(count, rng)]
        timings = interleaved(passes(supernet, architectures, images), repeats=repeats)
        masked, separate = (timings[name].seconds for name in ("masked", "separate"))
        ratios += [a / b for a, b in zip(masked, separate, strict=True)]
        milliseconds += [1000 * seconds for seconds in separate]
        factors.append(arithmetic(supernet, architectures))
    name = f"{preset}, {count} architectures"
    return [
        Figure(f"{name}: separate passes", statistics.median(milliseconds), "ms"),
        Figure(f"{name}: masked / separate, time", statistics.median(ratios), "x"),
        Figure(f"{name}: masked / separate, arithmetic", statistics.fmean(factors), "x"),
    ]


def main() -> None:
    """Measures and reports."""
    arguments = parse_arguments(__doc__)
    torch.manual_seed(0)
    num_draws = QUICK_NUM_DRAWS if arguments.quick else NUM_DRAWS
    repeats = QUICK_REPEATS if arguments.quick else REPEATS
    found = [
        figure
        for preset in ("tiny", "cifar")
        for count in (2, 4)
        for figure in figures(preset, count, num_draws, repeats[preset])
    ]
    title = (
        f"Masked passes of the vit supernet, batch of {BATCH_SIZE} in all, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    report(title, found, arguments)


if __name__ == "__main__":
    main()

"""What a network costs inside the supernet, against the same network extracted.

Forward, and forward plus backward, of the smallest, the middle and the largest network of a
family's `cifar` preset, in training mode, with channels last (what training uses); for comparison,
the extracted network in the contiguous format. All alternatives of one network run in turn; a ratio
is the median of the ratios within each turn, which a machine that slows down does not move.

    python benchmarks/elastic_overhead.py [--family KIND] [--quick] [--json FILE]
"""

import statistics
from collections.abc import Callable, Mapping

import torch
from harness import Arguments, Figure, Timing, argument_parser, interleaved, report
from torch import Tensor

from search_space.costs import costs
from search_space.families import NETWORK_FAMILIES
from search_space.space import Architecture, SearchSpace
from supernet.base import Supernet
from supernet.data import in_memory_format

BATCH_SIZE = 32
GOAL = "<= 1.05"
REPEATS = {"smallest": 60, "middle": 30, "largest": 15}
QUICK_REPEATS = {"smallest": 12, "middle": 6, "largest": 3}


def middle(space: SearchSpace) -> Architecture:
    """Returns the architecture of all middle options (the smaller middle of an even number)."""
    return space.decode((space.num_options - 1) // 2)


def forward(network: Callable[[Tensor], Tensor], images: Tensor) -> Callable[[], object]:
    """Returns a call that runs the network without gradients."""

    def run() -> None:
        with torch.no_grad():
            network(images)

    return run


def backward(
    network: Callable[[Tensor], Tensor], images: Tensor, module: torch.nn.Module
) -> Callable[[], object]:
    """Returns a call that runs the network and its backward pass into existing gradients."""
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)

    def run() -> None:
        network(images).sum().backward()

    return run


def alternatives(supernet: Supernet, architecture: Architecture) -> dict[str, Callable[[], object]]:
    """Returns what is timed for one architecture, by name."""
    extracted = supernet.extract(architecture)
    shape = (BATCH_SIZE, *supernet.settings.input_shape(architecture))
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    last = in_memory_format(images, channels_last=True)

    def inside(inputs: Tensor) -> Tensor:
        logits: Tensor = supernet(inputs, architecture)
        return logits

    return {
        "forward, supernet": forward(inside, last),
        "forward, extracted": forward(extracted, last),
        "forward, contiguous": forward(extracted, images),
        "forward + backward, supernet": backward(inside, last, supernet),
        "forward + backward, extracted": backward(extracted, last, extracted),
        "forward + backward, contiguous": backward(extracted, images, extracted),
    }


def ratio(timings: Mapping[str, Timing], above: str, below: str) -> float:
    """Returns the median over the turns of one alternative's time by another's."""
    pairs = zip(timings[above].seconds, timings[below].seconds, strict=True)
    return statistics.median(a / b for a, b in pairs)


def figures(name: str, timings: Mapping[str, Timing]) -> list[Figure]:
    """Returns the figures of one network."""
    found = []
    for what in ("forward", "forward + backward"):
        inside, extracted, contiguous = (
            f"{what}, {where}" for where in ("supernet", "extracted", "contiguous")
        )
        found += [
            Figure(f"{name}: {extracted}", 1000 * timings[extracted].median_s, "ms"),
            Figure(f"{name}: {inside} / extracted", ratio(timings, inside, extracted), "x", GOAL),
            Figure(f"{name}: {inside} / contiguous", ratio(timings, inside, contiguous), "x"),
            Figure(f"{name}: {extracted} / contiguous", ratio(timings, extracted, contiguous), "x"),
        ]
    return found


def main() -> None:
    """Measures and reports."""
    families = [kind for kind, family in NETWORK_FAMILIES.items() if "cifar" in family.presets]
    parser = argument_parser(__doc__)
    parser.add_argument("--family", metavar="KIND", choices=families, default="mobilenetv3")
    given = parser.parse_args()
    run(given.family, Arguments(quick=given.quick, json_path=given.json))


def run(family: str, arguments: Arguments) -> None:
    """Measures and reports the networks of one family."""
    torch.manual_seed(0)
    supernet = Supernet(NETWORK_FAMILIES[family].from_preset("cifar")).train()
    space = supernet.space
    found: list[Figure] = []
    named = {"smallest": space.smallest(), "middle": middle(space), "largest": space.largest()}
    for name, architecture in named.items():
        macs = costs(supernet.settings.lower(architecture)).macs
        repeats = (QUICK_REPEATS if arguments.quick else REPEATS)[name]
        timings = interleaved(alternatives(supernet, architecture), repeats=repeats)
        found.append(Figure(f"{name}: multiply-accumulates", macs / 1e6, "million"))
        found += figures(name, timings)
    title = (
        f"Networks inside the {family} cifar supernet, batch of {BATCH_SIZE}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    report(title, found, arguments)


if __name__ == "__main__":
    main()

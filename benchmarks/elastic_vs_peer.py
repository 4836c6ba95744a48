"""The supernet against the public once-for-all implementation, which is not part of this project.

    python benchmarks/elastic_vs_peer.py --peer FOLDER [--quick] [--json FILE]

FOLDER is a checkout of github.com/mit-han-lab/once-for-all (it holds the package `ofa`); without
it there is nothing to compare with and nothing is measured. Stub modules stand in for torchvision
where that is not installed: the peer imports it for images, which it is not given here.

Both get the same network (`OFAMobileNetV3` of 1,000 classes, our preset `imagenet`), the same
weights and statistics (copied with `supernet.starting.FromOnceForAll`), the same images and the
same sampled sub-networks. Before anything is timed their outputs are compared.

Timed, in turn within one run: forward plus backward into existing gradients, in training mode, and
forward without gradients, in evaluation mode; of our supernet and of the network extracted from it
(images with channels last, our default), of the peer as shipped and of the peer with its weights
and images in channels-last format. To choose the sub-network is timed for nobody: the peer's active
sub-network is set, and our plan of it is made, before. Nor is the optimizer's step.

A figure is the geometric mean over the sub-networks of the median ratio within a turn.
"""

import copy
import functools
import importlib.util
import statistics
import sys
import tempfile
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import Arguments, Figure, Timing, argument_parser, interleaved, report
from torch import Tensor, nn

from search_space.cnn import MobileNetV3Settings
from search_space.space import Architecture
from supernet.base import Supernet
from supernet.data import in_memory_format
from supernet.starting import FromOnceForAll

SKIPPED = (
    "skipped: needs --peer FOLDER, a checkout of github.com/mit-han-lab/once-for-all "
    "(the folder that holds the package ofa)"
)
BATCH_SIZES = {32: 32, 96: 8}
"""Images per step by resolution."""
NUM_SUBNETS, QUICK_NUM_SUBNETS = 6, 2
REPEATS, QUICK_REPEATS = 15, 3
MAX_DEPTH = 4
GOALS = {
    "peer as shipped": "<= 0.7",
    "peer, channels last": "<= 0.9",
    "extracted": "<= 1.05",
}
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}
"""Largest difference of two outputs, as a share of the largest output. In float64 nothing hides
behind rounding."""


def load_peer(folder: Path) -> Callable[..., nn.Module]:
    """Returns the peer's class of elastic MobileNetV3.

    Raises:
        ImportError: the folder does not hold the peer.
    """
    if importlib.util.find_spec("torchvision") is None:
        names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
        package, transforms, functional = (types.ModuleType(name) for name in names)
        package.transforms, transforms.functional = transforms, functional  # type: ignore[attr-defined]
        transforms.RandomResizedCrop = type("RandomResizedCrop", (), {})  # type: ignore[attr-defined]
        sys.modules |= dict(zip(names, (package, transforms, functional), strict=True))
    sys.path.insert(0, str(folder))
    from ofa.imagenet_classification.elastic_nn.networks.ofa_mbv3 import OFAMobileNetV3

    peer: Callable[..., nn.Module] = OFAMobileNetV3
    return peer


@torch.no_grad()
def draw(peer: nn.Module) -> None:
    """Draws everything that starts as a constant, so that no term hides and images matter."""
    for name, tensor in peer.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point() and (tensor.dim() == 1 or name.endswith("_matrix")):
            tensor.add_(torch.randn(tensor.shape), alpha=0.1)
    for name, parameter in peer.named_parameters():
        if name.startswith(("feature_mix_layer", "classifier")) and parameter.dim() > 1:
            parameter.mul_(10)


def copied(peer: nn.Module, resolution: int) -> Supernet:
    """Returns our supernet for one resolution with the peer's weights."""
    settings = MobileNetV3Settings.from_preset("imagenet", resolutions=(resolution,))
    supernet = Supernet(settings)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pth"
        torch.save({"state_dict": peer.state_dict()}, path)
        FromOnceForAll(path).apply(supernet)
    return supernet


def activate(peer: Any, architecture: Architecture, num_stages: int) -> None:
    """Makes an architecture of ours the peer's active sub-network."""
    blocks = [
        f"stage{stage + 1}.block{block + 1}"
        for stage in range(num_stages)
        for block in range(MAX_DEPTH)
    ]
    peer.set_active_subnet(
        ks=[architecture.get(f"{block}.kernel_size", 3) for block in blocks],
        e=[architecture.get(f"{block}.expand_ratio", 3) for block in blocks],
        d=[architecture[f"stage{stage + 1}.depth"] for stage in range(num_stages)],
    )


@torch.no_grad()
def check_equal(peer: nn.Module, supernet: Supernet, architecture: Architecture) -> float:
    """Returns the largest difference of outputs in float32, as a share of the largest output.

    Raises:
        SystemExit: the two compute different things.
    """
    (resolution,) = supernet.settings.resolutions
    images = torch.randn(2, 3, resolution, resolution)
    found = {}
    for dtype, tolerance in TOLERANCES.items():
        theirs = copy.deepcopy(peer).to(dtype).eval()
        ours = copy.deepcopy(supernet).to(dtype).eval()
        wanted = theirs(images.to(dtype))
        difference = (ours(images.to(dtype), architecture) - wanted).abs().max()
        found[dtype] = float(difference / wanted.abs().max())
        if found[dtype] > tolerance:
            sys.exit(f"outputs differ by {found[dtype]:.1e} of the largest in {dtype}")
    return found[torch.float32]


def step(network: Callable[[Tensor], Tensor], images: Tensor) -> Callable[[], object]:
    """Returns a call that runs forward and backward into existing gradients."""

    def run() -> None:
        network(images).sum().backward()

    return run


def classify(network: Callable[[Tensor], Tensor], images: Tensor) -> Callable[[], object]:
    """Returns a call that runs forward without gradients."""

    def run() -> None:
        with torch.no_grad():
            network(images)

    return run


def measure(
    peer: nn.Module, supernet: Supernet, architecture: Architecture, repeats: int
) -> dict[str, dict[str, Timing]]:
    """Returns the timings of one sub-network by what is done and by whom."""
    (resolution,) = supernet.settings.resolutions
    images = torch.randn(BATCH_SIZES[resolution], 3, resolution, resolution)
    last = in_memory_format(images, channels_last=True)
    extracted = supernet.extract(architecture)
    peer_last = copy.deepcopy(peer).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    inside = functools.partial(supernet, architecture=architecture)
    parties: dict[str, tuple[nn.Module, Callable[[Tensor], Tensor], Tensor]] = {
        "supernet": (supernet, inside, last),
        "extracted": (extracted, extracted, last),
        "peer as shipped": (peer, peer, images),
        "peer, channels last": (peer_last, peer_last, last),
    }
    found = {}
    for what, kind, is_training in (
        ("forward + backward", step, True),
        ("evaluation", classify, False),
    ):
        for module, _, _ in parties.values():
            module.train(is_training)
            for parameter in module.parameters():
                parameter.grad = torch.zeros_like(parameter)
        calls = {name: kind(network, given) for name, (_, network, given) in parties.items()}
        found[what] = interleaved(calls, repeats=repeats)
    return found


def ratio(timings: Mapping[str, Timing], below: str) -> float:
    """Returns the median over the turns of the supernet's time by another's."""
    pairs = zip(timings["supernet"].seconds, timings[below].seconds, strict=True)
    return statistics.median(a / b for a, b in pairs)


def figures(resolution: int, measured: list[dict[str, dict[str, Timing]]]) -> list[Figure]:
    """Returns the figures of one resolution from the timings of its sub-networks."""
    found = []
    for what in measured[0]:
        name = f"{resolution} x {resolution}, {what}"
        mean_ms = 1000 * statistics.fmean(one[what]["supernet"].median_s for one in measured)
        found.append(Figure(f"{name}: supernet", mean_ms, "ms"))
        for below, goal in GOALS.items():
            ratios = [ratio(one[what], below) for one in measured]
            mean = statistics.geometric_mean(ratios)
            found.append(Figure(f"{name}: supernet / {below}", mean, "x", goal))
    return found


def run(new_peer: Callable[..., nn.Module], arguments: Arguments) -> None:
    """Compares, measures and reports."""
    torch.manual_seed(0)
    num_subnets = QUICK_NUM_SUBNETS if arguments.quick else NUM_SUBNETS
    repeats = QUICK_REPEATS if arguments.quick else REPEATS
    peer = new_peer(
        dropout_rate=0, ks_list=[3, 5, 7], expand_ratio_list=[3, 4, 6], depth_list=[2, 3, 4]
    )
    draw(peer)
    found: list[Figure] = []
    largest_difference = 0.0
    for resolution in BATCH_SIZES:
        supernet = copied(peer, resolution)
        rows = supernet.space.sample(num_subnets, np.random.default_rng(0))
        measured = []
        for architecture in (supernet.space.decode(row) for row in rows):
            activate(peer, architecture, len(supernet.settings.stages))
            difference = check_equal(peer, supernet, architecture)
            largest_difference = max(largest_difference, difference)
            # Copies: training mode moves the statistics of whoever runs.
            subjects = copy.deepcopy(peer), copied(peer, resolution)
            measured.append(measure(*subjects, architecture, repeats))
        found += figures(resolution, measured)
    found.append(
        Figure("largest difference of outputs, float32", largest_difference, "", "<= 1e-5")
    )
    batches = ", ".join(f"{size} at {side} x {side}" for side, size in BATCH_SIZES.items())
    title = (
        f"{num_subnets} sub-networks per resolution, batches of {batches}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    report(title, found, arguments)


def main() -> None:
    """Measures and reports, or says what is missing."""
    parser = argument_parser(__doc__)
    parser.add_argument("--peer", type=Path, metavar="FOLDER", help="the peer's source folder")
    given = parser.parse_args()
    if given.peer is None:
        print(SKIPPED)
        return
    try:
        peer = load_peer(given.peer)
    except ImportError as error:
        parser.error(f"--peer must hold the package ofa of once-for-all, got {given.peer}: {error}")
    run(peer, Arguments(quick=given.quick, json_path=given.json))


if __name__ == "__main__":
    main()

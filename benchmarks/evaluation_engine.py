"""Sub-networks per second of the evaluation engine, against evaluating one after another.

Trains a supernet on Fashion-MNIST (see _image_tasks.py) with delayed shrinking. Then the same
networks are evaluated in several ways: (a) 200 uniform ones at once; (b) the populations of a real
search by NSGA-II, generations of 50, one call each; (c) all stitches of three vision transformers
(one way, small to large), and all of two (both ways), of random weights, at once. The ways:

- plain: extract, calibrate, fold, evaluate, one after another; the engine computes the same.
- engine, anew: an engine for each call, so that nothing is kept from one to the next.
- engine: one for the whole search, within 512 MiB.
- engine, dropping: also drops what cannot reach the front of the generations before.
- one by one: as the once-for-all code does it, on every fifth network: statistics from 2,000 images
  in batches of 200, nothing folded, channels first.

Times are processor seconds of one thread, the ways taking turns call by call. Images are stored at
the networks' resolution: to resize them for every network anew would make all ways but the engine
look worse. With --quick: few images, epochs and networks, small populations.

Last, what prefixes alone would save (multiply-accumulates and their like, counted, not run) in the
searches that another system recorded on the once-for-all MobileNetV3 supernet
(dynast_ofa_mbv3w10_runs.csv.gz in the same folder), in generations of 50 as well.
"""

import csv
import gzip
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _image_tasks import ACCURACY, FASHION
from harness import Figure, parse_arguments, report

from search_space.cnn import MobileNetV3Settings
from search_space.layers import Layer
from search_space.outcomes import Measured
from search_space.space import Architecture, Option
from search_space.stitching import StitchSettings
from searchers.nsga2 import NSGA2Settings
from searchers.protocol import Objective, Observation, Problem
from supernet.base import Supernet
from supernet.data import TensorData, TensorSplit, resize
from supernet.evaluate import Accuracy, evaluate_architecture, evaluate_network, extract_calibrated
from supernet.evaluation_engine import EngineReport, EvaluationEngine
from supernet.prefix_tree import Node, PrefixTree
from supernet.schedules.delayed_shrinking import DelayedShrinkingSettings
from supernet.training import train

TOP1, MACS = "top1_percent", "macs"
PROBLEM = Problem(
    FASHION.space,
    (Objective(metric=TOP1, goal="maximize"), Objective(metric=MACS, goal="minimize")),
)
MEMORY = 512 * 2**20
ONE_BY_ONE = ACCURACY.model_copy(
    update={"calibration_images": 2000, "batch_size": 200, "channels_last": False}
)
SAMPLED_EVERY = 5
EPOCHS = 6
"""Of the training: half of what the benchmarks of trainings take, as little hangs on it here."""

Way = Callable[[Sequence[Architecture]], Sequence[Accuracy]]


class Clock:
    """Processor seconds by name."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def timed(self, name: str, way: Way, networks: Sequence[Architecture]) -> Sequence[Accuracy]:
        """Returns what the way finds."""
        started_at = time.process_time()
        found = way(networks)
        self.seconds[name] += time.process_time() - started_at
        return found


class Ways:
    """The ways to evaluate networks of a supernet.

    Args:
        supernet: in eval mode.
        data: its images, at the networks' resolution.
    """

    def __init__(self, supernet: Supernet, data: TensorData) -> None:
        self.supernet = supernet
        self.data = data
        self.reports: defaultdict[str, list[EngineReport]] = defaultdict(list)

    def plain(self, networks: Sequence[Architecture]) -> Sequence[Accuracy]:
        """One after another."""
        return [
            evaluate_architecture(self.supernet, each, self.data, ACCURACY)[1] for each in networks
        ]

    def one_by_one(self, networks: Sequence[Architecture]) -> Sequence[Accuracy]:
        """As the once-for-all code does it."""
        return [
            evaluate_network(
                extract_calibrated(self.supernet, each, self.data, ONE_BY_ONE),
                self.data,
                ONE_BY_ONE,
            )
            for each in networks
        ]

    def engine(self, name: str, memory_bytes: int = MEMORY, precision: str = "float32") -> Way:
        """Returns an engine that lives on."""
        settings = ACCURACY.model_copy(update={"precision": precision})
        engine = EvaluationEngine(self.supernet, self.data, settings, memory_bytes=memory_bytes)

        def run(networks: Sequence[Architecture]) -> Sequence[Accuracy]:
            found = engine.evaluate(networks)
            self.reports[name].append(engine.report)
            return [each.accuracy for each in found]

        return run

    def anew(self, networks: Sequence[Architecture]) -> Sequence[Accuracy]:
        """With an engine that keeps nothing of earlier calls."""
        return self.engine("engine, anew")(networks)

    def dropping(self) -> Way:
        """Returns an engine that is told what is on the front."""
        engine = EvaluationEngine(self.supernet, self.data, ACCURACY, memory_bytes=MEMORY)
        known: list[tuple[int, float]] = []  # of networks that were evaluated to the end

        def run(networks: Sequence[Architecture]) -> Sequence[Accuracy]:
            floors = [
                max((top1 for macs, top1 in known if macs <= FASHION.macs(each)), default=None)
                for each in networks
            ]
            found = engine.evaluate(networks, floors=floors)
            self.reports["engine, dropping"].append(engine.report)
            known.extend(
                (FASHION.macs(network), each.accuracy.top1_percent)
                for network, each in zip(networks, found, strict=True)
                if not each.is_dropped
            )
            return [each.accuracy for each in found]

        return run


def trained(*, quick: bool) -> Ways:
    """Trains the supernet."""
    data = FASHION.load(quick=quick).to("cpu")
    supernet = Supernet(FASHION.family, generator=torch.Generator().manual_seed(0))
    schedule = DelayedShrinkingSettings(ramp_epochs=1)
    train(supernet, data, FASHION.settings_of(schedule, 4 if quick else EPOCHS), seed=0)
    (resolution,) = FASHION.family.resolutions
    small = replace(data, train=_small(data.train, resolution))
    return Ways(supernet.eval(), replace(small, validation=_small(data.validation, resolution)))


def _small(split: TensorSplit, resolution: int) -> TensorSplit:
    images = resize(split.images.float(), resolution)
    return TensorSplit(images.round().clamp(0, 255).to(torch.uint8), split.labels)


def uniform(ways: Ways, count: int) -> Iterator[Figure]:
    """Gives the figures of (a)."""
    space, clock = FASHION.space, Clock()
    networks = [space.decode(row) for row in space.sample(count, np.random.default_rng(1))]
    half = count // 2
    first = clock.timed("plain", ways.plain, networks[:half])
    together = clock.timed("engine", ways.engine("uniform"), networks)
    check([*first, *clock.timed("plain", ways.plain, networks[half:])], together)
    plain_s, engine_s = clock.seconds["plain"], clock.seconds["engine"]
    yield Figure(f"(a) {count} uniform: plain", count / plain_s, "networks/s")
    yield Figure("(a) engine", count / engine_s, "networks/s")
    yield Figure("(a) plain / engine", plain_s / engine_s, "x of time", ">= 0.95")
    yield from counts("(a)", ways.reports["uniform"])


def search(ways: Ways, generations: int, size: int) -> Iterator[Figure]:
    """Gives the figures of (b)."""
    clock = Clock()
    named: dict[str, Way] = {
        "plain": ways.plain,
        "engine, anew": ways.anew,
        "engine": ways.engine("engine"),
        "engine, dropping": ways.dropping(),
    }
    searcher = NSGA2Settings(population_size=size).build(PROBLEM, 0)
    points: list[tuple[float, float]] = []
    cheap: list[tuple[float, float]] = []
    for generation in range(generations):
        proposals = searcher.ask(size)
        networks = [each.architecture for each in proposals]
        found = {
            name: clock.timed(name, named[name], networks)
            for name in (named if generation % 2 else reversed(named))
        }
        clock.timed("one by one", ways.one_by_one, networks[::SAMPLED_EVERY])
        check(found["plain"], found["engine"])
        check(found["plain"], found["engine, anew"])
        costs = [float(FASHION.macs(each)) for each in networks]
        measured = [each.top1_percent for each in found["plain"]]
        points += zip(costs, measured, strict=True)
        whole = found["plain"][0].num_images
        cheap += [
            (macs, each.top1_percent)
            for macs, each in zip(costs, found["engine, dropping"], strict=True)
            if each.num_images == whole
        ]
        searcher.tell(
            [
                Observation(proposal, Measured({TOP1: top1, MACS: macs}))
                for proposal, top1, macs in zip(proposals, measured, costs, strict=True)
            ]
        )
    clock.seconds["one by one"] *= SAMPLED_EVERY
    yield from _search_figures(ways, clock.seconds, generations * size)
    same = float(front(points) == front(cheap))
    yield Figure("(b) front with dropping is the front without", same, "1 if so", ">= 1")


def _search_figures(ways: Ways, seconds: Mapping[str, float], count: int) -> Iterator[Figure]:
    for name, spent in seconds.items():
        yield Figure(f"(b) {name}", count / spent, "networks/s")
    for below, above, goal in (
        ("engine, anew", "plain", ">= 1.4"),
        ("engine", "plain", ">= 2"),
        ("engine, dropping", "plain", None),
        ("engine", "one by one", ">= 3"),
        ("engine, dropping", "one by one", ">= 5"),
    ):
        yield Figure(f"(b) {above} / {below}", seconds[above] / seconds[below], "x of time", goal)
    for name in ("engine, anew", "engine"):
        yield from counts(f"(b) {name}", ways.reports[name])
    dropping = ways.reports["engine, dropping"]
    share = sum(each.dropped for each in dropping) / count
    yield Figure("(b) dropped", 100 * share, "% of networks")


def front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns the points (cost, accuracy) that no other one beats, by cost."""
    found: list[tuple[float, float]] = []
    for cost, top1 in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if not found or top1 > found[-1][1]:
            found.append((cost, top1))
    return found


def check(expected: Sequence[Accuracy], found: Sequence[Accuracy]) -> None:
    """Ends the program where two ways disagree."""
    for one, other in zip(expected, found, strict=True):
        if one.num_correct != other.num_correct or abs(one.loss - other.loss) > 1e-4:
            raise SystemExit(f"two ways must agree, got {one} and {other}")


def counts(name: str, reports: Sequence[EngineReport]) -> Iterator[Figure]:
    """Gives what the engine says of its calls."""
    run = sum(each.block_executions for each in reports)
    saved = sum(each.block_executions_saved for each in reports)
    yield Figure(f"{name}: blocks, plain / run", (run + saved) / run, "x of executions")
    peak = max(each.peak_bytes for each in reports)
    yield Figure(f"{name}: memory at most", peak / 2**20, "MiB", f"<= {MEMORY / 2**20:g}")


def stitches(*, quick: bool) -> Iterator[Figure]:
    """Gives the figures of (c)."""
    data = FASHION.load(quick=quick).to("cpu")
    few = 64 if quick else 512
    split = TensorSplit(data.validation.images[:few], data.validation.labels[:few])
    data = replace(data, validation=split)
    anchors = [transformer(width, 4 if quick else 12) for width in (32, 48, 64)]
    for name, values in (
        ("3 anchors, one way", {"anchors": anchors}),
        ("2 anchors, two ways", {"anchors": anchors[1:], "scheme": {"kind": "two_way"}}),
    ):
        settings = StitchSettings.model_validate(values)
        stitched = Ways(Supernet(settings).eval(), data)
        space, clock = stitched.supernet.space, Clock()
        networks = [space.validate({"route": route}) for route in space.choices[0].options]
        half = len(networks) // 2
        first = clock.timed("plain", stitched.plain, networks[:half])
        together = clock.timed("engine", stitched.engine(name), networks)
        check([*first, *clock.timed("plain", stitched.plain, networks[half:])], together)
        ratio = clock.seconds["plain"] / clock.seconds["engine"]
        title = f"(c) {name}, {len(networks)} stitches"
        yield Figure(f"{title}: plain / engine", ratio, "x of time", ">= 1.8")
        yield from counts(f"(c) {name}", stitched.reports[name])


def transformer(width: int, num_blocks: int) -> dict[str, Any]:
    """Returns an anchor: a plain vision transformer for 7 x 7 patches, of heads of 16 channels."""
    stage = {
        "widths": [width],
        "heads": [width // 16],
        "head_widths": [16],
        "hidden_widths": [4 * width],
        "num_blocks": num_blocks,
        "skippable": [],
    }
    image = {"input_channels": 1, "num_classes": 10, "resolutions": [28], "patch_size": 4}
    return {"network": {"kind": "vit", "stem_width": 0, "stages": [stage], **image}}


def half_precision(ways: Ways, count: int) -> Iterator[Figure]:
    """Gives what bfloat16 is worth on this machine."""
    space, clock = FASHION.space, Clock()
    networks = [space.decode(row) for row in space.sample(count, np.random.default_rng(2))]
    full = clock.timed("float32", ways.engine("full"), networks)
    half = clock.timed("bfloat16", ways.engine("half", precision="bfloat16"), networks)
    ratio = clock.seconds["float32"] / clock.seconds["bfloat16"]
    yield Figure("float32 / bfloat16, engine", ratio, "x of time")
    apart = [abs(f.top1_percent - h.top1_percent) for f, h in zip(full, half, strict=True)]
    yield Figure("top-1 of bfloat16 is off by", float(np.mean(apart)), "points on average")


def recorded() -> Iterator[Figure]:
    """Gives what prefixes would save in recorded searches on the once-for-all space."""
    path = Path(os.environ["ESPALIER_BENCH_DATA"]) / "dynast_ofa_mbv3w10_runs.csv.gz"
    if not path.is_file():
        return
    family = MobileNetV3Settings()
    runs: defaultdict[str, list[tuple[Layer, ...]]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            runs[row["run"]].append(family.lower(_decoded(row)))
    for run, networks in runs.items():
        apart, within, across = _shared(networks)
        yield Figure(f"{run}: within generations", apart / within, "x of cost")
        yield Figure(f"{run}: across them, all kept", apart / across, "x of cost")


def _decoded(row: Mapping[str, str]) -> dict[str, Option]:
    kernels, ratios, depths = (
        [int(value) for value in row[name].split("-")] for name in ("ks", "e", "d")
    )
    values: dict[str, Option] = {"resolution": int(row["r"])}
    for stage, depth in enumerate(depths):
        values[f"stage{stage + 1}.depth"] = depth
        for block in range(4):
            name = f"stage{stage + 1}.block{block + 1}"
            values[f"{name}.kernel_size"] = kernels[4 * stage + block]
            values[f"{name}.expand_ratio"] = ratios[4 * stage + block]
    return values


def _shared(networks: Sequence[Sequence[Layer]]) -> tuple[float, float, float]:
    """Returns the cost of networks apart, in generations of 50, and with all kept for good."""
    apart = within = 0.0
    everything = PrefixTree()
    for start in range(0, len(networks), 50):
        generation = networks[start : start + 50]
        tree = PrefixTree()
        apart += sum(tree.insert(layers, 1).cost for layers in generation)
        within += _cost(tree.nodes())
        for layers in generation:
            everything.insert(layers, 1)
    return apart, within, _cost(everything.nodes())


def _cost(nodes: Sequence[Node]) -> float:
    return sum(node.cost - (node.parent.cost if node.parent else 0.0) for node in nodes)


def main() -> None:
    """Trains, evaluates, reports."""
    arguments = parse_arguments(__doc__)
    torch.set_num_threads(1)
    quick = arguments.quick
    ways = trained(quick=quick)
    ways.plain([FASHION.space.smallest()])  # what is done once is done
    figures = [
        *uniform(ways, 40 if quick else 200),
        *search(ways, *((3, 16) if quick else (10, 50))),
        *stitches(quick=quick),
        *half_precision(ways, 8 if quick else 32),
        *recorded(),
    ]
    report("Evaluation engine", figures, arguments)


if __name__ == "__main__":
    main()

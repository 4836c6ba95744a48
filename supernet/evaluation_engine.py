"""Evaluates many networks of a supernet at once and computes what they share only once.

Networks that agree in their first layers have the same activations there, batch-norm statistics
included, as these depend only on what comes before. So the networks become one tree
(`supernet.prefix_tree`), through which each batch of images goes depth first, for calibration and
for evaluation alike. Values at which blocks end are kept from call to call, as far as the memory
allows, least recently used dropped first (`supernet.prefix_memory`).

What comes out is what `supernet.evaluate.evaluate_architecture` finds, network by network, up to
rounding; and it is bit for bit the same whatever is evaluated beside it or was kept before.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from search_space.layers import PARAMETRIC
from search_space.space import Architecture
from supernet.base import Supernet
from supernet.calibrate import calibration_batches
from supernet.data import TensorData
from supernet.evaluate import Accuracy, calibration_indices, prepare
from supernet.floors import needed_for
from supernet.network import Network
from supernet.prefix_memory import ITEM_BYTES, Key, PrefixMemory
from supernet.prefix_passes import CalibrationPass, EvaluationPass, Pass, Weights
from supernet.prefix_program import reached
from supernet.prefix_tree import Node, PrefixTree
from supernet.settings import AccuracySettings

ORDER_SEED = 0
"""Shuffles the images that are classified: those seen first are a sample of all."""


@dataclass(frozen=True)
class Evaluated:
    """One network and what it is worth.

    Attributes:
        network: extracted, calibrated, folded, in eval mode. It shares weights with other networks:
            never change it.
        accuracy: of fewer images than the split has where it was dropped.
        is_dropped: whether it was given up because it cannot reach its floor.
    """

    network: Network
    accuracy: Accuracy
    is_dropped: bool


@dataclass(frozen=True)
class EngineReport:
    """What one call did. A block ends where the next layer with weights reads one value alone.

    Attributes:
        images: that were classified, summed over the networks.
        block_executions: blocks that were run on a batch of images, to calibrate or to classify.
        block_executions_saved: those that one network after another would have taken beyond.
        kept_bytes: of activations and statistics, after the call.
        peak_bytes: of those and of activations that waited for another network, at most.
        wall_s: how long it took.
        dropped: networks that were given up.
    """

    images: int = 0
    block_executions: int = 0
    block_executions_saved: int = 0
    kept_bytes: int = 0
    peak_bytes: int = 0
    wall_s: float = 0.0
    dropped: int = 0


class EvaluationEngine:
    """Evaluates networks of one supernet by one measure; lives as long as there are some to come.

    Args:
        supernet: never changed, by nobody, while the engine lives.
        data: on its device.
        settings: how accuracy is found.
        memory_bytes: of activations and statistics that are kept, and of activations that wait for
            another network. The network that is being run takes memory beside, as it would alone.
            With 0 nothing is shared.
        clock: returns seconds.

    Attributes:
        report: of the last call.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: TensorData,
        settings: AccuracySettings,
        *,
        memory_bytes: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if memory_bytes < 0:
            raise ValueError(f"memory_bytes must be at least 0, got {memory_bytes}")
        self.report = EngineReport()
        self._supernet = supernet
        self._data = data
        self._settings = settings
        self._clock = clock
        self._memory = PrefixMemory(memory_bytes)
        self._tree = PrefixTree()
        self._call = 0
        self._order = _shuffled(len(data.split(settings.split)))

    def evaluate(
        self,
        architectures: Sequence[Architecture],
        *,
        floors: Sequence[float | None] | None = None,
    ) -> list[Evaluated]:
        """Returns what is exported and measured, and its accuracy, for each architecture.

        Args:
            architectures: of the space; equal ones are evaluated once.
            floors: top-1 in percent for each, or None. An architecture is dropped when the images
                classified so far prove that it is below its floor on the whole split; one that is
                not below is dropped with a probability of at most `floors.MAX_ERROR`. None never
                drops.

        Raises:
            InvalidArchitectureError: one of them is not of the space.
            ValueError: there is not one floor for each, or one is not finite.
        """
        started_at = self._clock()
        floors = _checked(floors, len(architectures))
        space, lower = self._supernet.space, self._supernet.settings.lower
        networks = [lower(space.validate(architecture)) for architecture in architectures]
        self._call += 1
        try:
            leaves = [self._tree.insert(layers, self._call) for layers in networks]
            return self._evaluate(leaves, floors, started_at)
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Drops all that is kept."""
        self._memory.clear()
        self._tree = PrefixTree()

    def _evaluate(
        self, leaves: Sequence[Node], floors: Sequence[float | None], started_at: float
    ) -> list[Evaluated]:
        weights = Weights(self._supernet)
        wanted = set(leaves)
        targets = [node for node in self._tree.in_order(self._call) if node in wanted]
        calibration = self._calibration(targets, weights)
        evaluation = self._evaluation(targets, weights, self._needed(leaves, floors))
        planned = self._make_room([calibration, evaluation])
        calibration.run(self._memory.bound - planned)
        calibration.settle()
        evaluation.run(self._memory.bound - planned)
        results = {
            node: Evaluated(
                _network(node, weights), evaluation.accuracy(node), node in evaluation.dropped
            )
            for node in targets
        }
        self._tree.prune(self._memory.nodes(), remembers=self._memory.bound > 0)
        found = [results[leaf] for leaf in leaves]
        executions = calibration.block_executions + evaluation.block_executions
        self.report = EngineReport(
            images=sum(each.accuracy.num_images for each in found),
            block_executions=executions,
            block_executions_saved=self._plain_executions(leaves) - executions,
            kept_bytes=self._memory.num_bytes,
            peak_bytes=max(calibration.peak_bytes, evaluation.peak_bytes),
            wall_s=self._clock() - started_at,
            dropped=sum(each.is_dropped for each in found),
        )
        return found

    def _calibration(self, targets: Sequence[Node], weights: Weights) -> CalibrationPass:
        """Returns the pass that estimates all statistics that the targets lack."""
        found = (_calibrating(target) for target in targets)
        last = dict.fromkeys(node for node in found if node is not None)
        order = calibration_indices(self._data, self._settings)
        sizes, momenta = calibration_batches(len(order), self._settings.batch_size)
        return CalibrationPass(
            self._data.train.images,
            torch.split(order, sizes),
            list(last),
            self._memory,
            self._call,
            self._prepare,
            momenta=momenta,
            weights=weights,
        )

    def _evaluation(
        self, targets: Sequence[Node], weights: Weights, needed: dict[Node, int]
    ) -> EvaluationPass:
        split = self._data.split(self._settings.split)
        order = self._order.to(split.labels.device)
        batches = torch.split(order, self._settings.batch_size)
        return EvaluationPass(
            split.images,
            batches,
            targets,
            self._memory,
            self._call,
            self._prepare,
            labels=[split.labels[batch] for batch in batches],
            needed=needed,
            precision=self._settings.precision,
            weights=weights,
        )

    def _prepare(self, images_BCHW: Tensor, *, resolution: int) -> Tensor:
        return prepare(images_BCHW, self._data, self._settings, resolution)

    def _needed(self, leaves: Sequence[Node], floors: Sequence[float | None]) -> dict[Node, int]:
        """Returns how many images networks must classify rightly so as not to be dropped.

        Of equal architectures the lowest floor counts; None is below all.
        """
        count = len(self._order)
        lowest: dict[Node, float] = {}
        for leaf, floor in zip(leaves, floors, strict=True):
            value = -math.inf if floor is None else floor
            lowest[leaf] = min(value, lowest.get(leaf, math.inf))
        return {
            leaf: needed_for(floor, count) for leaf, floor in lowest.items() if floor > -math.inf
        }

    def _make_room(self, passes: Sequence[Pass]) -> int:
        """Decides what is kept; returns the bytes that it will take."""
        candidates: dict[Key, int] = {}
        in_use: list[Key] = []
        for each in passes:
            computed, loaded = each.reached()
            in_use += [(each.phase, node) for node in loaded]
            for node in computed | loaded:  # of dropped networks only some batches are kept
                num_images = each.num_missing(node)
                if node.ends_block and node.children and num_images:
                    candidates[each.phase, node] = ITEM_BYTES * node.num_elements * num_images
        ends = [node for node in self._tree.nodes() if node.ends_block]
        return self._memory.make_room(candidates, in_use, ends, self._tree.num_inserted)

    def _plain_executions(self, leaves: Sequence[Node]) -> int:
        """Returns how many blocks one network after another would run on a batch."""
        batch_size = self._settings.batch_size
        evaluation = -(-len(self._order) // batch_size)
        count = min(self._settings.calibration_images, len(self._data.train))
        calibration = len(calibration_batches(count, batch_size)[0])
        total = 0
        for leaf in leaves:
            path = leaf.path()
            has_norms = any(node.step.norm is not None for node in path)
            batches = evaluation + (calibration if has_norms else 0)
            total += batches * sum(node.ends_block for node in path)
        return total


def _checked(floors: Sequence[float | None] | None, count: int) -> Sequence[float | None]:
    if floors is None:
        return [None] * count
    if len(floors) != count:
        raise ValueError(
            f"floors must have one entry for each of {count} architectures, got {len(floors)}"
        )
    for floor in floors:
        if floor is not None and not math.isfinite(floor):
            raise ValueError(f"floors must be finite or None, got {floor}")
    return floors


def _calibrating(leaf: Node) -> Node | None:
    """Returns the first node of a network for which all must run that lacks statistics, if any."""
    path = leaf.path()
    uncalibrated = {node for node in path if node.is_uncalibrated}
    last = max((node.depth for node in uncalibrated), default=len(path))
    candidates = path[last:]  # a shortcut's batch norm may come after that of the other branch
    return next((each for each in candidates if uncalibrated <= reached([each], ())[0]), None)


def _shuffled(count: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(ORDER_SEED).permutation(count))


def _network(leaf: Node, weights: Weights) -> Network:
    """Returns the network that ends with a node."""
    path = leaf.path()
    modules = {
        node.step.layer.name: weights.folded(node)
        for node in path
        if node.step.layer.op in PARAMETRIC
    }
    return Network([node.step.layer for node in path], modules=modules).eval()

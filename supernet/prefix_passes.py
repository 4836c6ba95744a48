"""Runs the networks of a prefix tree on batches of images: to calibrate them, or to classify.

Both passes go batch by batch and, within a batch, through the tree, so that only one batch of what
several networks share is in memory unless it is kept for later calls.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_space.layers import Layer
from supernet.base import Supernet
from supernet.evaluate import Accuracy, tally
from supernet.floors import least_plausible
from supernet.network import folded_weights, plain_module
from supernet.plans import Operation, fixed_operation
from supernet.prefix_memory import ITEM_BYTES, Phase, PrefixMemory
from supernet.prefix_program import Instruction, Program, program, reached
from supernet.prefix_tree import Node, Statistics
from supernet.settings import Precision


class Preparation(Protocol):
    """Turns stored images into the input of networks of a resolution."""

    def __call__(self, images_BCHW: Tensor, *, resolution: int) -> Tensor:
        """Returns float images."""


class Weights:
    """The modules of the networks of one call.

    Layers that are equal have equal weights as long as no batch norm is folded into them, so they
    share one module.

    Args:
        supernet: where they come from.
    """

    def __init__(self, supernet: Supernet) -> None:
        self._supernet = supernet
        self._device_type = next(supernet.parameters()).device.type
        self._raw: dict[Layer, nn.Module] = {}
        self._folded: dict[Node, nn.Module] = {}

    def raw(self, layer: Layer) -> nn.Module:
        """Returns the module of a layer as it was lowered."""
        module = self._raw.get(layer)
        if module is None:
            # Extracting multiplies matrices, too, which would be rounded in a pass in bfloat16.
            with torch.autocast(self._device_type, enabled=False):
                module = self._supernet.extract_layer(layer).eval()
            self._raw[layer] = module
        return module

    @torch.no_grad()
    def folded(self, node: Node) -> nn.Module:
        """Returns the module of a step with weights, its batch norm folded into it."""
        module = self._folded.get(node)
        if module is None:
            step = node.step
            raw = self.raw(step.raw)
            module = raw if step.norm is None else self._absorbing(node, raw, step.norm)
            self._folded[node] = module
        return module

    def _absorbing(self, node: Node, conv: nn.Module, norm_layer: Layer) -> nn.Module:
        norm, found = self.raw(norm_layer), node.statistics
        assert isinstance(norm, nn.BatchNorm2d)
        assert isinstance(conv, nn.Conv2d)
        assert found is not None, f"{node.step.layer.name} is folded before it is calibrated"
        weight, bias = folded_weights(conv.weight, conv.bias, norm, found.mean, found.variance)
        module = plain_module(node.step.layer).eval()
        module.register_parameter("weight", nn.Parameter(weight))
        module.register_parameter("bias", nn.Parameter(bias))
        return module


class Pass(ABC):
    """Runs some nodes of the tree, and what comes before them, on all batches of a phase.

    Args:
        images: as they are stored.
        batches: positions of the images of each batch.
        targets: in the order of the tree.
        memory: what is kept, and from where values are taken.
        call: number of the call.
        prepare: makes a network's input of a batch.

    Attributes:
        targets: what is still to be run.
        block_executions: blocks that were run on a batch.
        peak_bytes: of what was kept or waited for another network, at most.
    """

    phase: ClassVar[Phase]

    def __init__(
        self,
        images: Tensor,
        batches: Sequence[Tensor],
        targets: Sequence[Node],
        memory: PrefixMemory,
        call: int,
        prepare: Preparation,
    ) -> None:
        self.targets = list(targets)
        self.block_executions = 0
        self.peak_bytes = 0
        self._images = images
        self._batches = batches
        self._memory = memory
        self._call = call
        self._prepare = prepare
        self._number = 0

    @property
    def num_images(self) -> int:
        """In all batches."""
        return sum(map(len, self._batches))

    def num_missing(self, node: Node) -> int:
        """Returns how many images there are of which a node's value is not kept."""
        kept = self._memory.num_batches(self.phase, node)
        return sum(map(len, self._batches[kept:]))

    @property
    def batch_bytes(self) -> int:
        """Of one element of each image of the largest batch."""
        return ITEM_BYTES * max(map(len, self._batches))

    def program(self, num_bytes: int) -> Program:
        """Returns what is done with the batch that is next.

        Args:
            num_bytes: that may wait for another network.
        """
        return program(
            self.targets,
            available=self._memory.available(self.phase, self._number, self._call),
            kept=self._memory.wanted(self.phase, self._number),
            max_waiting=num_bytes / self.batch_bytes,
        )

    def reached(self) -> tuple[set[Node], set[Node]]:
        """Returns the nodes that the first batch computes, and those that it takes from memory."""
        return reached(self.targets, self._memory.available(self.phase, 0, self._call))

    @torch.no_grad()
    def run(self, num_bytes: int) -> None:
        """Runs all batches.

        Args:
            num_bytes: that may wait for another network.
        """
        known: tuple[object, ...] = ()
        bound: list[_Bound] = []
        for number, batch in enumerate(self._batches):
            self._number = number
            available = self._memory.available(self.phase, number, self._call)
            wanted = self._memory.wanted(self.phase, number)
            if known != (state := (len(self.targets), available, wanted)):
                known, made = state, self.program(num_bytes)
                bound = [self._bind(each, wanted) for each in made.instructions]
                num_blocks = sum(node.ends_block for node in made.computed())
            if bound:
                _run(bound, made.num_slots, self._images[batch])
                self.end_batch()
            self.block_executions += num_blocks
            waiting = made.most_waiting * ITEM_BYTES * len(batch)
            self.peak_bytes = max(self.peak_bytes, waiting + self._memory.num_bytes)

    @abstractmethod
    def end_batch(self) -> None:
        """Is called after a batch was run."""

    @abstractmethod
    def operation(self, node: Node, *, is_first: bool) -> Operation:
        """Returns what computes a step with weights.

        Args:
            node: the step.
            is_first: whether it was not computed before in this batch.
        """

    @abstractmethod
    def finish(self, node: Node, value: Tensor) -> None:
        """Takes the value of a target for the batch."""

    def _bind(self, instruction: Instruction, wanted: Collection[Node]) -> "_Bound":
        node, layer = instruction.node, instruction.node.step.layer
        operation: Callable[..., Tensor | None]
        if instruction.kind == "finish":
            operation = partial(self.finish, node)
        elif instruction.kind == "load":
            operation = partial(self._loaded, node)
        elif layer.op == "input":
            operation = partial(self._prepare, resolution=layer.out_shape[1])
        else:
            is_first = instruction.kind == "compute"
            operation = fixed_operation(layer) or self.operation(node, is_first=is_first)
            if is_first and node in wanted:
                operation = partial(self._kept, node, operation)
        return operation, instruction.reads, instruction.slot, instruction.dead

    def _loaded(self, node: Node, _: Tensor) -> Tensor:
        return self._memory.value(self.phase, node, self._number)

    def _kept(self, node: Node, operation: Operation, *inputs: Tensor) -> Tensor:
        value = operation(*inputs)
        self._memory.add(self.phase, node, value)
        return value


_Bound = tuple[Callable[..., Tensor | None], tuple[int, ...], int, list[int]]
"""What is called, with the values of which slots (none: with the images), into which, then dead."""


@torch.inference_mode()
def _run(bound: Sequence[_Bound], num_slots: int, images: Tensor) -> None:
    values: list[Tensor | None] = [None] * num_slots
    for operation, reads, slot, dead in bound:
        inputs = [values[each] for each in reads] if reads else [images]
        values[slot] = operation(*inputs)
        for each in dead:
            values[each] = None


class CalibrationPass(Pass):
    """Estimates the statistics of batch norms that have none; see `supernet.calibrate`.

    Every batch is normalized by its own statistics, so what a network does with one batch does not
    depend on the others.

    Args:
        momenta: of the batches (`supernet.calibrate.calibration_batches`).
        weights: of the networks.
        others: as of `Pass`.
    """

    phase = "calibration"

    def __init__(self, *others: Any, momenta: Sequence[float], weights: Weights) -> None:
        super().__init__(*others)
        self._momenta = momenta
        self._weights = weights
        self._found: dict[Node, Statistics] = {}

    def operation(self, node: Node, *, is_first: bool) -> Operation:
        """Returns the layer as it was lowered, and then its batch norm in training mode."""
        module = self._weights.raw(node.step.raw)
        if node.step.norm is None:
            return module.forward
        norm = self._weights.raw(node.step.norm)
        assert isinstance(norm, nn.BatchNorm2d)
        if not is_first or not node.is_uncalibrated:
            return partial(self._normalized, module.forward, norm, None)
        if node not in self._found:
            mean, variance = torch.zeros_like(norm.weight), torch.ones_like(norm.weight)
            self._found[node] = Statistics(mean, variance)
        return partial(self._normalized, module.forward, norm, self._found[node])

    def finish(self, node: Node, value: Tensor) -> None:
        """Has nothing to do: statistics are noted as they are met."""

    def end_batch(self) -> None:
        """Has nothing to do."""

    def settle(self) -> None:
        """Notes all statistics in their nodes."""
        for node, found in self._found.items():
            node.statistics = found

    def _normalized(
        self,
        conv: Operation,
        norm: nn.BatchNorm2d,
        seen: Statistics | None,
        x_BCHW: Tensor,
    ) -> Tensor:
        return functional.batch_norm(
            conv(x_BCHW),
            None if seen is None else seen.mean,
            None if seen is None else seen.variance,
            norm.weight,
            norm.bias,
            training=True,
            momentum=self._momenta[self._number],
            eps=norm.eps,
        )


class EvaluationPass(Pass):
    """Counts what each network classifies rightly, and drops those that cannot reach their floor.

    Args:
        labels: of the batches.
        needed: for some targets the images that must be classified rightly.
        precision: in which convolutions and linear layers compute.
        weights: of the networks.
        others: as of `Pass`.

    Attributes:
        dropped: targets that were proved to miss what they need.
    """

    phase = "evaluation"

    def __init__(
        self,
        *others: Any,
        labels: Sequence[Tensor],
        needed: Mapping[Node, int],
        precision: Precision,
        weights: Weights,
    ) -> None:
        super().__init__(*others)
        self.dropped: set[Node] = set()
        self._labels = labels
        self._needed = needed
        self._precision = precision
        self._weights = weights
        device = labels[0].device
        self._counts = {
            node: (
                torch.zeros((), dtype=torch.int64, device=device),
                torch.zeros((), dtype=torch.float64, device=device),
            )
            for node in self.targets
        }
        self._num_seen = dict.fromkeys(self.targets, 0)
        seen = tuple(accumulate(map(len, labels)))
        self._looks = seen[:-1]

    def operation(self, node: Node, *, is_first: bool) -> Operation:  # noqa: ARG002 - the same
        """Returns the layer with its batch norm folded into it."""
        return self._weights.folded(node).forward

    def run(self, num_bytes: int) -> None:
        """Runs all batches in the precision asked for."""
        is_bfloat16 = self._precision == "bfloat16"
        device = self._labels[0].device.type
        with torch.autocast(device, torch.bfloat16, enabled=is_bfloat16):
            super().run(num_bytes)

    def finish(self, node: Node, value: Tensor) -> None:
        """Counts."""
        labels = self._labels[self._number]
        for total, found in zip(self._counts[node], tally(value, labels), strict=True):
            total += found
        self._num_seen[node] += len(labels)

    def end_batch(self) -> None:
        """Drops the targets that cannot reach what they need any more."""
        if self._number >= len(self._looks):
            return
        for node in self._needed.keys() & set(self.targets):
            least = least_plausible(self._needed[node], self.num_images, self._looks)
            if int(self._counts[node][0]) < least[self._number]:
                self.dropped.add(node)
        self.targets = [node for node in self.targets if node not in self.dropped]

    def accuracy(self, node: Node) -> Accuracy:
        """Returns the accuracy of a target on the images that it has seen."""
        num_correct, loss = self._counts[node]
        num_images = self._num_seen[node]
        return Accuracy(int(num_correct), num_images, float(loss) / num_images)

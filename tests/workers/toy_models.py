"""Small ONNX models for tests of measurement, and evaluators for tests of pools."""

import itertools
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from search_space.outcomes import Infeasible, Measured
from workers.protocol import EvaluationResult, EvaluationTask, WorkReport


def conv_chain(num_convs: int, channels: int = 16, side: int = 16) -> bytes:
    """Returns a chain of 3x3 convolutions from "images" (batch, channels, side, side)."""
    weights = np.full((channels, channels, 3, 3), 1e-3, dtype=np.float32)
    initializer = onnx.numpy_helper.from_array(weights, "weights")
    names = ["images", *(f"x{i}" for i in range(1, num_convs)), "logits"]
    nodes = [
        helper.make_node("Conv", [before, "weights"], [after], pads=[1, 1, 1, 1])
        for before, after in itertools.pairwise(names)
    ]
    shape = ["batch", channels, side, side]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
        [initializer],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def greedy_model() -> bytes:
    """Returns a model whose output needs more memory (4 PB) than any machine has."""
    shape = onnx.numpy_helper.from_array(np.array([2**50], dtype=np.int64), "shape")
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 1, 1, 1])
    zeros = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.0])
    graph = helper.make_graph(
        [
            helper.make_node("ConstantOfShape", ["shape"], ["zeros"], value=zeros),
            helper.make_node("Add", ["zeros", "images"], ["logits"]),
        ],
        "greedy",
        [images],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [shape],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


@dataclass(frozen=True)
class ToySpec:
    """Builds evaluators whose behaviour the architecture's `do` chooses; see `ToyEvaluator`."""

    folder: Path

    def build(self, num_threads: int) -> "ToyEvaluator":
        return ToyEvaluator(self.folder, num_threads)


@dataclass(frozen=True)
class BrokenSpec:
    """Cannot be built."""

    def build(self, num_threads: int) -> "ToyEvaluator":
        raise FileNotFoundError("no such supernet: moon.safetensors")


@dataclass(frozen=True)
class ToyEvaluator:
    """Does what the architectures say and leaves a line in a file for every task and group."""

    folder: Path
    num_threads: int

    def evaluate(self, tasks: Sequence[EvaluationTask]) -> list[EvaluationResult]:
        with (self.folder / "groups").open("a") as file:
            file.write(" ".join(str(task.number) for task in tasks) + "\n")
        results = [self._evaluate_one(task, len(tasks)) for task in tasks]
        report = WorkReport(
            networks=len(tasks),
            images=10 * len(tasks),
            block_executions=len(tasks),
            block_executions_saved=len(tasks) - 1,
            kept_bytes=tasks[0].number,
            peak_bytes=100 + tasks[0].number,
            wall_s=0.5,
            dropped=0,
        )
        return [*results[:-1], replace(results[-1], report=report)]

    def _evaluate_one(self, task: EvaluationTask, num_beside: int) -> EvaluationResult:
        with (self.folder / "calls").open("a") as file:
            file.write(f"{task.number} {os.getpid()}\n")
        self._run_out_of_memory(task, num_beside)
        match task.architecture["do"]:
            case "infeasible":
                return EvaluationResult(task.number, Infeasible("too wide"))
            case "raise":
                raise ValueError("stage1.depth must be one of (2, 3), got 5")
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "die once" if self._is_first("died"):
                os.kill(os.getpid(), signal.SIGKILL)
            case "sleep":
                time.sleep(60)
        value = float(np.random.default_rng(task.seed).random())
        provenance = {"threads": self.num_threads}
        return EvaluationResult(
            task.number, Measured({"top1_percent": value}, provenance), model=b"onnx"
        )

    def _run_out_of_memory(self, task: EvaluationTask, num_beside: int) -> None:
        match task.architecture["do"]:
            case "exhaust memory":
                np.ones(2**50)
            case "fit alone" if num_beside > 1:
                raise MemoryError(f"{num_beside} networks do not fit")
            case "fit the second time" if self._is_first("fitted"):
                raise MemoryError("something was kept")

    def _is_first(self, name: str) -> bool:
        """Whether nobody has asked before, in any process."""
        is_first = not (self.folder / name).exists()
        (self.folder / name).touch()
        return is_first

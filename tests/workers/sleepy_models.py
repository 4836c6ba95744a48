"""An evaluator that takes its time and says on which node of the cluster it works."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import ray

from search_space.outcomes import Measured
from workers.protocol import EvaluationResult, EvaluationTask


@dataclass(frozen=True)
class SleepySpec:
    """Builds `SleepyEvaluator`s."""

    seconds: float

    def build(self, num_threads: int) -> "SleepyEvaluator":
        return SleepyEvaluator(self.seconds)


@dataclass(frozen=True)
class SleepyEvaluator:
    """Sleeps; the metric `node` is a number that names the node."""

    seconds: float

    def evaluate(self, tasks: Sequence[EvaluationTask]) -> list[EvaluationResult]:
        time.sleep(self.seconds * len(tasks))
        node = int(ray.get_runtime_context().get_node_id()[:8], 16)
        return [EvaluationResult(task.number, Measured({"node": float(node)})) for task in tasks]

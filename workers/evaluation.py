"""Evaluates architectures of a trained supernet: accuracy, costs, and the network to measure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from search_space.costs import costs
from search_space.outcomes import Measured
from search_space.space import Architecture
from supernet.base import Supernet
from supernet.checkpoints import load_supernet
from supernet.data import TensorData
from supernet.evaluation_engine import Evaluated, EvaluationEngine
from supernet.export import onnx_model
from supernet.files import sha256_of
from supernet.proxies import proxy_metrics
from supernet.proxy_settings import ProxySettings
from supernet.settings import AccuracySettings
from workers.failures import is_out_of_memory
from workers.protocol import EvaluationResult, EvaluationTask, WorkReport
from workers.provenance import accuracy_provenance, proxy_provenance
from workers.sharing import check_shared


@dataclass(frozen=True)
class SupernetEvaluatorSpec:
    """Names the files and settings that an evaluator needs; see `SupernetEvaluator`."""

    supernet_path: Path
    data_path: Path
    accuracy: AccuracySettings
    proxies: ProxySettings | None = None
    memory_bytes: int = 0
    returns_models: bool = True

    def build(self, num_threads: int) -> "SupernetEvaluator":
        """Returns an evaluator whose process computes with this many threads from now on.

        Raises:
            NotSharedError: this machine does not see a file.
            InvalidSupernetError: the supernet's file cannot be used.
            InvalidDataSetError: the data set's file cannot be used.
        """
        torch.set_num_threads(num_threads)
        return SupernetEvaluator(
            load_supernet(check_shared(self.supernet_path)),
            sha256_of(self.supernet_path),
            TensorData.from_file(check_shared(self.data_path)),
            self.accuracy,
            self.proxies,
            memory_bytes=self.memory_bytes,
            returns_models=self.returns_models,
        )


class SupernetEvaluator:
    """Measures all metrics but latency, on the CPU.

    What networks have in common is computed once, in a group and, as far as the memory allows, from
    one group to the next. No result depends on that.

    Args:
        supernet: in eval mode; never changed.
        supernet_version: digest of its file.
        data: calibration takes its training images, accuracy the settings' split.
        accuracy: how accuracy is found.
        proxies: which figures of untrained networks are wanted as well; None for none.
        memory_bytes: of intermediate results that may be kept.
        returns_models: whether results hold the networks, to be measured.
    """

    def __init__(
        self,
        supernet: Supernet,
        supernet_version: str,
        data: TensorData,
        accuracy: AccuracySettings,
        proxies: ProxySettings | None = None,
        *,
        memory_bytes: int = 0,
        returns_models: bool = True,
    ) -> None:
        self._supernet = supernet
        self._supernet_version = supernet_version
        self._data = data
        self._accuracy = accuracy
        self._proxies = proxies
        self._returns_models = returns_models
        self._engine = EvaluationEngine(supernet, data, accuracy, memory_bytes=memory_bytes)

    def evaluate(self, tasks: Sequence[EvaluationTask]) -> list[EvaluationResult]:
        """Returns the metrics of the extracted, calibrated, batch-norm-folded networks.

        Accuracy is `top1_percent`. Costs are those of the architecture as it is lowered, before
        batch-norm is folded, as everywhere. `size_bytes` is that of the ONNX file. A network that
        fell below its task's floor is measured too, its accuracy of the images tried so far.

        Proxies are of the same layers with new weights, whatever the supernet has learned.

        The tasks' seeds draw nothing here: the calibration images are the settings', the same for
        all architectures, so that their accuracies are comparable. The same goes for proxies.

        Once memory has run out, nothing is kept any more.

        Raises:
            InvalidArchitectureError: an architecture is not of the supernet's space.
            ProxyError: a network has no such proxy.
        """
        architectures = [self._supernet.space.validate(task.architecture) for task in tasks]
        floors = [task.floor_percent for task in tasks]
        try:
            found = self._engine.evaluate(architectures, floors=floors)
            results = [
                self._result(*each) for each in zip(tasks, architectures, found, strict=True)
            ]
        except Exception as error:
            if is_out_of_memory(error):
                self._engine = EvaluationEngine(
                    self._supernet, self._data, self._accuracy, memory_bytes=0
                )
            raise
        report = WorkReport(networks=len(tasks), **asdict(self._engine.report))
        return [*results[:-1], replace(results[-1], report=report)]

    def _result(
        self, task: EvaluationTask, architecture: Architecture, found: Evaluated
    ) -> EvaluationResult:
        accuracy, floor = found.accuracy, task.floor_percent if found.is_dropped else None
        # By this no dropped network is ever on the front: a point that is has the floor's top-1.
        assert floor is None or accuracy.top1_percent < floor
        model: bytes = onnx_model(found.network).SerializeToString()
        layers = self._supernet.settings.lower(architecture)
        on_paper = asdict(costs(layers))
        metrics = {
            "top1_percent": accuracy.top1_percent,
            **{name: float(value) for name, value in on_paper.items()},
            "size_bytes": float(len(model)),
        }
        provenance: dict[str, Any] = {
            name: {"method": "computed", "from": "layers"} for name in on_paper
        }
        provenance["top1_percent"] = accuracy_provenance(
            accuracy, self._accuracy, self._supernet_version, self._data, floor
        )
        provenance["size_bytes"] = {"method": "measured", "format": "onnx"}
        if self._proxies is not None:
            metrics |= proxy_metrics(layers, self._data, self._proxies)
            how = proxy_provenance(self._proxies, self._data)
            provenance |= dict.fromkeys(self._proxies.names, how)
        kept = model if self._returns_models else None
        return EvaluationResult(task.number, Measured(metrics, provenance), kept)


@dataclass(frozen=True)
class NetworksEvaluatorSpec:
    """Names the files of many supernets, of which each task evaluates one.

    Attributes:
        supernet_paths: by the tasks' numbers; one supernet may be named several times.
        data_path: of the data set that all of them are evaluated with.
        accuracy: how accuracy is found.
        memory_bytes: as of `SupernetEvaluator`.
    """

    supernet_paths: Mapping[int, Path]
    data_path: Path
    accuracy: AccuracySettings
    memory_bytes: int = 0

    def build(self, num_threads: int) -> "NetworksEvaluator":
        """Returns an evaluator whose process computes with this many threads from now on.

        Raises:
            InvalidDataSetError: the data set's file cannot be used.
        """
        torch.set_num_threads(num_threads)
        data = TensorData.from_file(check_shared(self.data_path))
        return NetworksEvaluator(self.supernet_paths, data, self.accuracy, self.memory_bytes)


@dataclass(frozen=True)
class NetworksEvaluator:
    """Evaluates architectures, each in the supernet that its task's number names.

    A supernet is read once for all tasks of a group that name its file, so those should be
    neighbours.

    Attributes:
        supernet_paths: as of the spec.
        data: as of `SupernetEvaluator`.
        accuracy: likewise.
        memory_bytes: likewise; nothing is kept for later groups.
    """

    supernet_paths: Mapping[int, Path]
    data: TensorData
    accuracy: AccuracySettings
    memory_bytes: int = 0

    def evaluate(self, tasks: Sequence[EvaluationTask]) -> list[EvaluationResult]:
        """Returns what `SupernetEvaluator.evaluate` returns, with the tasks' own supernets.

        Raises:
            InvalidSupernetError: a file cannot be used.
            InvalidArchitectureError: an architecture is not of its space.
        """
        results: dict[int, EvaluationResult] = {}
        for path in dict.fromkeys(self.supernet_paths[task.number] for task in tasks):
            members = [task for task in tasks if self.supernet_paths[task.number] == path]
            evaluator = SupernetEvaluator(
                load_supernet(path),
                sha256_of(path),
                self.data,
                self.accuracy,
                memory_bytes=self.memory_bytes if len(members) > 1 else 0,
            )
            results |= {result.number: result for result in evaluator.evaluate(members)}
        return [results[task.number] for task in tasks]

"""Evaluates architectures of a trained supernet: accuracy, costs, and the network to measure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from search_space.costs import costs
from search_space.outcomes import Measured
from supernet.base import Supernet
from supernet.checkpoints import load_supernet
from supernet.data import TensorData
from supernet.evaluate import evaluate_architecture
from supernet.export import onnx_model
from supernet.files import sha256_of
from supernet.proxies import proxy_metrics
from supernet.proxy_settings import ProxySettings
from supernet.settings import AccuracySettings
from workers.protocol import EvaluationResult, EvaluationTask
from workers.provenance import accuracy_provenance, proxy_provenance
from workers.sharing import check_shared


@dataclass(frozen=True)
class SupernetEvaluatorSpec:
    """Names the files and settings that an evaluator needs; see `SupernetEvaluator`."""

    supernet_path: Path
    data_path: Path
    accuracy: AccuracySettings
    proxies: ProxySettings | None = None

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
        )


@dataclass(frozen=True)
class SupernetEvaluator:
    """Measures all metrics but latency, on the CPU.

    Attributes:
        supernet: in eval mode; never changed.
        supernet_version: digest of its file.
        data: calibration takes its training images, accuracy the settings' split.
        accuracy: how accuracy is found.
        proxies: which figures of untrained networks are wanted as well; None for none.
    """

    supernet: Supernet
    supernet_version: str
    data: TensorData
    accuracy: AccuracySettings
    proxies: ProxySettings | None = None

    def evaluate(self, task: EvaluationTask) -> EvaluationResult:
        """Returns the metrics of the extracted, calibrated, batch-norm-folded network.

        Accuracy is `top1_percent`. Costs are those of the architecture as it is lowered, before
        batch-norm is folded, as everywhere. `size_bytes` is that of the ONNX file.

        Proxies are of the same layers with new weights, whatever the supernet has learned.

        The task's seed draws nothing here: the calibration images are the settings', the same for
        all architectures, so that their accuracies are comparable. The same goes for proxies.

        Raises:
            InvalidArchitectureError: the architecture is not of the supernet's space.
            ProxyError: the network has no such proxy.
        """
        architecture = self.supernet.space.validate(task.architecture)
        network, accuracy = evaluate_architecture(
            self.supernet, architecture, self.data, self.accuracy
        )
        model: bytes = onnx_model(network).SerializeToString()
        layers = self.supernet.settings.lower(architecture)
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
            accuracy, self.accuracy, self.supernet_version, self.data
        )
        provenance["size_bytes"] = {"method": "measured", "format": "onnx"}
        if self.proxies is not None:
            metrics |= proxy_metrics(layers, self.data, self.proxies)
            how = proxy_provenance(self.proxies, self.data)
            provenance |= dict.fromkeys(self.proxies.names, how)
        return EvaluationResult(task.number, Measured(metrics, provenance), model)


@dataclass(frozen=True)
class NetworksEvaluatorSpec:
    """Names the files of many supernets, of which each task evaluates one.

    Attributes:
        supernet_paths: by the tasks' numbers; one supernet may be named several times.
        data_path: of the data set that all of them are evaluated with.
        accuracy: how accuracy is found.
    """

    supernet_paths: Mapping[int, Path]
    data_path: Path
    accuracy: AccuracySettings

    def build(self, num_threads: int) -> "NetworksEvaluator":
        """Returns an evaluator whose process computes with this many threads from now on.

        Raises:
            InvalidDataSetError: the data set's file cannot be used.
        """
        torch.set_num_threads(num_threads)
        return NetworksEvaluator(
            self.supernet_paths, TensorData.from_file(check_shared(self.data_path)), self.accuracy
        )


@dataclass(frozen=True)
class NetworksEvaluator:
    """Evaluates architectures, each in the supernet that its task's number names.

    Attributes:
        supernet_paths: as of the spec.
        data: as of `SupernetEvaluator`.
        accuracy: likewise.
    """

    supernet_paths: Mapping[int, Path]
    data: TensorData
    accuracy: AccuracySettings

    def evaluate(self, task: EvaluationTask) -> EvaluationResult:
        """Returns what `SupernetEvaluator.evaluate` returns, with the task's own supernet.

        Raises:
            InvalidSupernetError: its file cannot be used.
            InvalidArchitectureError: the architecture is not of its space.
        """
        path = self.supernet_paths[task.number]
        supernet = load_supernet(path)
        return SupernetEvaluator(supernet, sha256_of(path), self.data, self.accuracy).evaluate(task)

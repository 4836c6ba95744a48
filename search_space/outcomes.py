"""The vocabulary that searchers, workers and the server share: metrics, objectives, outcomes.

Metrics keep natural units and direction everywhere; only `searchers.protocol.Problem.losses` flips
signs.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Goal = Literal["minimize", "maximize"]

METRIC_GOALS: Mapping[str, Goal] = {
    "top1_percent": "maximize",
    "latency_ms": "minimize",
    "macs": "minimize",
    "num_params": "minimize",
    "num_activations": "minimize",
    "peak_activations": "minimize",
    "size_bytes": "minimize",
    "grad_norm": "maximize",
    "jacob_cov": "maximize",
    "naswot": "maximize",
    "snip": "maximize",
    "synflow": "maximize",
    "zen": "maximize",
    "zico": "maximize",
}
"""The metrics that this version measures, each with its natural direction."""


MAX_FIGURE = 1e30
"""No figure from outside is larger: volumes of many objectives, and drawings, remain finite."""


@dataclass(frozen=True)
class Measured:
    """An evaluation that succeeded.

    Attributes:
        metrics: finite numbers by metric name, in natural units and direction.
        provenance: JSON values that say how each number was obtained (device, runtime, images,
            spread, seed); keyed by metric name.
    """

    metrics: Mapping[str, float]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.metrics.items():
            if not math.isfinite(value):
                raise ValueError(f"metric {name} must be finite, got {value}")

    @property
    def is_dropped(self) -> bool:
        """Whether not all images were classified, as the network was proved to miss its floor."""
        how = self.provenance.get("top1_percent")
        return isinstance(how, Mapping) and how.get("dropped") is True


@dataclass(frozen=True)
class Infeasible:
    """The architecture cannot be had at all (it does not fit the device, the table has no row)."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """The evaluation went wrong; the architecture itself may be fine."""

    reason: str


Outcome = Measured | Infeasible | Failed

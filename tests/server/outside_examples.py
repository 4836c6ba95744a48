"""Searches that are evaluated outside, for tests: a space of cubes, and what measures them."""

from collections.abc import Mapping
from typing import Any

from search_space.custom import CustomSettings
from search_space.outcomes import Measured
from server.store import Store
from server.tables import JobRow, SearchRow

CHOICES = [{"name": name, "options": [0, 1, 2, 3]} for name in ("a", "b", "c")]
CUBES = {"kind": "custom", "name": "cubes", "choices": CHOICES}
OBJECTIVES = [{"metric": "joules", "goal": "minimize"}, {"metric": "top1_percent"}]


def search_body(**changes: Any) -> dict[str, Any]:
    return {
        "name": "phones",
        "space": CUBES,
        "searcher": {"kind": "random"},
        "objectives": OBJECTIVES,
        "evaluations": 6,
        "evaluator": {"kind": "outside"},
        **changes,
    }


def metrics_of(architecture: Mapping[str, Any]) -> dict[str, float]:
    """What the evaluator finds: the sum costs, and a's share of it pays."""
    joules = float(sum(architecture.values()))
    return {"joules": joules, "top1_percent": 90.0 + 3 * architecture["a"] - architecture["b"]}


def measure(architecture: Mapping[str, Any]) -> Measured:
    return Measured(metrics_of(architecture))


def add_outside_search(
    store: Store,
    *,
    searcher: Mapping[str, Any] | None = None,
    evaluations: int = 20,
    lease_seconds: float = 60.0,
    barrier: bool = False,
) -> tuple[SearchRow, JobRow]:
    settings = CustomSettings.model_validate(CUBES)
    space, _ = store.add_space(settings, settings.build())
    return store.add_outside_search(
        name="phones",
        space_id=space.id,
        searcher=dict(searcher or {"kind": "random"}),
        objectives=[OBJECTIVES[0], {"metric": "top1_percent", "goal": "maximize"}],
        limits=[],
        evaluations=evaluations,
        evaluator={"kind": "outside", "lease_seconds": lease_seconds, "barrier": barrier},
        seed=7,
    )

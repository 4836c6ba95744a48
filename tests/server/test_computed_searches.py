"""Searches whose evaluations are computed, from the request to the front."""

from typing import Any

import numpy as np
import pytest
from live import Live
from runners import running, wait_for

from search_space.deepmad import DeepMADSettings
from search_space.operators import enumerate_genes
from searchers.pareto import non_dominated
from server.execution.search import run_search
from server.job_states import JobStatus

FAMILY = DeepMADSettings.from_preset("tiny")
SCORE = {"metric": "deepmad_score", "goal": "maximize"}


def computed_search(**changes: Any) -> dict[str, Any]:
    """The body of a search for high scores at few multiply-accumulates."""
    body = {
        "name": "on paper",
        "space": {"kind": "deepmad", "preset": "tiny"},
        "searcher": {"kind": "analytic", "strategy": "exhaustive"},
        "objectives": [SCORE, {"metric": "macs"}],
        "limits": [{"metric": "shape_violation", "upper": 0}],
        "evaluations": 40,
        "evaluator": {"kind": "computed"},
        "seed": 0,
    }
    return body | changes


def submit(live: Live, body: dict[str, Any]) -> dict[str, Any]:
    response = live.client.post("/v1/searches", json=body)
    assert response.status_code == 202, response.text
    return dict(response.json())


def run(live: Live, *searches: dict[str, Any]) -> None:
    with running(live.store, live.settings, run_search, kind="search"):
        for search in searches:
            wait_for(live.store, search["job"], JobStatus.SUCCEEDED)


def best_points() -> set[tuple[float, float]]:
    """Scores and costs of the exact front."""
    genes = np.concatenate(list(enumerate_genes(FAMILY.build())))
    figures = FAMILY.compute(genes)
    kept = figures["shape_violation"] == 0
    losses = np.stack([-figures["deepmad_score"], figures["macs"]], axis=1)[kept]
    return {(-score, macs) for score, macs in losses[non_dominated(losses)].tolist()}


def points(live: Live, search: dict[str, Any]) -> list[dict[str, Any]]:
    front = live.client.get(f"/v1/searches/{search['id']}/front").json()
    return list(front["points"])


def test_an_exhaustive_search_reports_the_exact_front(live: Live) -> None:
    expected = best_points()
    search = submit(live, computed_search(evaluations=len(expected)))
    run(live, search)
    found = points(live, search)
    assert {(p["metrics"]["deepmad_score"], p["metrics"]["macs"]) for p in found} == expected
    assert set(found[0]["metrics"]) == set(FAMILY.computed_metrics)
    assert found[0]["provenance"]["macs"]["method"] == "computed"
    shown = live.client.get(f"/v1/searches/{search['id']}").json()
    assert shown["evaluator"] == {"kind": "computed"}
    assert shown["supernet"] is None
    assert shown["counts"]["measured"] == len(expected)


def test_any_searcher_searches_what_is_computed_and_shares_its_evaluations(
    sqlite_live: Live,
) -> None:
    analytic = submit(sqlite_live, computed_search(evaluations=30))
    nsga2 = submit(sqlite_live, computed_search(searcher={"kind": "nsga2"}, evaluations=60))
    again = submit(sqlite_live, computed_search(evaluations=30, name="again"))
    run(sqlite_live, analytic, nsga2, again)
    result = sqlite_live.client.get(f"/v1/searches/{again['id']}").json()["result"]
    assert result["reused"] == 30
    assert points(sqlite_live, again) == points(sqlite_live, analytic)
    assert points(sqlite_live, nsga2)


def test_families_without_scores_have_their_costs(sqlite_live: Live) -> None:
    body = computed_search(
        space={"kind": "resnet", "preset": "tiny"},
        searcher={"kind": "random"},
        objectives=[{"metric": "num_params", "goal": "maximize"}, {"metric": "macs"}],
        limits=[],
    )
    search = submit(sqlite_live, body)
    run(sqlite_live, search)
    assert points(sqlite_live, search)


CUSTOM = {"kind": "custom", "name": "x", "choices": [{"name": "k", "options": [3, 5]}]}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"objectives": [{"metric": "top1_percent"}]}, "/objectives/0/metric"),
        ({"limits": [{"metric": "latency_ms", "upper": 1}]}, "/limits/0/metric"),
        ({"objectives": [{"metric": "deepmad_score"}]}, "/objectives/0/goal"),
        ({"space": {"kind": "resnet", "preset": "tiny"}}, "/objectives/0/metric"),
        ({"space": CUSTOM}, "/space"),
        ({"space": {"kind": "deepmad"}}, "/searcher/candidates"),
        ({"evaluator": {"kind": "computed", "accuracy": {}}}, "/evaluator/accuracy"),
        ({"supernet": "net_0"}, "/supernet"),
        (
            {"searcher": {"kind": "analytic", "warm_start": [{"stem.width": 9}]}},
            "/searcher/warm_start/0/stem.width",
        ),
        ({"evaluator": {"kind": "outside"}}, "/searcher/kind"),
    ],
)
def test_what_cannot_be_computed_is_refused(
    sqlite_live: Live, changes: dict[str, Any], pointer: str
) -> None:
    response = sqlite_live.client.post("/v1/searches", json=computed_search(**changes))
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["pointer"] == pointer

"""Searches that are evaluated outside, over HTTP, on both dialects."""

import json
from typing import Any

import httpx
import numpy as np
import pytest
from examples import SPACE_SETTINGS, add_search, claim, trained_supernet
from live import Live
from test_api_bad_input import faults, problem

CHOICES = [{"name": name, "options": [0, 1, 2, 3]} for name in ("a", "b", "c")]
SPACE = {"kind": "custom", "name": "cubes", "choices": CHOICES}
OBJECTIVES = [{"metric": "joules", "goal": "minimize"}, {"metric": "top1_percent"}]


def search_body(**changes: Any) -> dict[str, Any]:
    return {
        "name": "phones",
        "space": SPACE,
        "searcher": {"kind": "random"},
        "objectives": OBJECTIVES,
        "evaluations": 6,
        "evaluator": {"kind": "outside"},
        **changes,
    }


def submit(live: Live, **changes: Any) -> str:
    response = live.client.post("/v1/searches", json=search_body(**changes))
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def ok(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def lease(live: Live, search: str, count: int = 1, **fields: Any) -> dict[str, Any]:
    return ok(
        live.client.post(f"/v1/searches/{search}/proposals", json={"count": count, **fields})
    )


def measured(item: dict[str, Any], **changes: Any) -> dict[str, Any]:
    values = item["architecture"]
    metrics = {"joules": float(sum(values.values())), "top1_percent": 90.0 + values["a"]}
    return {
        "number": item["number"],
        "lease": item["lease"],
        "status": "measured",
        "metrics": metrics,
        **changes,
    }


def tell(live: Live, search: str, *items: dict[str, Any]) -> httpx.Response:
    return live.client.post(f"/v1/searches/{search}/observations", json={"items": items})


def test_clients_evaluate_a_search_to_its_end(live: Live) -> None:
    search = submit(live, limits=[{"metric": "joules", "upper": 7}])
    shown = ok(live.client.get(f"/v1/searches/{search}"))
    assert (shown["supernet"], shown["status"]) == (None, "queued")
    assert shown["evaluator"] == {
        "kind": "outside",
        "description": "",
        "lease_seconds": 60.0,
        "barrier": False,
    }
    first = lease(live, search, 4, worker="desk 1")
    assert [item["number"] for item in first["items"]] == [0, 1, 2, 3]
    assert (first["status"], first["ended"], first["shortage"]) == ("running", False, None)
    outcomes = [
        measured(first["items"][0], provenance={"joules": {"interval": [0, 9.5], "by": "meter"}}),
        measured(first["items"][1]),
        {**measured(first["items"][2]), "status": "infeasible", "reason": "too large"},
        {**measured(first["items"][3]), "status": "failed", "reason": "it rained"},
    ]
    for outcome in outcomes[2:]:
        del outcome["metrics"]
    told = ok(tell(live, search, *outcomes))
    assert (told["recorded"], told["known"]) == (4, 0)
    rest = lease(live, search, 9)
    assert len(rest["items"]) == 2
    assert rest["shortage"] == "budget"
    assert ok(tell(live, search, *map(measured, rest["items"])))["recorded"] == 2

    ended = live.client.post(f"/v1/searches/{search}/proposals", json={})
    assert ok(ended)["ended"] is True
    assert "Retry-After" not in ended.headers
    shown = ok(live.client.get(f"/v1/searches/{search}"))
    assert shown["status"] == "succeeded"
    assert shown["counts"] == {"measured": 4, "infeasible": 1, "failed": 1}
    assert shown["result"] == {"evaluations": 6, "reused": 0, "space_exhausted": False}
    front = ok(live.client.get(f"/v1/searches/{search}/front"))
    assert front["num_measured"] == 4
    seen = ok(live.client.get(f"/v1/searches/{search}/evaluations"))["items"]
    assert [item["number"] for item in seen] == list(range(6))
    assert seen[0]["evaluation"]["provenance"]["joules"]["by"] == "meter"
    assert live.client.get(f"/v1/searches/{search}/front.svg").status_code == 200
    job = ok(live.client.get(f"/v1/jobs/{shown['job']}"))
    assert (job["kind"], job["subject"]) == ("outside", f"/v1/searches/{search}")
    assert job["progress"] == {"done": 6, "total": 6, "unit": "evaluations"}
    events = ok(live.client.get(f"/v1/jobs/{shown['job']}/events"))
    assert events["ended"] is True
    kinds = [event["type"] for event in events["items"]]
    assert [kinds[0], kinds[1], kinds[-1]] == ["queued", "running", "succeeded"]

"""Searches that are evaluated outside, over HTTP."""

import json
import time
from typing import Any

import httpx
import pytest
from examples import add_search, trained_supernet
from live import Live
from outside_examples import metrics_of, search_body
from test_api_bad_input import faults, problem

from search_space.outcomes import MAX_FIGURE


def submit(live: Live, **changes: Any) -> str:
    response = live.client.post("/v1/searches", json=search_body(**changes))
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def ok(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def lease(live: Live, search: str, count: int = 1, **fields: Any) -> dict[str, Any]:
    return ok(live.client.post(f"/v1/searches/{search}/proposals", json={"count": count, **fields}))


def measured(item: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "number": item["number"],
        "lease": item["lease"],
        "status": "measured",
        "metrics": metrics_of(item["architecture"]),
        **changes,
    }


def unmeasured(item: dict[str, Any], status: str, reason: str) -> dict[str, Any]:
    return {"number": item["number"], "lease": item["lease"], "status": status, "reason": reason}


def tell(live: Live, search: str, *items: dict[str, Any]) -> httpx.Response:
    return live.client.post(f"/v1/searches/{search}/observations", json={"items": items})


def held(*items: dict[str, Any]) -> dict[str, Any]:
    return {"items": [{"number": item["number"], "lease": item["lease"]} for item in items]}


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
    items = first["items"]
    assert [item["number"] for item in items] == [0, 1, 2, 3]
    assert {(item["worker"], item["fence"]) for item in items} == {("desk 1", 1)}
    assert (first["status"], first["ended"], first["shortage"]) == ("running", False, None)
    assert first["lease_seconds"] == 60.0
    outcomes = [
        measured(items[0], provenance={"joules": {"interval": [0, 9.5], "by": "meter"}}),
        measured(items[1]),
        unmeasured(items[2], "infeasible", "too large"),
        unmeasured(items[3], "failed", "it rained"),
    ]
    told = ok(tell(live, search, *outcomes))
    assert (told["recorded"], told["known"]) == (4, 0)
    answer = live.client.post(f"/v1/searches/{search}/proposals", json={"count": 9})
    rest = ok(answer)
    assert (len(rest["items"]), rest["shortage"], rest["ended"]) == (2, "budget", False)
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    assert ok(tell(live, search, *map(measured, rest["items"])))["recorded"] == 2

    ended = live.client.post(f"/v1/searches/{search}/proposals", json={})
    assert ok(ended)["ended"] is True
    assert ok(ended)["shortage"] == "ended"
    assert "Retry-After" not in ended.headers
    shown = ok(live.client.get(f"/v1/searches/{search}"))
    assert shown["status"] == "succeeded"
    counts = {"measured": 4, "infeasible": 1, "failed": 1}
    assert shown["counts"] == counts
    ended_with = {"evaluations": 6, "reused": 0, "space_exhausted": False, "counts": counts}
    assert shown["result"] == ended_with
    assert ok(live.client.get(f"/v1/searches/{search}/front"))["num_measured"] == 4
    seen = ok(live.client.get(f"/v1/searches/{search}/evaluations"))["items"]
    assert [item["number"] for item in seen] == list(range(6))
    assert seen[0]["evaluation"]["provenance"]["joules"]["by"] == "meter"
    assert live.client.get(f"/v1/searches/{search}/front.svg").status_code == 200
    assert ok(live.client.get("/v1/searches"))["items"][0]["id"] == search
    job = ok(live.client.get(f"/v1/jobs/{shown['job']}"))
    assert (job["kind"], job["subject"]) == ("outside", f"/v1/searches/{search}")
    assert job["progress"] == {"done": 6, "total": 6, "unit": "evaluations"}
    events = ok(live.client.get(f"/v1/jobs/{shown['job']}/events"))
    assert events["ended"] is True
    kinds = [event["type"] for event in events["items"]]
    assert [kinds[0], kinds[1], kinds[-1]] == ["queued", "running", "succeeded"]


def test_no_runner_claims_it(sqlite_live: Live) -> None:
    submit(sqlite_live)
    kinds = ["train", "search", "export", "refine", "assess"]
    assert sqlite_live.store.claim_job("runner", 60.0, kinds) is None
    assert sqlite_live.store.release_orphans("runner") == []


def test_an_observation_is_told_once(sqlite_live: Live) -> None:
    search = submit(sqlite_live)
    (item,) = lease(sqlite_live, search)["items"]
    report = measured(item)
    assert ok(tell(sqlite_live, search, report))["recorded"] == 1
    again = ok(tell(sqlite_live, search, report, report))
    assert (again["recorded"], again["known"]) == (0, 2)
    # A client that sends the same figures and says more about them has told nothing new.
    assert ok(tell(sqlite_live, search, report | {"provenance": {}}))["known"] == 1
    other = report | {"metrics": report["metrics"] | {"joules": 0.5}}
    detail = problem(tell(sqlite_live, search, other), 409)["detail"]
    assert detail == f"proposal 0 of search {search} was told before, with another outcome"
    counts = ok(sqlite_live.client.get(f"/v1/searches/{search}"))["counts"]
    assert counts == {"measured": 1, "infeasible": 0, "failed": 0}


def test_an_expired_lease_goes_to_another_worker(sqlite_live: Live) -> None:
    evaluator = {"kind": "outside", "lease_seconds": 1}
    search = submit(sqlite_live, evaluator=evaluator, evaluations=2)
    slow, late = lease(sqlite_live, search, 2)["items"]
    time.sleep(1.1)
    taken = lease(sqlite_live, search, 1, worker="desk 2")["items"][0]
    assert (taken["number"], taken["fence"]) == (slow["number"], 2)
    detail = problem(tell(sqlite_live, search, measured(slow)), 409)["detail"]
    assert "is leased to 'desk 2' under fence 2" in detail
    # Nobody else has the other one yet: work that was done is not thrown away.
    assert ok(tell(sqlite_live, search, measured(late)))["recorded"] == 1
    assert ok(tell(sqlite_live, search, measured(taken)))["recorded"] == 1
    # Now that it is told, the same from the slow one is no news.
    assert ok(tell(sqlite_live, search, measured(slow)))["known"] == 1


def test_leases_are_renewed_and_given_back(sqlite_live: Live) -> None:
    search = submit(sqlite_live)
    mine, other = lease(sqlite_live, search, 2)["items"]
    assert ok(tell(sqlite_live, search, measured(other)))["recorded"] == 1
    path = f"/v1/searches/{search}/proposals"
    foreign = {"number": 5, "lease": "lea_x"}
    renewed = ok(
        sqlite_live.client.post(
            f"{path}/renew", json={"items": [*held(mine, other)["items"], foreign]}
        )
    )
    assert [item["number"] for item in renewed["items"]] == [mine["number"]]
    assert renewed["items"][0]["expires_at"] > mine["expires_at"]
    assert renewed["lost"] == [
        {"number": other["number"], "reason": f"proposal {other['number']} was told"},
        {"number": 5, "reason": f"search {search} has leased no proposal 5"},
    ]
    ok(sqlite_live.client.post(f"{path}/release", json=held(mine)))
    (again,) = lease(sqlite_live, search)["items"]
    assert (again["number"], again["fence"]) == (mine["number"], 2)
    lost = ok(sqlite_live.client.post(f"{path}/renew", json=held(mine)))["lost"]
    assert "is leased under fence 2" in lost[0]["reason"]


def test_a_cancelled_search_lends_and_takes_nothing(sqlite_live: Live) -> None:
    search = submit(sqlite_live)
    known, late = lease(sqlite_live, search, 2)["items"]
    ok(tell(sqlite_live, search, measured(known)))
    job = ok(sqlite_live.client.get(f"/v1/searches/{search}"))["job"]
    cancelled = sqlite_live.client.post(f"/v1/jobs/{job}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
    assert sqlite_live.client.post(f"/v1/jobs/{job}/cancel").json()["status"] == "cancelled"
    answer = lease(sqlite_live, search)
    assert (answer["items"], answer["ended"], answer["status"]) == ([], True, "cancelled")
    detail = problem(tell(sqlite_live, search, measured(late)), 409)["detail"]
    assert "has ended (cancelled)" in detail
    assert ok(tell(sqlite_live, search, measured(known)))["known"] == 1
    assert ok(sqlite_live.client.get(f"/v1/searches/{search}/front"))["num_measured"] == 1


def test_a_search_of_which_nothing_could_be_measured_has_failed(sqlite_live: Live) -> None:
    search = submit(sqlite_live, evaluations=2)
    for item in lease(sqlite_live, search, 2)["items"]:
        ok(tell(sqlite_live, search, unmeasured(item, "failed", "no power")))
    shown = ok(sqlite_live.client.get(f"/v1/searches/{search}"))
    assert shown["status"] == "failed"
    job = ok(sqlite_live.client.get(f"/v1/jobs/{shown['job']}"))
    assert job["error"]["message"] == "none of 2 architectures could be measured"


def test_a_search_ends_with_its_space(sqlite_live: Live) -> None:
    space = {"kind": "custom", "name": "few", "choices": [{"name": "a", "options": [1, 2, 3]}]}
    objectives = [{"metric": "joules", "goal": "minimize"}]
    search = submit(sqlite_live, space=space, objectives=objectives, evaluations=50)
    items = lease(sqlite_live, search, 50)["items"]
    assert sorted(item["architecture"]["a"] for item in items) == [1, 2, 3]
    told = {"status": "measured", "metrics": {"joules": 1}}
    ok(tell(sqlite_live, search, *(entry | told for entry in held(*items)["items"])))
    shown = ok(sqlite_live.client.get(f"/v1/searches/{search}"))
    assert (shown["status"], shown["result"]["space_exhausted"]) == ("succeeded", True)


def test_bad_searches_are_refused(sqlite_live: Live) -> None:
    known = submit(sqlite_live)
    space = ok(sqlite_live.client.get(f"/v1/searches/{known}"))["space"]
    assert submit(sqlite_live, space=space) != known
    few = {"kind": "custom", "name": "x", "choices": []}
    short = {"kind": "outside", "lease_seconds": 0.5}
    one = {"kind": "outside", "barrier": 1}
    for changes, pointer, rule in (
        ({"objectives": [{"metric": "joules"}]}, "/objectives/0/goal", "'minimize' or 'maximize'"),
        ({"supernet": "net_1"}, "/supernet", "there is no such field"),
        ({"resources": {}}, "/resources", "there is no such field"),
        (
            {"evaluator": {"kind": "elsewhere"}},
            "/evaluator/kind",
            "'supernet', 'outside', 'table', 'computed'",
        ),
        ({"evaluator": short}, "/evaluator/lease_seconds", "greater than or equal to 1"),
        ({"evaluator": one}, "/evaluator/barrier", "boolean"),
        ({"evaluator": None}, "/evaluator", "must be"),
        ({"space": few}, "/space/choices", "at least 1 item"),
    ):
        body = search_body(**changes)
        found = faults(sqlite_live.client.post("/v1/searches", json=body))
        assert any(f[0] == pointer and rule in f[1] for f in found), (body, found)
    missing = sqlite_live.client.post("/v1/searches", json=search_body(space="0" * 16))
    assert "there is no space" in problem(missing, 404)["detail"]


def test_bad_observations_are_refused_and_change_nothing(sqlite_live: Live) -> None:
    search, other = submit(sqlite_live), submit(sqlite_live, seed=1)
    item, second = lease(sqlite_live, search, 2)["items"]
    foreign = lease(sqlite_live, other, 4)["items"][3]
    good = measured(second)

    def refused(pointer: str, rule: str, *items: dict[str, Any]) -> None:
        found = faults(tell(sqlite_live, search, *items))
        assert any(f[0] == pointer and rule in f[1] for f in found), found

    number = "must be the number of a proposal of search"
    refused("/items/0/number", number, measured(foreign))
    refused("/items/1/number", number, good, measured(item, number=2))
    refused("/items/0/number", "greater than or equal", measured(item, number=-1))
    refused("/items/0/lease", "at least 1 character", measured(item, lease=""))
    half = measured(item, metrics={"joules": 1})
    refused("/items/0/metrics/top1_percent", "must be given: the search is about it", half)
    refused("/items/0/metrics/joules", "valid number", measured(item, metrics={"joules": "1"}))
    refused("/items/0/status", "must be one of", measured(item, status="guessed"))
    refused(
        "/items/0/status",
        "must be given: one of 'failed', 'infeasible', 'measured'",
        {"number": 0, "lease": item["lease"]},
    )
    refused("/items/0/reason", "must be given", measured(item, status="failed"))
    turned = {"joules": {"interval": [2, 1]}}
    refused("/items/0/provenance/joules", "two numbers", measured(item, provenance=turned))
    refused("/items", "at least 1 item")
    # The numbers of another search exist here, too; its leases do not.
    detail = problem(tell(sqlite_live, search, measured(item, lease=foreign["lease"])), 409)[
        "detail"
    ]
    assert f"lease {foreign['lease']} of proposal" in detail
    assert "is over or was never given" in detail
    for word in ("NaN", "Infinity", "1e999"):
        content = json.dumps(
            {"items": [measured(item, metrics={"joules": 1, "top1_percent": 0.5})]}
        )
        response = sqlite_live.client.post(
            f"/v1/searches/{search}/observations",
            content=content.replace("0.5", word),
            headers={"Content-Type": "application/json"},
        )
        assert faults(response)[0][:2] == (
            "/items/0/metrics/top1_percent",
            "must be a finite number",
        )
    counts = ok(sqlite_live.client.get(f"/v1/searches/{search}"))["counts"]
    assert counts == {"measured": 0, "infeasible": 0, "failed": 0}
    assert ok(tell(sqlite_live, search, measured(item), good))["recorded"] == 2


def test_what_is_leased_where_nothing_can_be(sqlite_live: Live) -> None:
    supernet = trained_supernet(sqlite_live.store)
    inside = add_search(sqlite_live.store, supernet)
    post = sqlite_live.client.post
    for path, body in (
        ("proposals", {}),
        ("observations", {"items": [unmeasured({"number": 0, "lease": "x"}, "failed", "y")]}),
        ("proposals/renew", {"items": [{"number": 0, "lease": "x"}]}),
    ):
        detail = problem(post(f"/v1/searches/{inside.id}/{path}", json=body), 409)["detail"]
        assert "has no proposals for evaluators outside" in detail
        assert (
            "no search" in problem(post(f"/v1/searches/nothing/{path}", json=body), 404)["detail"]
        )
    search = submit(sqlite_live)
    for body in ({"count": 0}, {"count": 1001}, {"worker": " "}):
        assert faults(post(f"/v1/searches/{search}/proposals", json=body))
    assert faults(post(f"/v1/searches/{search}/proposals/release", json={"items": []}))


@pytest.mark.parametrize("path", ["/v1/exports", "/v1/refinements"])
def test_networks_without_weights_cannot_be_had(sqlite_live: Live, path: str) -> None:
    search = submit(sqlite_live, evaluations=1)
    (item,) = lease(sqlite_live, search)["items"]
    ok(tell(sqlite_live, search, measured(item)))
    body: dict[str, Any] = {"search": search}
    if path == "/v1/exports":
        body["architecture_digest"] = item["architecture_digest"]
    else:
        body["name"] = "finer"
    (fault,) = faults(sqlite_live.client.post(path, json=body))
    assert fault[0] == "/search"
    assert "this one was evaluated without" in fault[1]


def test_figures_of_any_size_that_is_taken_can_be_compared_and_drawn(sqlite_live: Live) -> None:
    search = submit(sqlite_live, evaluations=4)
    items = lease(sqlite_live, search, 4)["items"]
    too_large = measured(items[0], metrics={"joules": 1.01 * MAX_FIGURE, "top1_percent": 1})
    assert "/items/0/metrics/joules" in faults(tell(sqlite_live, search, too_large))[0]
    figures = [(MAX_FIGURE, MAX_FIGURE), (-MAX_FIGURE, -MAX_FIGURE), (0, 5e-324), (1, 2)]
    outcomes = [
        measured(item, metrics={"joules": joules, "top1_percent": top1_percent})
        for item, (joules, top1_percent) in zip(items, figures, strict=True)
    ]
    assert tell(sqlite_live, search, *outcomes).status_code == 200
    for path in ("front", "front.svg", "hypervolume", "hypervolume.svg"):
        response = sqlite_live.client.get(f"/v1/searches/{search}/{path}")
        assert response.status_code == 200, (path, response.text)
        assert "null" not in response.text or path == "front"
    reference = {"reference": ["joules:1e308", "top1_percent:0"], "search": search}
    assert faults(sqlite_live.client.get("/v1/comparisons", params=reference))[0][0] == "reference"

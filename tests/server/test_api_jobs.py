"""Jobs over HTTP: their options, requests about them, runners, and what is refused at the door."""

from typing import Any

import pytest
from examples import add_data_set, add_space, add_supernet, artifact, claim, trained_supernet
from live import Live, serving
from runners import wait_for

from server.job_states import JobStatus
from server.settings import Settings
from server.store import RunnerFacts, Store

RUNNER = RunnerFacts("host:1:abc", "host", 4.0, 0.0, {"phone": 2.0}, "1.0")


def body(live: Live, **changes: Any) -> dict[str, Any]:
    return {
        "name": "x",
        "space": add_space(live.store).id,
        "data_set": add_data_set(live.store).id,
        **changes,
    }


def refused(live: Live, **changes: Any) -> list[tuple[str, Any]]:
    response = live.client.post("/v1/supernets", json=body(live, **changes))
    assert response.status_code == 422, response.text
    return [(error["pointer"], error["value"]) for error in response.json()["errors"]]


def test_a_body_says_how_its_job_is_run(sqlite_live: Live) -> None:
    client = sqlite_live.client
    _, first = add_supernet(sqlite_live.store)
    options = {
        "priority": 7,
        "deadline_at": "2199-01-01T00:00:00Z",
        "retry": {"max_attempts": 2, "delay_seconds": 5},
        "after": [first.id],
    }
    created = client.post("/v1/supernets", json=body(sqlite_live, job=options))
    assert created.status_code == 202, created.text
    job = client.get(f"/v1/jobs/{created.json()['job']}").json()
    expected = {
        "priority": 7,
        "after": [first.id],
        "deadline_at": "2199-01-01T00:00:00.000Z",
        "not_before": None,
        "retry": {
            "max_attempts": 2,
            "delay_seconds": 5,
            "backoff": 2,
            "retry_on": ["failed", "internal"],
        },
        "failed_attempts": 0,
        "pause_requested": False,
        "submitted_by": None,
    }
    assert {name: job[name] for name in expected} == expected
    listed = client.get("/v1/jobs").json()["items"]
    assert [one["after"] for one in listed] == [[first.id], []]


@pytest.mark.parametrize(
    ("options", "pointer", "value"),
    [
        ({"priority": 1001}, "/job/priority", 1001),
        ({"priority": True}, "/job/priority", True),
        ({"priority": 0.5}, "/job/priority", 0.5),
        ({"deadline_seconds": 0}, "/job/deadline_seconds", 0),
        ({"deadline_seconds": 1e12}, "/job/deadline_seconds", 1e12),
        ({"deadline_at": "2020-01-01T00:00:00Z"}, "/job/deadline_at", ...),
        ({"deadline_at": "2199-02-30T00:00:00Z"}, "/job/deadline_at", ...),
        ({"deadline_at": "2199-01-01T00:00:00"}, "/job/deadline_at", ...),
        ({"deadline_at": "9999-12-31T23:59:59-12:00"}, "/job/deadline_at", ...),
        ({"deadline_seconds": 5, "deadline_at": "2199-01-01T00:00:00Z"}, "/job", ...),
        ({"retry": {"max_attempts": 0}}, "/job/retry/max_attempts", 0),
        ({"retry": {"backoff": 0.5}}, "/job/retry/backoff", 0.5),
        ({"retry": {"retry_on": ["rain"]}}, "/job/retry/retry_on/0", "rain"),
        ({"after": ["x" * 101]}, "/job/after/0", ...),
        ({"urgency": 1}, "/job/urgency", 1),
    ],
)
def test_impossible_options_are_refused(
    sqlite_live: Live, options: dict[str, Any], pointer: str, value: Any
) -> None:
    assert (pointer, value) in [
        (found, value if value is ... else given)
        for found, given in refused(sqlite_live, job=options)
    ]
    assert sqlite_live.store.list_jobs(1).rows == []


def test_what_a_job_waits_for_must_be_there_and_may_not_have_failed(sqlite_live: Live) -> None:
    client = sqlite_live.client
    unknown = body(sqlite_live, job={"after": ["job_none"]})
    assert client.post("/v1/supernets", json=unknown).status_code == 404
    _, job = add_supernet(sqlite_live.store)
    sqlite_live.store.request_cancel(job.id)
    response = client.post("/v1/supernets", json=body(sqlite_live, job={"after": [job.id]}))
    assert response.status_code == 409
    assert response.json()["detail"] == f"a job cannot wait for job {job.id}: that has cancelled"


def test_pause_resume_kill_and_priority(sqlite_live: Live) -> None:
    client = sqlite_live.client
    _, job = add_supernet(sqlite_live.store)
    address = f"/v1/jobs/{job.id}"
    changed = client.patch(address, json={"priority": -4})
    assert (changed.status_code, changed.json()["priority"]) == (200, -4)
    for action, status in (("pause", "paused"), ("resume", "queued")):
        for _ in range(2):
            answer = client.post(f"{address}/{action}")
            assert (answer.status_code, answer.json()["status"]) == (202, status)
    claim(sqlite_live.store)
    answer = client.post(f"{address}/pause").json()
    assert (answer["status"], answer["pause_requested"]) == ("running", True)
    assert client.patch(address, json={"priority": 1}).status_code == 409
    assert client.delete(address).status_code == 409
    for _ in range(2):
        answer = client.post(f"{address}/kill")
        assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    for action in ("pause", "resume"):
        assert client.post(f"{address}/{action}").status_code == 409
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    for method, path in (("POST", f"{address}/kill"), ("DELETE", address)):
        assert client.request(method, path).status_code == 404


@pytest.mark.parametrize("change", [{}, {"priority": None}, {"priority": 1, "status": "queued"}])
def test_only_the_priority_can_be_changed(sqlite_live: Live, change: dict[str, Any]) -> None:
    _, job = add_supernet(sqlite_live.store)
    assert sqlite_live.client.patch(f"/v1/jobs/{job.id}", json=change).status_code == 422


def test_proxies_belong_to_an_evaluator_only_where_they_are_asked_for(sqlite_live: Live) -> None:
    supernet = trained_supernet(sqlite_live.store)
    document = {
        "name": "proxies",
        "supernet": supernet.id,
        "objectives": [{"metric": "top1_percent"}],
        "evaluations": 4,
    }

    def submitted(**changes: Any) -> dict[str, Any]:
        created = sqlite_live.client.post("/v1/searches", json={**document, **changes})
        assert created.status_code == 202, created.text
        return dict(created.json())

    plain, without = submitted(), submitted(evaluator={"proxies": None})
    # As before there were proxies: what was evaluated then is found again.
    assert set(plain["evaluator"]) == {
        "kind",
        "supernet_version",
        "data_set_version",
        "accuracy",
        "latency",
    }
    assert without["evaluator_digest"] == plain["evaluator_digest"]
    objectives = [{"metric": "synflow"}, {"metric": "macs"}]
    settings = {"names": ["synflow", "zen"], "seed": 3}
    asked = submitted(evaluator={"proxies": settings}, objectives=objectives)
    assert asked["objectives"][0]["goal"] == "maximize"
    assert asked["evaluator"]["proxies"].items() >= settings.items()
    assert asked["evaluator_digest"] != plain["evaluator_digest"]


def test_a_search_of_a_supernet_in_training_is_accepted_and_waits(sqlite_live: Live) -> None:
    client, store = sqlite_live.client, sqlite_live.store
    supernet, training = add_supernet(store)
    document = {
        "name": "early",
        "supernet": supernet.id,
        "objectives": [{"metric": "top1_percent"}],
        "evaluations": 4,
    }
    search = client.post("/v1/searches", json=document)
    assert search.status_code == 202, search.text
    early = search.json()
    assert (early["status"], early["evaluator_digest"]) == ("queued", None)
    assert client.get(f"/v1/jobs/{early['job']}").json()["after"] == [training.id]
    assert client.get(f"/v1/searches/{early['id']}/front").json()["points"] == []
    assessment = client.post(f"/v1/supernets/{supernet.id}/assessments", json={"samples": 3})
    assert (assessment.status_code, assessment.json()["supernet_version"]) == (202, None)
    store.finish_supernet(claim(store), supernet.id, artifact("f"), {})
    claim(store), claim(store)
    assert client.get(f"/v1/searches/{early['id']}").json()["evaluator_digest"]
    address = f"/v1/assessments/{assessment.json()['id']}"
    assert client.get(address).json()["supernet_version"] == "f" * 64


def test_deadlines_and_dead_runners_are_noticed_while_no_runner_lives(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.main.SETTLE_INTERVAL_S", 0.05)
    _, job = add_supernet(store)
    claim(store, lease_seconds=0.001)
    with serving(settings, store) as live:
        late = body(live, job={"deadline_seconds": 0.2})
        waiting = live.client.post("/v1/supernets", json=late).json()["job"]
        wait_for(store, waiting, JobStatus.FAILED)
        error = live.client.get(f"/v1/jobs/{waiting}").json()["error"]
        assert error["type"] == "deadline-exceeded"
        if settings.is_sqlite:  # only its next runner may say so
            assert store.get_job(job.id).state is JobStatus.RUNNING
        else:
            wait_for(store, job.id, JobStatus.PREEMPTED)


def test_a_change_of_a_job_may_say_of_what(sqlite_live: Live) -> None:
    client = sqlite_live.client
    _, job = add_supernet(sqlite_live.store)
    address = f"/v1/jobs/{job.id}"
    tag = client.get(address).headers["ETag"]
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304
    changed = client.patch(address, json={"priority": 1}, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["priority"]) == (200, 1)
    assert client.get(address).headers["ETag"] == changed.headers["ETag"] != tag
    late = client.patch(address, json={"priority": 2}, headers={"If-Match": tag})
    assert late.status_code == 412
    assert late.headers["Content-Type"] == "application/problem+json"
    assert f"the ETag of job {job.id} as it is now" in late.json()["detail"]
    given = {"If-Match": f'"x", {changed.headers["ETag"]}'}
    assert client.patch(address, json={"priority": 3}, headers=given).status_code == 200
    for headers in ({"If-Match": "*"}, {}):
        assert client.patch(address, json={"priority": 4}, headers=headers).status_code == 200
    claim(sqlite_live.store)
    tag = client.get(address).headers["ETag"]
    assert client.patch(address, json={"priority": 5}, headers={"If-Match": tag}).status_code == 409
    missing = client.patch("/v1/jobs/job_none", json={"priority": 5}, headers={"If-Match": tag})
    assert missing.status_code == 404


def test_runners_are_listed_and_the_silent_are_told_apart(sqlite_live: Live) -> None:
    client, store = sqlite_live.client, sqlite_live.store
    assert client.get("/v1/runners").json() == {"items": []}
    store.register_runner(RUNNER)
    (runner,) = client.get("/v1/runners").json()["items"]
    assert (runner["id"], runner["num_cpus"], runner["custom"]) == (RUNNER.id, 4, {"phone": 2})
    assert runner["is_alive"]
    ((_, lives),) = store.runners(silent_seconds=-1)
    assert not lives
    store.remove_runner(RUNNER.id)
    assert client.get("/v1/runners").json() == {"items": []}


@pytest.mark.parametrize(
    ("resources", "pointer", "value"),
    [
        ({"gpus_per_worker": 1}, "/resources/gpus_per_worker", 1),
        ({"num_workers": 3, "cpus_per_worker": 2}, "/resources/cpus_per_worker", 2),
        ({"custom_per_worker": {"phone": 3}}, "/resources/custom_per_worker/phone", 3),
        ({"custom_per_worker": {"watch": 1}}, "/resources/custom_per_worker/watch", 1),
    ],
)
def test_what_no_live_runner_could_run_is_refused(
    sqlite_live: Live, resources: dict[str, Any], pointer: str, value: Any
) -> None:
    address, document = "/v1/supernets", body(sqlite_live, resources=resources)
    assert sqlite_live.client.post(address, json=document).status_code == 202  # who knows
    sqlite_live.store.register_runner(RUNNER)
    assert refused(sqlite_live, resources=resources) == [(pointer, value)]
    enough = RunnerFacts("b", "b", 64.0, 2.0, {"phone": 9.0, "watch": 1.0}, "1.0")
    sqlite_live.store.register_runner(enough)
    assert sqlite_live.client.post(address, json=document).status_code == 202


def test_what_only_two_runners_together_have_is_refused(sqlite_live: Live) -> None:
    sqlite_live.store.register_runner(RUNNER)
    sqlite_live.store.register_runner(RunnerFacts("b", "b", 1.0, 1.0, {}, "1.0"))
    resources = {"cpus_per_worker": 2, "gpus_per_worker": 1}
    assert [pointer for pointer, _ in refused(sqlite_live, resources=resources)] == ["/resources"]


@pytest.mark.parametrize(
    "custom", [{"CPU": 1}, {"gpu": 1}, {"": 1}, {"phone": 0}, {"phone": 1.5}, {"a b": 1}]
)
def test_impossible_resources_are_refused(sqlite_live: Live, custom: dict[str, Any]) -> None:
    (pointer, _), *_ = refused(sqlite_live, resources={"custom_per_worker": custom})
    assert pointer.startswith("/resources/custom_per_worker")


def test_bodies_without_resources_get_the_operators(tmp_path: Any) -> None:
    from server.main import open_store

    resources: Any = {"search": {"num_workers": 3}, "train": {"cpus_per_worker": 2}}
    settings = Settings(home=tmp_path / "home", default_resources=resources)
    store = open_store(settings)
    with serving(settings, store) as live:
        supernet = trained_supernet(store)
        document = {
            "name": "x",
            "supernet": supernet.id,
            "objectives": [{"metric": "top1_percent"}],
            "evaluations": 4,
        }
        plain = live.client.post("/v1/searches", json=document).json()["resources"]
        assert plain["num_workers"] == 3
        own = {**document, "resources": {"cpus_per_worker": 4}}
        given = live.client.post("/v1/searches", json=own).json()["resources"]
        assert (given["num_workers"], given["cpus_per_worker"]) == (1, 4)
        assessment = {"samples": 3, "standalone": {"count": 3}}
        address = f"/v1/supernets/{supernet.id}/assessments"
        alone = live.client.post(address, json=assessment).json()["standalone"]
        assert alone["resources"]["cpus_per_worker"] == 2
    store.close()

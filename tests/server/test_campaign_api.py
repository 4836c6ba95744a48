"""Campaigns over HTTP: made, changed, looked at, their best network downloaded."""

import hashlib
from typing import Any

import pytest
from campaign_examples import campaign_body, finish_searches, search_template
from examples import trained_supernet
from live import Live
from test_api_bad_input import faults, problem

from server.artifacts import ArtifactStore
from server.campaigns.duty import advance_campaigns
from server.store import ExportFile, RunnerFacts
from workers.settings import ResourceSettings

PNG = b"\x89PNG"
RULE = {"kind": "objective", "metric": "top1_percent", "margin": 0.5}


@pytest.fixture
def body(sqlite_live: Live) -> dict[str, Any]:
    supernet_id = trained_supernet(sqlite_live.store).id
    matrix = {"seeds": [0, 1]}
    template = {"search": search_template(supernet_id), "matrix": matrix}
    return campaign_body(supernet_id, template=template, promotion={"rule": RULE})


def run_once(live: Live, figures: Any = ((97.0, 0.5), (96.0, 0.25)), draw: int = 0) -> str:
    """Runs the campaign now, with all its jobs; returns the occurrence's id."""
    occurrence: str = live.client.post("/v1/campaigns/nightly/run").json()["id"]
    finish_searches(live.store, figures, draw)
    advance_campaigns(live.store)
    job = live.store.claim_job("runner", 60, ["export"])
    if job is not None:
        path = live.settings.home / "model.onnx"
        path.write_bytes(f"network {draw}".encode())
        artifact = ArtifactStore(live.settings.artifacts_folder).add_file(path, "application/onnx")
        file = ExportFile("model.onnx", artifact)
        live.store.record_export(job, job.spec["export_id"], [file], {}, None)
        advance_campaigns(live.store)
    return occurrence


def test_a_campaign_is_created_found_by_name_and_changed(
    sqlite_live: Live, body: dict[str, Any]
) -> None:
    client = sqlite_live.client
    response = client.post("/v1/campaigns", json=body)
    assert response.status_code == 201, response.text
    made = response.json()
    assert response.headers["Location"] == f"/v1/campaigns/{made['id']}"
    assert made["status"] == "active"
    assert made["usage"] == {"evaluations": 0, "worker_hours": 0.0}
    assert client.get("/v1/campaigns/nightly").json() == made
    assert client.get(response.headers["Location"]).headers["ETag"].startswith('"1-')
    assert client.get("/v1/campaigns").json()["items"] == [made]
    assert "already" in problem(client.post("/v1/campaigns", json=body), 409)["detail"]

    changed = client.patch(
        "/v1/campaigns/nightly", json={"overlap": "queue"}, headers={"If-Match": '"1"'}
    )
    assert changed.status_code == 200, changed.text
    assert changed.json()["overlap"] == "queue"
    assert changed.headers["ETag"].startswith('"2-')
    stale = client.patch(
        "/v1/campaigns/nightly", json={"overlap": "skip"}, headers={"If-Match": '"1"'}
    )
    assert 'If-Match must be "2"' in problem(stale, 412)["detail"]
    for change, pointer in (
        ({"catch_up": {"kind": "run_all", "max_age_seconds": 5}}, "/catch_up/max_age_seconds"),
        ({"overlap": None}, "/overlap"),
        ({"owner": "me"}, "/owner"),
        ({"schedule": {"kind": "cron", "expression": "1 2 3"}}, "/schedule"),
    ):
        response = client.patch("/v1/campaigns/nightly", json=change)
        assert faults(response)[0][0] == pointer
    assert client.get("/v1/campaigns/nightly").json() == changed.json()
    client.patch("/v1/campaigns/nightly", json={"promotion": None})
    assert client.get("/v1/campaigns/nightly").json()["promotion"] is None

    assert client.delete("/v1/campaigns/nightly").status_code == 204
    problem(client.get("/v1/campaigns/nightly"), 404)
    problem(client.post("/v1/campaigns/nightly/run"), 404)


def test_next_times_and_pauses(sqlite_live: Live, body: dict[str, Any]) -> None:
    client = sqlite_live.client
    client.post("/v1/campaigns", json=body)
    items = client.get("/v1/campaigns/nightly/next?count=3").json()["items"]
    assert len(items) == 3
    assert items == sorted(items)
    assert all(item.endswith("0:00.000Z") for item in items)
    assert client.post("/v1/campaigns/nightly/pause").json()["status"] == "paused"
    assert client.post("/v1/campaigns/nightly/resume").json()["status"] == "active"
    assert faults(client.get("/v1/campaigns/nightly/next?count=0"))[0][0] == "count"
    rare = {"kind": "cron", "expression": "0 0 29 2 */7"}  # a 29 February that is a Sunday
    client.patch("/v1/campaigns/nightly", json={"schedule": rare})
    times = client.get("/v1/campaigns/nightly/next?count=500").json()["items"]
    assert times[:2] == ["2032-02-29T00:00:00.000Z", "2060-02-29T00:00:00.000Z"]
    assert times[-1] < "2200"


def test_a_templates_resources_are_those_of_jobs_submitted_now(
    sqlite_live: Live, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, default = sqlite_live.client, sqlite_live.settings.default_resources
    monkeypatch.setitem(default, "search", ResourceSettings(num_workers=2))
    monkeypatch.setitem(default, "train", ResourceSettings(num_workers=3))
    body["template"]["retraining"] = {"training": {"epochs": 1}}
    made = client.post("/v1/campaigns", json=body).json()
    assert made["template"]["search"]["resources"]["num_workers"] == 2
    assert made["template"]["retraining"]["resources"]["num_workers"] == 3
    change = {"template": body["template"]}
    assert client.patch("/v1/campaigns/nightly", json=change).json() == made
    sqlite_live.store.register_runner(RunnerFacts("r", "r", 2.0, 0.0, {}, "1.0"))
    for response in (
        client.patch("/v1/campaigns/nightly", json=change),
        client.post("/v1/campaigns", json={**body, "name": "other"}),
    ):
        assert faults(response)[0][0] == "/template/retraining/resources/cpus_per_worker"


def test_a_promotion_goes_by_what_is_measured(sqlite_live: Live, body: dict[str, Any]) -> None:
    client = sqlite_live.client
    limits = [{"metric": "latency_ms", "upper": 1.0}]
    promotion = {"rule": {**RULE, "limits": limits}}
    body["template"]["search"] |= {"evaluator": {}, "objectives": [{"metric": "top1_percent"}]}
    client.post("/v1/campaigns", json=body).raise_for_status()
    refused = client.patch("/v1/campaigns/nightly", json={"promotion": promotion})
    assert faults(refused)[0][0] == "/promotion/rule/limits/0/metric"
    body["template"]["matrix"] = {"devices": [{"threads": 1}]}
    change = {"promotion": promotion, "template": body["template"]}
    assert client.patch("/v1/campaigns/nightly", json=change).status_code == 200


def test_an_occurrence_is_reported_and_its_best_network_served_under_a_stable_name(
    sqlite_live: Live, body: dict[str, Any]
) -> None:
    client = sqlite_live.client
    client.post("/v1/campaigns", json=body)
    problem(client.get("/v1/campaigns/nightly/best"), 404)
    first = run_once(sqlite_live)
    second = run_once(sqlite_live, figures=((98.0, 0.3),), draw=1)

    listed = client.get("/v1/campaigns/nightly/occurrences?status=succeeded").json()["items"]
    assert [one["id"] for one in listed] == [second, first]
    assert client.get("/v1/campaigns/nightly/occurrences?trigger=schedule").json()["items"] == []
    report = client.get(f"/v1/campaigns/nightly/occurrences/{second}/report").json()
    assert report["occurrence"] == listed[0]
    one = report["searches"][0]
    assert [volume["hypervolume"] for volume in one["history"]] == [
        one["last_hypervolume"],
        one["hypervolume"],
    ]
    assert [point["is_new"] for point in one["front"]] == [True]
    assert len(one["gone"]) == 2
    assert one["place"]["seed"] == 0
    assert listed[0]["verdict"] == "top1_percent 98, before 97"

    best = client.get("/v1/campaigns/nightly/best").json()
    assert best["promotion"]["occurrence"] == second
    (file,) = best["export"]["files"]
    assert file["url"] == "/v1/campaigns/nightly/best/files/model.onnx"
    content = client.get(file["url"]).content
    assert content == b"network 1"
    assert hashlib.sha256(content).hexdigest() == file["sha256"]
    promotions = client.get("/v1/campaigns/nightly/promotions").json()["items"]
    assert [one["occurrence"] for one in promotions] == [second, first]
    problem(client.get("/v1/campaigns/nightly/best/files/other"), 404)
    problem(client.get("/v1/campaigns/nightly/occurrences/occ_x/report"), 404)

    for suffix, start in ((".png", PNG), (".svg", b"<?xml")):
        address = f"/v1/campaigns/nightly/occurrences/{second}/report{suffix}"
        picture = client.get(address)
        assert picture.content.startswith(start)
        again = client.get(address, headers={"If-None-Match": picture.headers["ETag"]})
        assert again.status_code == 304


def test_a_template_names_what_is_there(sqlite_live: Live, body: dict[str, Any]) -> None:
    search = body["template"]["search"]
    for change in ({"supernet": "net_x"}, {"job": {"after": ["job_x"]}}):
        template = {**body["template"], "search": {**search, **change}}
        refused = sqlite_live.client.post("/v1/campaigns", json={**body, "template": template})
        assert "_x'" in problem(refused, 404)["detail"]


def test_the_occurrences_of_another_campaign_are_not_its_own(
    sqlite_live: Live, body: dict[str, Any]
) -> None:
    client = sqlite_live.client
    client.post("/v1/campaigns", json=body)
    client.post("/v1/campaigns", json={**body, "name": "other"})
    occurrence = client.post("/v1/campaigns/nightly/run").json()["id"]
    problem(client.get(f"/v1/campaigns/other/occurrences/{occurrence}"), 404)


def test_a_data_set_says_what_it_supersedes(sqlite_live: Live) -> None:
    client = sqlite_live.client
    digits = {"name": "digits", "source": {"kind": "digits"}}
    first = client.post("/v1/data-sets", json=digits).json()
    assert first["supersedes"] is None
    missing = client.post("/v1/data-sets", json={**digits, "name": "b", "supersedes": "dat_x"})
    problem(missing, 404)
    newer = {"name": "digits 2", "source": {"kind": "digits"}, "supersedes": first["id"]}
    assert client.post("/v1/data-sets", json=newer).json()["supersedes"] == first["id"]
    other = client.post("/v1/data-sets", json={**digits, "supersedes": first["id"]})
    assert "exists and supersedes none" in problem(other, 409)["detail"]

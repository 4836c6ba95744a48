"""The resources of the API, with the runner's part played through the store."""

import hashlib
from typing import Any

import httpx
import numpy as np
from examples import (
    SPACE,
    SPACE_SETTINGS,
    add_export,
    add_search,
    artifact,
    claim,
    observe,
    trained_supernet,
)
from live import Live

from search_space.families import FAMILIES
from server.store import Artifact, ExportFile, Finalist


def created(response: httpx.Response, status: int = 201) -> dict[str, Any]:
    """The body of a successful creation, which its Location leads to as well."""
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert response.headers["Location"].endswith(f"/{body['id']}")
    return body


def test_the_whole_path_over_both_databases(live: Live) -> None:
    client, store = live.client, live.store
    data_set = created(
        client.post("/v1/data-sets", json={"name": "digits", "source": {"kind": "digits"}})
    )
    assert data_set["counts"] == {"train": 1000, "validation": 397, "test": 400}
    assert (data_set["shape"], data_set["num_classes"]) == ([1, 8, 8], 10)
    stored = store.get_data_set(data_set["id"])
    path = live.settings.artifacts_folder / stored.version[:2] / stored.version
    assert hashlib.sha256(path.read_bytes()).hexdigest() == data_set["version"]

    supernet = created(
        client.post(
            "/v1/supernets",
            json={
                "name": "digits",
                "space": {"kind": "mobilenetv3", "preset": "digits"},
                "data_set": data_set["id"],
                "training": {"epochs": 2},
                "seed": 3,
            },
        ),
        202,
    )
    assert (supernet["status"], supernet["version"]) == ("queued", None)
    assert supernet["space"] == SPACE.digest
    search_body = {
        "name": "fast",
        "supernet": supernet["id"],
        "searcher": {"kind": "random"},
        "objectives": [{"metric": "top1_percent"}, {"metric": "latency_ms"}],
        "limits": [{"metric": "latency_ms", "upper": 2.0}],
        "evaluations": 4,
        "evaluator": {"latency": {"threads": 1}},
    }
    training = claim(store)
    assert training.spec["training"]["epochs"] == 2
    assert training.spec["data_set"] == {"id": data_set["id"], "version": data_set["version"]}
    store.finish_supernet(training, supernet["id"], artifact("f"), {"top1_percent": 97.0})
    supernet = client.get(f"/v1/supernets/{supernet['id']}").json()
    assert (supernet["status"], supernet["version"]) == ("succeeded", "f" * 64)

    search = created(client.post("/v1/searches", json=search_body), 202)
    assert search["counts"] == {"measured": 0, "infeasible": 0, "failed": 0}
    assert search["evaluator"]["supernet_version"] == "f" * 64
    job = claim(store)
    row = store.get_search(search["id"])
    architectures = observe(store, row, job, [(98.0, 1.5), (90.0, 0.5), (89.0, 0.6), (99.0, 3.0)])
    store.finish_search(job, search["id"], {"evaluations": 4})
    front = client.get(f"/v1/searches/{search['id']}/front").json()
    assert front["feasible"] is True
    assert [point["number"] for point in front["points"]] == [0, 1]
    assert front["points"][0]["architecture"] == dict(architectures[0])

    body = {"search": search["id"], "architecture_digest": architectures[0].digest}
    export = created(client.post("/v1/exports", json=body | {"report_test": True}), 202)
    assert export["files"] == []
    known = client.get(f"/v1/architectures/{architectures[0].digest}").json()
    assert known["exports"] == [export["id"]]
    assert known["spaces"][0]["costs"]["num_params"] > 0
    assert known["spaces"][0]["evaluations"][0]["metrics"]["top1_percent"] == 98.0
    jobs = client.get("/v1/jobs").json()["items"]
    assert [job["kind"] for job in jobs] == ["export", "search", "train"]
    for job in jobs:
        assert client.get(job["subject"]).json()["job"] == job["id"]


def test_creating_what_exists_returns_it(sqlite_live: Live) -> None:
    for path, body in (
        ("/v1/data-sets", {"name": "digits", "source": {"kind": "digits"}}),
        ("/v1/spaces", SPACE_SETTINGS.model_dump(mode="json")),
    ):
        first = sqlite_live.client.post(path, json=body)
        again = sqlite_live.client.post(path, json=body)
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
    other = {"name": "digits", "source": {"kind": "digits", "split_seed": 1}}
    assert sqlite_live.client.post("/v1/data-sets", json=other).status_code == 409


def test_arrays_are_read_from_the_data_folder(sqlite_live: Live) -> None:
    folder = sqlite_live.settings.data_folder
    folder.mkdir()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 5, 6, 3), dtype=np.uint8)
    np.savez(folder / "mine.npz", images=images, labels=np.arange(60) % 3)
    body = {"name": "mine", "source": {"kind": "arrays", "path": "mine.npz"}}
    data_set = created(sqlite_live.client.post("/v1/data-sets", json=body))
    assert (data_set["shape"], data_set["num_classes"]) == ([3, 5, 6], 3)
    assert sum(data_set["counts"].values()) == 60


def test_spaces_are_counted_sampled_and_costed(sqlite_live: Live) -> None:
    client = sqlite_live.client
    families = {
        family["kind"]: family for family in client.get("/v1/space-families").json()["items"]
    }
    assert set(families) == set(FAMILIES)
    assert "stages" in families["mobilenetv3"]["settings_schema"]["properties"]
    digits = families["mobilenetv3"]["presets"]["digits"]
    space = created(client.post("/v1/spaces", json=digits))
    assert space["id"] == SPACE.digest
    assert int(space["size"]) == SPACE.size
    address = f"/v1/spaces/{space['id']}"
    drawn = client.post(f"{address}/sample", json={"count": 3, "seed": 5}).json()["items"]
    genes = SPACE.sample(3, np.random.default_rng(5))
    assert [item["digest"] for item in drawn] == [SPACE.decode(row).digest for row in genes]
    cost = client.post(f"{address}/cost", json={"architecture": drawn[0]["architecture"]}).json()
    assert cost["digest"] == drawn[0]["digest"]
    assert cost["macs"] > cost["num_params"] > 0
    large = client.post("/v1/spaces", json={"kind": "mobilenetv3", "preset": "imagenet"}).json()
    assert int(large["size"]) == 25 * (9**2 + 9**3 + 9**4) ** 5


def test_a_declared_space_can_be_sampled(sqlite_live: Live) -> None:
    choices = [
        {"name": "depth", "options": [1, 2]},
        {"name": "second", "options": ["a", "b"], "when": {"parent": "depth", "options": [2]}},
    ]
    body = {"kind": "custom", "name": "mine", "choices": choices}
    space = created(sqlite_live.client.post("/v1/spaces", json=body))
    assert space["size"] == "3"
    drawn = sqlite_live.client.post(f"/v1/spaces/{space['id']}/sample", json={"count": 50}).json()
    assert len({item["digest"] for item in drawn["items"]}) == 3


def test_lists_are_followed_to_their_ends(sqlite_live: Live) -> None:
    client, store = sqlite_live.client, sqlite_live.store
    supernet = trained_supernet(store)
    searches = [add_search(store, supernet, seed).id for seed in range(5)]
    observe(store, store.get_search(searches[0]), claim(store), [(90.0 + i, 1.0) for i in range(5)])
    for path, count in (
        ("/v1/searches", 5),
        (f"/v1/searches/{searches[0]}/evaluations", 5),
        ("/v1/jobs?kind=search", 5),
        (f"/v1/evaluations?space={SPACE.digest}", 5),
        ("/v1/data-sets", 1),
        ("/v1/spaces", 1),
        ("/v1/supernets", 1),
        ("/v1/exports", 0),
    ):
        found = []
        address = client.build_request("GET", path).url.copy_merge_params({"limit": 2})
        while True:
            page = client.get(address).json()
            found += page["items"]
            assert len(page["items"]) <= 2
            if page["next"] is None:
                break
            address = httpx.URL(page["next"])
        texts = [str(item) for item in found]
        assert len(set(texts)) == len(texts) == count, path


def test_fronts_are_sent_again_only_when_they_change(sqlite_live: Live) -> None:
    client, store = sqlite_live.client, sqlite_live.store
    search = add_search(store, trained_supernet(store))
    job = claim(store)
    for name, start in (("front", b"{"), ("front.png", b"\x89PNG"), ("front.svg", b"<?xml")):
        address = f"/v1/searches/{search.id}/{name}"
        first = client.get(address)
        assert first.status_code == 200
        assert first.content.startswith(start)
        headers = {"If-None-Match": first.headers["ETag"]}
        assert client.get(address, headers=headers).status_code == 304
    observe(store, search, job, [(90.0, 1.0)])
    for name in ("front", "front.png", "front.svg"):
        address = f"/v1/searches/{search.id}/{name}"
        assert client.get(address, headers=headers).status_code == 200


def test_a_limit_that_nobody_meets_is_said_and_the_nearest_are_shown(sqlite_live: Live) -> None:
    client, store = sqlite_live.client, sqlite_live.store
    objectives = ("top1_percent", "latency_ms")
    search = add_search(store, trained_supernet(store), 0, objectives, max_latency_ms=0.5)
    job = claim(store)
    observe(store, search, job, [(90.0, 2.0), (95.0, 1.0), (80.0, 0.75)])
    front = client.get(f"/v1/searches/{search.id}/front").json()
    assert front["feasible"] is False
    assert front["points"] == []
    nearest = front["least_violating"][0]
    assert (nearest["number"], nearest["feasible"], nearest["violation"]) == (2, False, 0.5)
    assert nearest["violated"] == [
        {"metric": "latency_ms", "upper": 0.5, "lower": None, "value": 0.75, "excess": 0.25}
    ]
    assert client.get(f"/v1/searches/{search.id}/front.svg").status_code == 200


def test_finalists_measured_again_make_the_front(sqlite_live: Live) -> None:
    client, store = sqlite_live.client, sqlite_live.store
    search = add_search(store, trained_supernet(store), 0, ("top1_percent", "latency_ms"))
    job = claim(store)
    first, second, _ = observe(store, search, job, [(95.0, 2.0), (90.0, 1.0), (80.0, 0.5)])
    finalists = [
        Finalist(a.digest, {"latency_ms": ms}, {"latency_ms": {"purpose": "finalist"}})
        for a, ms in ((first, 1.8), (second, 1.9))
    ]
    store.record_measurements(job, search.id, finalists)
    front = client.get(f"/v1/searches/{search.id}/front").json()
    assert (front["remeasured"], front["num_measured"]) == (True, 3)
    (point,) = front["points"]  # the second one turned out to be no faster
    assert point["metrics"] == {"top1_percent": 95.0, "latency_ms": 1.8}
    assert point["provenance"]["latency_ms"] == {"purpose": "finalist"}


def test_exported_files_are_downloaded_under_their_names_alone(sqlite_live: Live) -> None:
    client, store = sqlite_live.client, sqlite_live.store
    search = add_search(store, trained_supernet(store))
    job = claim(store)
    (architecture,) = observe(store, search, job, [(90.0, 1.0)])
    store.finish_search(job, search.id, {})
    export = add_export(store, search, architecture.digest)
    content = b"onnx" * 1000
    sha256 = hashlib.sha256(content).hexdigest()
    place = sqlite_live.settings.artifacts_folder / sha256[:2]
    place.mkdir()
    (place / sha256).write_bytes(content)
    file = ExportFile("network.onnx", Artifact(sha256, len(content), "application/octet-stream"))
    store.record_export(claim(store), export.id, [file], {"seed": 0}, None)

    (shown,) = client.get(f"/v1/exports/{export.id}").json()["files"]
    assert (shown["name"], shown["size_bytes"]) == ("network.onnx", 4000)
    response = client.get(shown["url"])
    assert response.content == content
    assert 'filename="network.onnx"' in response.headers["Content-Disposition"]
    for name in (sha256, "..%2Fespalier.db", "network.onnx%00", "NETWORK.ONNX"):
        assert client.get(f"/v1/exports/{export.id}/files/{name}").status_code == 404
    (place / sha256).write_bytes(b"damaged")
    assert client.get(shown["url"]).status_code == 500


def test_health_is_told_from_life(sqlite_live: Live) -> None:
    assert sqlite_live.client.get("/livez").json() == {"status": "ok"}
    assert sqlite_live.client.get("/readyz").json() == {
        "status": "ok",
        "database": "ok",
        "schema_revision": sqlite_live.client.get("/version").json()["schema_revision"],
        "runner": "external",
        "runners_alive": 0,
        "waiting_jobs": 0,
    }
    assert sqlite_live.client.get("/version").json()["name"] == "espalier"


def test_requests_have_ids(sqlite_live: Live) -> None:
    given = sqlite_live.client.get("/livez", headers={"X-Request-ID": "mine-1"})
    assert given.headers["X-Request-ID"] == "mine-1"
    forged = sqlite_live.client.get("/livez", headers={"X-Request-ID": "a b\t{}"})
    assert len(forged.headers["X-Request-ID"]) == 16
    failed = sqlite_live.client.get("/nothing", headers={"X-Request-ID": "mine-2"})
    assert failed.json()["request_id"] == "mine-2"

"""Bad input is refused with the field, the rule and the value, and harms nothing stored."""

import json
import socket
import time
import tracemalloc
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.numpy
from bad_requests import CASES, search_body, supernet_body
from examples import (
    SPACE,
    SPACE_SETTINGS,
    add_data_set,
    add_search,
    add_supernet,
    claim,
    observe,
    trained_supernet,
)
from image_files import picture, write_folder
from live import Live
from starlette.datastructures import Headers

from server.errors import MAX_FAULTS, InvalidRequestError
from server.problems import MEDIA_TYPE
from server.strict_json import MAX_FIELDS, check_json


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of a refused request."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == MEDIA_TYPE
    body: dict[str, Any] = response.json()
    assert set(body) == {"type", "title", "status", "detail", "errors", "request_id"}
    assert body["status"] == status
    assert body["detail"]
    return body


def faults(response: httpx.Response) -> list[tuple[str, str, Any]]:
    errors = problem(response, 422)["errors"]
    assert errors
    return [(error["pointer"], error["rule"], error["value"]) for error in errors]


class World:
    """What the cases refer to by capital names."""

    def __init__(self, live: Live, outside: Path) -> None:
        self.live = live
        supernet = trained_supernet(live.store)
        search = add_search(live.store, supernet)
        observe(live.store, search, claim(live.store), [(90.0, 1.0)])
        self.names = {
            "SPACE": SPACE.digest,
            "DATA_SET": supernet.data_set_id,
            "SUPERNET": supernet.id,
            "SEARCH": search.id,
            "UPLOAD": live.store.add_upload("x", 10, "0" * 64)[0].id,
        }
        folder = live.settings.data_folder
        folder.mkdir()
        other = {"stem.weight": np.ones(2, dtype=np.float32)}
        safetensors.numpy.save_file(other, folder / "other.safetensors")
        np.savez(folder / "floats.npz", images=np.zeros((9, 4, 4)), labels=np.arange(9) % 3)
        (folder / "link.npz").symlink_to(outside)
        (folder / "floats.txt").write_text("0.5")
        write_folder(folder / "folder", {"train/a/1.png": picture("cat")})
        (folder / "folder" / "train" / "b").mkdir()

    def named(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(name, value)
        return text

    def jobs(self) -> list[Any]:
        rows = self.live.store.list_jobs(100).rows
        return [(row.id, row.status) for row in rows]


@pytest.fixture
def world(sqlite_live: Live, tmp_path: Path) -> World:
    outside = tmp_path / "outside.npz"
    outside.write_bytes(b"secret")
    return World(sqlite_live, outside)


def test_bad_bodies_are_refused_by_field_rule_and_value(world: World) -> None:
    before = world.jobs()
    wrong = {}
    for name, (path, body, pointer, rule, value) in CASES.items():
        content = world.named(json.dumps(body)) if body is not None else ""
        headers = {"Content-Type": "application/json"}
        found = faults(world.live.client.post(world.named(path), content=content, headers=headers))
        if isinstance(value, str):
            value = world.named(value)
        if not any(
            f[0] == pointer and (rule is ... or f[1] == world.named(rule)) and value in (..., f[2])
            for f in found
        ):
            wrong[name] = found
    assert wrong == {}
    assert world.jobs() == before


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(sqlite_live: Live, number: str) -> None:
    content = f'{{"limits": [{{"metric": "macs", "upper": {number}}}]}}'
    headers = {"Content-Type": "application/json"}
    response = sqlite_live.client.post("/v1/searches", content=content, headers=headers)
    ((pointer, rule, value),) = faults(response)
    assert (pointer, rule) == ("/limits/0/upper", "must be a finite number")
    assert value in ("nan", "inf", "-inf")


JSON = {"Content-Type": "application/json"}


def test_bodies_that_are_not_json_objects_are_refused(sqlite_live: Live) -> None:
    deep, large = b"[" * 100_000, b"{" + b" " * 100_000
    for content in (b"{", b'{"a": 1,}', b"\xff\xfe", b"1" * 5000, deep, large):
        response = sqlite_live.client.post("/v1/searches", content=content, headers=JSON)
        assert "must be JSON" in problem(response, 400)["detail"]
    for content in (b"", b'"text"', b"null"):
        assert faults(sqlite_live.client.post("/v1/searches", content=content, headers=JSON))


def test_of_very_many_faults_the_first_are_told(sqlite_live: Live) -> None:
    for body in (
        {f"x{number}": 1 for number in range(15_000)},
        {"name": [float("nan")] * 300},
        {"objectives": [1] * 300},
    ):
        response = sqlite_live.client.post("/v1/searches", content=json.dumps(body), headers=JSON)
        assert len(faults(response)) == MAX_FAULTS
        assert len(response.content) < 100_000
    assert response.json()["detail"].endswith(" more")
    fields = {f"x{number}": 1 for number in range(MAX_FIELDS + 1)}
    (fault,) = faults(sqlite_live.client.post("/v1/searches", json={"supernet": fields}))
    assert fault == ("/supernet", f"must have at most {MAX_FIELDS} fields", MAX_FIELDS + 1)


def test_faults_are_found_however_deep_and_in_order() -> None:
    nan = float("nan")
    deep: Any = nan
    for _ in range(500):
        deep = [deep]
    document = {"a~/b": [{"x": nan}, [], {}, "\0"], "": deep, "\0": 1, "c": nan}
    with pytest.raises(InvalidRequestError) as caught:
        check_json(Headers({"content-type": "application/json"}), json.dumps(document).encode())
    pointers = [fault.pointer for fault in caught.value.faults]
    assert pointers == ["", "/a~0~1b/0/x", "/a~0~1b/3", "/" + "/0" * 500, "/c"]


def test_a_large_body_takes_no_more_memory_than_it_holds() -> None:
    body = b"[" + b"1," * 500_000 + b"1]"
    tracemalloc.start()
    try:
        check_json(Headers({"content-type": "application/json"}), body)
        assert tracemalloc.get_traced_memory()[1] < 12 * len(body)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", ["a\\u0000b", "\\ud800"])
def test_text_that_no_database_can_hold_is_refused(live: Live, text: str) -> None:
    content = f'{{"name": "{text}", "source": {{"kind": "digits"}}}}'
    headers = {"Content-Type": "application/json"}
    found = faults(live.client.post("/v1/data-sets", content=content, headers=headers))
    assert found[0][:2] == ("/name", "must not hold NUL characters or lone surrogates")
    key = faults(live.client.post("/v1/spaces", content=f'{{"{text}": 1}}', headers=headers))
    assert key[0][1].startswith("must have names without NUL")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_ten_megabytes_is_refused(sqlite_live: Live, chunked: bool) -> None:
    blocks = (b" " * 100_000 for _ in range(100))
    content: Any = blocks if chunked else b"".join(blocks)
    headers = {"Content-Type": "application/json"}
    response = sqlite_live.client.post("/v1/spaces", content=content, headers=headers)
    assert "at most 8388608 bytes" in problem(response, 413)["detail"]
    assert sqlite_live.client.get("/livez").status_code == 200


def test_a_body_that_is_not_json_by_its_own_account_is_refused(sqlite_live: Live) -> None:
    response = sqlite_live.client.post("/v1/spaces", data={"kind": "custom"})
    assert "application/x-www-form-urlencoded" in problem(response, 415)["detail"]


def test_a_request_that_is_cut_off_is_not_carried_out(sqlite_live: Live) -> None:
    """Not even one that needs no body: nobody knows what was meant."""
    _, job = add_supernet(sqlite_live.store)
    url = sqlite_live.client.base_url
    head = (
        f"POST /v1/jobs/{job.id}/cancel HTTP/1.1\r\nHost: {url.host}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    with socket.create_connection((url.host, url.port or 80)) as connection:
        connection.sendall(head.encode())
    for _ in range(200):  # until the server has noticed
        (change,) = sqlite_live.store.list_changes(1).rows or [None]
        if change is not None:
            break
        time.sleep(0.02)
    assert change is not None
    assert change.status == 400
    assert sqlite_live.store.get_job(job.id).status == "queued"


def test_pages_of_other_sites_change_nothing(sqlite_live: Live) -> None:
    client, store = sqlite_live.client, sqlite_live.store
    _, job = add_supernet(store)
    address = f"/v1/jobs/{job.id}"
    for origin in ("https://attacker.example", "http://localhost.attacker.example", "null"):
        headers = {"Origin": origin}
        assert client.get(address, headers=headers).status_code == 200
        response = client.post(f"{address}/cancel", headers=headers)
        assert repr(origin) in problem(response, 403)["detail"]
    assert store.get_job(job.id).status == "queued"
    for origin in ("http://localhost:8888", "http://127.0.0.1", "http://[::1]:80"):
        response = client.post(f"{address}/cancel", headers={"Origin": origin})
        assert response.status_code == 202


def test_requests_for_other_hosts_are_refused(sqlite_live: Live) -> None:
    response = sqlite_live.client.get("/v1/jobs", headers={"Host": "attacker.example:8000"})
    assert "attacker.example" in problem(response, 421)["detail"]


def test_what_does_not_exist_is_not_found(live: Live) -> None:
    for path in (
        "/nothing",
        "/v1/data-sets/none",
        "/v1/uploads/none",
        "/v1/spaces/none",
        "/v1/supernets/none",
        "/v1/searches/none",
        "/v1/searches/none/front",
        "/v1/searches/none/front.png",
        "/v1/searches/none/evaluations",
        "/v1/exports/none",
        "/v1/exports/none/files/x",
        "/v1/jobs/none",
        "/v1/jobs/none/events",
        "/v1/jobs/none/events/stream",
        "/v1/architectures/0123456789abcdef",
    ):
        problem(live.client.get(path), 404)
    for path, body in (
        ("/v1/spaces/none/sample", {"count": 1}),
        ("/v1/jobs/none/cancel", None),
        ("/v1/uploads/none/complete", None),
        ("/v1/supernets", supernet_body()),
        (
            "/v1/supernets",
            supernet_body(
                data_set=add_data_set(live.store).id, start={"kind": "supernet", "supernet": "none"}
            ),
        ),
        ("/v1/searches", search_body()),
        ("/v1/exports", {"search": "none", "architecture_digest": "0" * 16}),
    ):
        problem(live.client.post(path, json=body), 404)


def test_other_methods_are_told_which_there_are(sqlite_live: Live) -> None:
    response = sqlite_live.client.delete("/v1/searches")
    assert (
        problem(response, 405)["detail"]
        == "/v1/searches takes GET, HEAD, OPTIONS, POST, not DELETE"
    )
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("cursor=%21", "cursor"),
        ("cursor=AA", "cursor"),
        ("status=done", "status"),
        ("kind=x", "kind"),
    ],
)
def test_bad_parameters_are_named(sqlite_live: Live, query: str, pointer: str) -> None:
    found = faults(sqlite_live.client.get(f"/v1/jobs?{query}"))
    assert [fault[0] for fault in found] == [pointer]


def test_a_supernet_whose_training_failed_is_a_conflict(sqlite_live: Live) -> None:
    store = sqlite_live.store
    supernet, _ = add_supernet(store)
    store.fail_job(claim(store), {"type": "x", "message": "y"})
    start = {"kind": "supernet", "supernet": supernet.id}
    again = supernet_body(
        data_set=supernet.data_set_id, start=start, space=SPACE_SETTINGS.model_dump(mode="json")
    )
    for path, body, done in (
        ("/v1/supernets", again, "used for another"),
        ("/v1/searches", search_body(supernet=supernet.id), "searched"),
    ):
        response = sqlite_live.client.post(path, json=body)
        detail = problem(response, 409)["detail"]
        assert f"{supernet.id} must be trained before it is {done}" in detail
        assert detail.endswith("is failed")

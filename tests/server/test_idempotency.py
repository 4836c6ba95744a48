"""A request with an idempotency key creates once, whatever happens to it."""

import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from examples import add_search, trained_supernet
from live import Live, serve_process, serving
from sqlalchemy import Engine, text

from server.client import Client
from server.errors import InvalidRequestError, NotFoundError
from server.local_service import free_port
from server.main import open_store
from server.settings import Settings
from server.store import Answer, Creation, KeyTakenError, Store

MORTAL = Path(__file__).with_name("mortal_server.py")


def search_body(store: Store, **changes: Any) -> dict[str, Any]:
    body = {
        "name": "once",
        "supernet": trained_supernet(store).id,
        "objectives": [{"metric": "top1_percent"}],
        "evaluations": 3,
    }
    return body | changes


def post(live: Live, path: str, body: Any, key: str) -> httpx.Response:
    return live.client.post(path, json=body, headers={"Idempotency-Key": key})


def without_id(response: httpx.Response) -> tuple[int, bytes, str | None]:
    return response.status_code, response.content, response.headers.get("Location")


def test_the_same_request_is_given_the_first_answer(live: Live) -> None:
    body = search_body(live.store)
    first = post(live, "/v1/searches", body, "a")
    live.store.request_cancel(first.json()["job"])  # the answer is that of then
    reordered = dict(reversed(body.items()))
    again = post(live, "/v1/searches", reordered, "a")
    assert first.status_code == 202
    assert without_id(again) == without_id(first)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    other = post(live, "/v1/searches", body, "b")
    assert other.json()["id"] != first.json()["id"]
    assert len(live.store.list_searches(10).rows) == 2


def test_a_replayed_creation_is_200(sqlite_live: Live) -> None:
    body = {"name": "x", "size_bytes": 5, "sha256": "0" * 64}
    first = post(sqlite_live, "/v1/uploads", body, '"a quoted-key"'.replace(" ", "-"))
    again = post(sqlite_live, "/v1/uploads", body, '"a-quoted-key"')
    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.content, again.headers["Location"]) == (first.content, first.headers["Location"])
    assert again.headers["Upload-Offset"] == "0"
    unnamed = sqlite_live.client.post("/v1/uploads", json=body | {"name": "y"})
    assert unnamed.json().keys() == first.json().keys()


def test_a_key_means_one_request(live: Live) -> None:
    body = search_body(live.store)
    assert post(live, "/v1/searches", body, "a").status_code == 202
    refused = post(live, "/v1/searches", body | {"seed": 1}, "a")
    assert refused.status_code == 422
    (fault,) = refused.json()["errors"]
    assert (fault["pointer"], fault["value"]) == ("Idempotency-Key", "a")
    assert "another request" in fault["rule"]
    # Of the same route with another address; of another route the key is another one.
    supernet = body["supernet"]
    address = "/v1/supernets/{}/assessments"
    assert post(live, address.format(supernet), {"samples": 3}, "a").status_code == 202
    assert post(live, address.format("net_1"), {"samples": 3}, "a").status_code == 422
    assert len(live.store.list_searches(10).rows) == 1


def test_what_is_refused_is_not_remembered(sqlite_live: Live) -> None:
    body = search_body(sqlite_live.store)
    assert post(sqlite_live, "/v1/searches", body | {"supernet": "net_1"}, "a").status_code == 404
    assert post(sqlite_live, "/v1/searches", body | {"evaluations": 0}, "a").status_code == 422
    assert post(sqlite_live, "/v1/searches", body, "a").status_code == 202


def test_a_creation_that_fails_half_way_leaves_nothing(sqlite_live: Live) -> None:
    body = {"name": "x", "space": {"kind": "mobilenetv3", "preset": "digits"}, "data_set": "none"}
    assert post(sqlite_live, "/v1/supernets", body, "a").status_code == 404
    assert sqlite_live.store.list_spaces(5).rows == []


@pytest.mark.parametrize("key", ["", "two words", "k" * 256, "ü".encode("latin-1"), "a\tb"])
def test_a_key_that_is_none_is_refused(sqlite_live: Live, key: str | bytes) -> None:
    body = {"name": "x", "size_bytes": 5, "sha256": "0" * 64}
    refused = sqlite_live.client.post("/v1/uploads", json=body, headers={"Idempotency-Key": key})  # type: ignore[dict-item]  # httpx takes bytes
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "Idempotency-Key"
    assert sqlite_live.store.list_uploads(5).rows == []


def test_two_keys_are_refused(sqlite_live: Live) -> None:
    body = {"name": "x", "size_bytes": 5, "sha256": "0" * 64}
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    refused = sqlite_live.client.post("/v1/uploads", json=body, headers=headers)
    assert refused.json()["errors"][0]["rule"] == "must be given once"


def test_a_key_is_free_again_after_its_time(live: Live, engine: Engine) -> None:
    body = search_body(live.store)
    ids = {post(live, "/v1/searches", body | {"seed": n}, f"k{n}").json()["id"] for n in range(30)}
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("UPDATE idempotency_answers SET expires_at = created_at"))
    again = post(live, "/v1/searches", body | {"seed": 77}, "k29")
    assert again.status_code == 202
    assert again.json()["id"] not in ids
    post(live, "/v1/searches", body, "new")
    with engine.connect() as connection:
        left = connection.scalars(text("SELECT key FROM idempotency_answers")).all()
    assert sorted(left) == ["k29", "new"]  # the expired ones went with them


def creation(key: str, fingerprint: str = "f", caller: str = "") -> Creation:
    return Creation(caller, key, "POST /v1/uploads", fingerprint, 60.0)


def test_keys_of_callers_are_apart(store: Store) -> None:
    for number, caller in enumerate(["", "key_1", "key_2"]):
        mine, other = creation("a", caller=caller), creation("a", "g", caller)
        assert store.find_answer(mine) is None
        with store.creating(mine) as creating:
            creating.add_upload(f"u{number}", 1, "0" * 64)
            creating.record_answer(mine, Answer(201, {}, f"{number}"))
        found = store.find_answer(mine)
        assert found is not None
        assert found.body == str(number)
        with pytest.raises(InvalidRequestError, match="another request"):
            store.find_answer(other)


def lose(creating: Store) -> None:
    creating.add_upload("lost", 1, "0" * 64)
    raise NotFoundError("search", "none")


def test_a_method_that_raises_leaves_the_rest_of_its_unit(store: Store) -> None:
    with store.creating(creation("a")) as creating:
        creating.add_upload("kept", 1, "0" * 64)
        with pytest.raises(Exception, match="no search"):
            creating.add_export("none", "0" * 16, report_test=False)
        creating.record_answer(creation("a"), Answer(201, {}, ""))
        assert store.list_uploads(5).rows == []  # nobody sees it yet
    assert [row.name for row in store.list_uploads(5).rows] == ["kept"]
    with pytest.raises(NotFoundError), store.creating(creation("b")) as creating:
        lose(creating)
    assert [row.name for row in store.list_uploads(5).rows] == ["kept"]
    assert store.find_answer(creation("b")) is None


def test_of_two_processes_one_creates(settings: Settings, store: Store) -> None:
    """Units of two stores, as of two server processes, begun before either ends."""
    start = threading.Barrier(8)

    def create(number: int) -> str:
        mine = open_store(settings)
        start.wait(30)
        try:
            with mine.creating(creation("a")) as creating:
                creating.add_upload(f"u{number}", 1, "0" * 64)
                creating.record_answer(creation("a"), Answer(201, {}, str(number)))
            return str(number)
        except KeyTakenError:
            found = mine.find_answer(creation("a"))
            assert found is not None
            return found.body
        finally:
            mine.close()

    with ThreadPoolExecutor(8) as pool:
        (winner,) = set(pool.map(create, range(8)))
    assert [row.name for row in store.list_uploads(10).rows] == [f"u{winner}"]


def test_requests_at_once_to_two_servers_create_once(settings: Settings, store: Store) -> None:
    body = search_body(store)
    start = threading.Barrier(12)

    def create(live: Live) -> httpx.Response:
        start.wait(30)
        return post(live, "/v1/searches", body, "same")

    with ExitStack() as stack:
        servers = [stack.enter_context(serving(settings, store)) for _ in range(2)]
        for server in servers:
            server.client.get("/openapi.json")  # FastAPI's routes are not made by two threads
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(create, servers * 6))
        counts = Counter(answer.status_code for answer in answers)
        assert set(counts) <= {202, 409}
        for answer in answers:
            if answer.status_code == 409:
                assert int(answer.headers["Retry-After"]) > 0
        replay = post(servers[0], "/v1/searches", body, "same")
    assert {answer.content for answer in answers if answer.status_code == 202} == {replay.content}
    assert len(store.list_searches(50).rows) == 1


@pytest.mark.parametrize("point", ["before-commit", "before-reply"])
def test_a_server_killed_while_it_creates_creates_once(tmp_path: Path, point: str) -> None:
    store = open_store(Settings(home=tmp_path))
    body = search_body(store)
    port = free_port()
    found: list[Any] = []

    def create() -> None:
        with Client(f"http://127.0.0.1:{port}", patience_s=60) as client:
            while not found:
                try:
                    client.version()
                    found.append(client.create_search(body))
                except Exception as error:  # shown by the assertion below
                    if "cannot be reached" not in str(error):
                        found.append(error)

    creator = threading.Thread(target=create)
    mortal = subprocess.Popen([sys.executable, str(MORTAL), str(tmp_path), str(port), point])
    creator.start()
    assert mortal.wait(60) == -9
    assert len(store.list_searches(5).rows) == (0 if point == "before-commit" else 1)
    with serve_process(tmp_path, port):
        creator.join(60)
    assert [row.id for row in store.list_searches(5).rows] == [found[0].id]
    store.close()


def test_a_key_does_not_change_what_others_see(sqlite_live: Live) -> None:
    """With and without a key the answers have the same form and media type."""
    store = sqlite_live.store
    body = search_body(store)
    plain = sqlite_live.client.post("/v1/searches", json=body)
    named = post(sqlite_live, "/v1/searches", body, "a")
    assert plain.headers["Content-Type"] == named.headers["Content-Type"]
    one, other = plain.json(), named.json()
    for changing in ("id", "job", "created_at"):
        one.pop(changing)
        other.pop(changing)
    assert one == other
    assert list(one) == list(other)
    assert add_search(store, store.get_supernet(body["supernet"])).id

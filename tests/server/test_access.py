"""Who may do what: keys, their scopes, their end, and the log of what was done with them."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from examples import add_supernet
from key_examples import bearer, client_with, make_key
from live import Live, serving
from sqlalchemy import update

from server import api_keys
from server.authentication import KNOWN_FOR_S, KeyRing, may_change, needed_scope
from server.callers import LOCAL
from server.errors import KeysRequiredError, UnauthenticatedError
from server.main import open_service, open_store
from server.settings import Settings
from server.store import Store
from server.tables import ApiKeyRow

OPEN = ("/livez", "/readyz")


def operations(client: httpx.Client, headers: dict[str, str]) -> Iterator[tuple[str, str]]:
    paths = client.get("/openapi.json", headers=headers).raise_for_status().json()["paths"]
    for path, methods in paths.items():
        yield from ((method.upper(), path) for method in methods)


def test_without_keys_a_service_on_loopback_asks_for_none(sqlite_live: Live) -> None:
    assert sqlite_live.client.get("/v1/caller").json() == {
        "key": None,
        "owner": "local",
        "project": "default",
        "scopes": ["admin", "read", "submit"],
    }


def test_once_there_is_a_key_every_request_needs_one(sqlite_live: Live) -> None:
    key, row = make_key(sqlite_live.store)
    client = sqlite_live.client
    found = list(operations(client, bearer(key)))
    assert len(found) > 50
    for method, path in found:
        response = client.request(method, path)
        if path in OPEN:
            assert response.status_code == 200, path
            continue
        assert response.status_code == 401, path
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="espalier"'
        if method != "HEAD":
            assert response.json()["status"] == 401
    assert client.get("/v1/caller", headers=bearer(key)).json() == {
        "key": row.id,
        "owner": "alice",
        "project": "default",
        "scopes": ["admin", "read", "submit"],
    }
    # Not even the last key's end opens the service again.
    sqlite_live.store.revoke_key(row.id)
    time.sleep(KNOWN_FOR_S)
    assert client.get("/v1/caller").status_code == 401
    assert "was revoked" in client.get("/v1/caller", headers=bearer(key)).json()["detail"]


def test_headers_that_hold_no_valid_key_are_refused_and_not_repeated(sqlite_live: Live) -> None:
    key, _ = make_key(sqlite_live.store)
    client = sqlite_live.client
    other = api_keys.new_key()
    twisted = key[:-1] + ("0" if key[-1] != "0" else "1")
    cases = [f"Basic {key}", key, f"Bearer {twisted}", f"Bearer {other}", "Bearer", "Bearer \xff"]
    for header in cases:
        response = client.get("/v1/jobs", headers={"Authorization": header.encode("latin-1")})
        assert response.status_code == 401, header
        assert key[20:] not in response.text
        assert twisted not in response.text
    assert client.get("/v1/jobs", headers={"Authorization": f"bearer  {key}"}).is_success


def test_an_expired_key_is_refused_and_says_so(sqlite_live: Live) -> None:
    store = sqlite_live.store
    now = store.find_key("")[1]
    key, row = make_key(store, expires_at=now + timedelta(hours=1))
    client = sqlite_live.client
    assert client.get("/v1/jobs", headers=bearer(key)).status_code == 200
    with store._write() as session:
        session.execute(update(ApiKeyRow).values(expires_at=now))
    time.sleep(KNOWN_FOR_S)
    response = client.get("/v1/jobs", headers=bearer(key))
    assert response.status_code == 401
    assert f"{row.prefix} has expired" in response.json()["detail"]


def test_scopes_allow_what_they_say_and_nothing_else(sqlite_live: Live) -> None:
    store, client = sqlite_live.store, sqlite_live.client
    upload = {"name": "a", "size_bytes": 1, "sha256": "0" * 64}
    requests: dict[str, tuple[str, str, Any]] = {
        "read": ("GET", "/v1/jobs", None),
        "submit": ("POST", "/v1/uploads", upload),
        "admin": ("GET", "/v1/audit", None),
    }
    for scope in requests:
        key, _ = make_key(store, (scope,))  # type: ignore[arg-type]  # they are scopes
        for needed, (method, path, body) in requests.items():
            response = client.request(method, path, json=body, headers=bearer(key))
            if needed == scope:
                assert response.is_success, response.text
                continue
            assert response.status_code == 403, (scope, path)
            detail = response.json()["detail"]
            assert f"scope {needed!r}; the scopes of this one are {scope}" in detail
            assert f'scope="{needed}"' in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/searches", "read"),
        ("HEAD", "/v1/uploads/x", "read"),
        ("DELETE", "/v1/uploads/x", "submit"),
        ("PATCH", "/v1/uploads/x", "submit"),
        ("GET", "/v1/keys", "admin"),
        ("POST", "/v1/keys/x/revoke", "admin"),
        ("GET", "/v1/keysmith", "read"),
        ("PATCH", "/v1/projects/x", "admin"),
    ],
)
def test_the_scope_follows_from_method_and_path(method: str, path: str, scope: str) -> None:
    assert needed_scope(method, path) == scope


def test_a_stream_of_events_ends_soon_after_its_key_was_revoked(sqlite_live: Live) -> None:
    store = sqlite_live.store
    key, row = make_key(store)
    _, job = add_supernet(store)
    address = f"/v1/jobs/{job.id}/events/stream"
    with client_with(sqlite_live.client, key) as client:
        with client.stream("GET", address) as response:
            lines = response.iter_lines()
            assert next(lines) == "event: queued"
            revoke = threading.Timer(0.2, store.revoke_key, [row.id])
            revoke.start()
            started = time.monotonic()
            assert not any(line.startswith("event:") for line in lines)
            assert time.monotonic() - started < 10
            revoke.join()
        assert client.get(address).status_code == 401


def test_keys_are_made_shown_once_and_revoked_by_the_api(live: Live) -> None:
    admin, _ = make_key(live.store)
    with client_with(live.client, admin) as client:
        assert client.post("/v1/projects", json={"id": "vision"}).status_code == 201
        body = {"name": "nightly", "owner": "bob", "project": "vision", "scopes": ["read"]}
        response = client.post("/v1/keys", json={**body, "expires_at": "2999-01-01T00:00:00+01:00"})
        assert response.status_code == 201, response.text
        made = response.json()
        key = made.pop("key")
        assert response.headers["Location"] == f"/v1/keys/{made['id']}"
        assert client.get(f"/v1/keys/{made['id']}").json() == made
        assert made["expires_at"] == "2998-12-31T23:00:00.000Z"
        listed = client.get("/v1/keys?project=vision").json()["items"]
        assert listed == [made]
        assert key not in client.get("/v1/keys").text
        caller = live.client.get("/v1/caller", headers=bearer(key)).json()
        assert (caller["owner"], caller["project"]) == ("bob", "vision")
        assert client.get(f"/v1/keys/{made['id']}").json()["last_used_at"] is not None
        for _ in range(2):
            revoked = client.post(f"/v1/keys/{made['id']}/revoke").json()
        assert revoked["revoked_at"] is not None
        time.sleep(KNOWN_FOR_S)
        assert live.client.get("/v1/caller", headers=bearer(key)).status_code == 401


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("scopes", [], 422),
        ("scopes", ["write"], 422),
        ("scopes", ["read", "read"], 422),
        ("project", "nowhere", 404),
        ("project", "No Where", 422),
        ("expires_at", "2001-01-01T00:00:00Z", 422),
        ("expires_at", "0001-01-01T00:00:00+14:00", 422),
        ("expires_at", "9999-12-31T23:59:59-14:00", 422),
        ("expires_at", "2030-01-01T00:00:00", 422),
        ("expires_at", "2030-02-30T00:00:00Z", 422),
        ("owner", "", 422),
        ("owner", "a\u0000b", 422),
    ],
)
def test_keys_that_cannot_be_are_refused(
    sqlite_live: Live, field: str, value: Any, status: int
) -> None:
    body = {"name": "x", "owner": "bob", field: value}
    response = sqlite_live.client.post("/v1/keys", json=body)
    assert response.status_code == status, response.text
    assert sqlite_live.client.get("/v1/keys").json()["items"] == []


def test_a_key_s_use_is_written_once_a_minute_at_most(store: Store) -> None:
    _, row = make_key(store)
    store.note_use(row.id)
    first = store.get_key(row.id).last_used_at
    assert first is not None
    store.note_use(row.id)
    assert store.get_key(row.id).last_used_at == first
    with store._write() as session:
        earlier = first - timedelta(minutes=2)
        session.execute(update(ApiKeyRow).values(last_used_at=earlier))
    store.note_use(row.id)
    last = store.get_key(row.id).last_used_at
    assert last is not None
    assert last >= first


def test_a_ring_asks_the_database_again_after_a_while_only(store: Store) -> None:
    now = 0.0
    ring = KeyRing(store, always_required=False, clock=lambda: now)
    assert ring.remembered(None) is None
    assert ring.caller_of(None) == ring.remembered(None) == LOCAL
    key, row = make_key(store)
    header = f"Bearer {key}"
    assert ring.caller_of(None) == LOCAL  # for this second it is not looked
    now = KNOWN_FOR_S
    with pytest.raises(UnauthenticatedError, match="needs an API key"):
        ring.caller_of(None)
    assert ring.remembered(header) is None
    assert ring.caller_of(header).key_id == row.id
    store.revoke_key(row.id)
    caller = ring.remembered(header)
    assert caller is not None
    assert caller.key_id == row.id
    now = 2 * KNOWN_FOR_S
    assert ring.remembered(header) is None
    with pytest.raises(UnauthenticatedError, match="revoked"):
        ring.caller_of(header)


def test_changes_are_on_record_with_who_when_what_and_what_came_of_it(live: Live) -> None:
    key, row = make_key(live.store)
    reader, reader_row = make_key(live.store, ("read",))
    with client_with(live.client, key) as client:
        upload = {"name": "a", "size_bytes": 1, "sha256": "0" * 64}
        made = client.post("/v1/uploads", json=upload, headers={"X-Request-ID": "mine"}).json()
        client.get("/v1/uploads")
        client.patch(
            f"/v1/uploads/{made['id']}",
            content=b"a",
            headers={"Upload-Offset": "0", "Content-Type": "application/octet-stream"},
        )
        client.post("/v1/jobs/job_none/cancel")
        client.post("/v1/jobs/job%00none/cancel")
        client.post("/v1/nothing%00here", json={})
        client.post("/v1/uploads", headers=bearer(reader))
        client.post("/v1/uploads", headers={"Authorization": "Bearer x"})
        client.delete(f"/v1/uploads/{made['id']}")
        page = client.get("/v1/audit?limit=4").json()
        rest = client.get(page["next"]).json()
        items = [*page["items"], *rest["items"]]
        mine = client.get(f"/v1/audit?key={reader_row.id}&project=default").json()["items"]
    assert [(i["method"], i["route"], i["resource"], i["status"]) for i in reversed(items)] == [
        ("POST", "/v1/uploads", made["id"], 201),
        ("POST", "/v1/jobs/{job_id}/cancel", "job_none", 404),
        ("POST", "/v1/jobs/{job_id}/cancel", None, 422),
        ("POST", "(none)", None, 404),
        ("POST", "/v1/uploads", None, 403),
        ("DELETE", "/v1/uploads/{upload_id}", made["id"], 204),
    ]
    assert {(item["key"], item["owner"], item["project"]) for item in items} == {
        (row.id, "alice", "default"),
        (reader_row.id, "alice", "default"),
    }
    assert items[-1]["request_id"] == "mine"
    assert [item["status"] for item in mine] == [403]
    assert items[-1]["created_at"] <= items[0]["created_at"]


@pytest.mark.parametrize(
    ("method", "path", "is_recorded"),
    [
        ("POST", "/v1/searches", True),
        ("POST", "/v1/searches/sea_1/pause", True),
        ("POST", "/v1/proposals", True),
        ("POST", "/v1/searches/sea_1/proposals", False),
        ("POST", "/v1/searches/sea_1/proposals/renew", False),
        ("POST", "/v1/searches/sea_1/observations", False),
        ("POST", "/v1/uploads/upl_1/complete", True),
        ("PATCH", "/v1/uploads/upl_1", False),
        ("PATCH", "/v1/projects/x", True),
        ("GET", "/v1/searches", False),
    ],
)
def test_what_is_on_record(method: str, path: str, is_recorded: bool) -> None:
    assert may_change({"method": method, "path": path}) == is_recorded


# --- beyond loopback ---------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{"host": "0.0.0.0"}, {"require_keys": True}])
def test_no_service_starts_beyond_loopback_without_a_valid_key(
    tmp_path: Path, asked: dict[str, Any]
) -> None:
    settings = Settings(home=tmp_path, **asked)

    def start() -> None:
        with open_service(settings, stopping=threading.Event()):
            pass

    with pytest.raises(KeysRequiredError, match="espalier key create"):
        start()
    store = open_store(settings)
    _, row = make_key(store)
    start()
    store.revoke_key(row.id)
    with pytest.raises(KeysRequiredError, match="API key"):
        start()
    store.close()


def test_a_service_is_called_by_the_names_that_were_configured(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, host="0.0.0.0", allowed_hosts=("nas.example", "[fd00::1]"))
    store = open_store(settings)
    key, _ = make_key(store)
    statuses = {}
    with serving(settings, store) as live:
        for host in ("nas.example", "NAS.example:8000", "[fd00::1]:80", "0.0.0.0", "localhost"):
            answer = live.client.get("/v1/caller", headers={"Host": host, **bearer(key)})
            statuses[host] = answer.status_code
        refused = live.client.get("/v1/caller", headers={"Host": "other.example", **bearer(key)})
        probed = live.client.get("/livez", headers={"Host": "10.0.0.7:8000"})
    store.close()
    assert set(statuses.values()) == {200}, statuses
    assert refused.status_code == 421
    assert "allowed_hosts" in refused.json()["detail"]
    assert probed.status_code == 200

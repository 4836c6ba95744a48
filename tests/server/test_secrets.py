"""Secrets are in no log, no event, no error and no row."""

import time
from pathlib import Path

import httpx
import pytest
from key_examples import bearer, make_key
from live import serve_process

from server import api_keys
from server.database import open_engine
from server.errors import DatabaseUnavailableError, SchemaError
from server.local_service import free_port
from server.main import open_database, open_store
from server.settings import Settings

PASSWORD = "hunter2"


def wait_until_live(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        for _ in range(300):
            try:
                if client.get("/livez").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
    raise AssertionError("the service does not come up")


def test_keys_are_in_no_log_and_no_row_whatever_fails(tmp_path: Path) -> None:
    store = open_store(Settings(home=tmp_path))
    key, row = make_key(store, ("read", "submit"))
    wrong = api_keys.new_key()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serve_process(tmp_path, port):
        wait_until_live(url)
        with httpx.Client(base_url=url) as client:
            answers = [
                client.get("/v1/jobs", headers=bearer(key)),
                client.get("/v1/jobs", headers=bearer(wrong)),
                client.get("/v1/jobs", headers={"Authorization": f"Token {key}"}),
                client.get("/v1/jobs", headers={"X-Request-ID": f"my-{key}", **bearer(wrong)}),
                client.get("/v1/audit", headers=bearer(key)),
                client.get(f"/v1/{key}", headers=bearer(key)),
                client.get(f"/v1/jobs?cursor={wrong}", headers=bearer(key)),
                client.post("/v1/uploads", json={"x": 1}, headers=bearer(key)),
                client.post("/v1/jobs/none/cancel", headers=bearer(key)),
                client.delete("/v1/jobs", headers=bearer(key)),
                client.post("/v1/uploads", content=b"{", headers=bearer(key)),
                client.get("/v1/jobs", headers={"Host": "x.example", **bearer(key)}),
            ]
    assert [answer.status_code for answer in answers] == [
        *(200, 401, 401, 401, 403, 404, 422, 422, 404, 405, 415, 421)
    ]
    log = (tmp_path / "log").read_text()
    assert log.count('"event": "request"') >= len(answers)
    assert f'"key_id": "{row.id}"' in log
    changes = "".join(str(vars(row)) for row in store.list_changes(100).rows)
    assert "/v1/jobs/{job_id}/cancel" in changes
    store.close()
    database = b"".join(path.read_bytes() for path in tmp_path.glob("espalier.db*"))
    for text in (key, wrong):
        secret = text.rpartition("_")[2]
        assert secret not in log
        assert secret not in changes
        assert secret.encode() not in database
    # What a client sent as an address or a cursor comes back to it alone.
    told = "".join(answer.text for answer in answers if answer.status_code in (401, 403))
    assert key.rpartition("_")[2] not in told


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://espalier:{PASSWORD}@127.0.0.1:1/espalier",
        f"postgresql://espalier:x@{PASSWORD}:{PASSWORD}/espalier",
        f"espalier:{PASSWORD}@127.0.0.1",
        f"mysql://espalier:{PASSWORD}@127.0.0.1/espalier",
    ],
)
def test_messages_about_a_database_do_not_tell_its_password(tmp_path: Path, url: str) -> None:
    settings = Settings(home=tmp_path, database_url=url)
    with pytest.raises((SchemaError, DatabaseUnavailableError)) as error_info:
        open_database(settings)
    assert PASSWORD not in str(error_info.value)
    assert PASSWORD not in repr(settings)


def test_errors_of_statements_do_not_tell_what_was_stored(tmp_path: Path) -> None:
    engine = open_engine(Settings(home=tmp_path))
    with engine.connect() as connection, pytest.raises(Exception, match="no such table") as info:
        connection.exec_driver_sql("INSERT INTO nowhere VALUES (?)", (PASSWORD,))
    assert PASSWORD not in str(info.value)
    engine.dispose()


def test_keys_in_texts_are_hidden_and_can_still_be_told_apart() -> None:
    keys = [api_keys.new_key() for _ in range(2)]
    hidden = api_keys.hide_keys(f"/v1/{keys[0]}/x {keys[1]}.")
    prefixes = [api_keys.prefix_of(key) for key in keys]
    assert hidden == f"/v1/{prefixes[0]}_***/x {prefixes[1]}_***."

"""A database that goes away and comes back."""

import os
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from examples import add_supernet, artifact
from live import serving
from postgres_server import PostgresServer
from runners import running, wait_for
from sqlalchemy import text

from server.database import open_engine
from server.errors import DatabaseUnavailableError
from server.execution.context import JobContext, StopFlag, StopReason
from server.job_states import JobStatus
from server.main import open_store
from server.runner import HEARTBEAT_S
from server.settings import Settings


@pytest.mark.postgres
def test_a_restarted_database_is_an_outage_and_no_more(
    postgres: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    url = postgres.new_database(postgres_template)
    settings = Settings(home=tmp_path, database_url=url)
    store = open_store(settings)
    _, job = add_supernet(store)
    with serving(settings, store) as live:
        address = f"/v1/jobs/{job.id}"
        assert live.client.get(address).status_code == 200
        with live.client.stream("GET", f"{address}/events/stream") as response:
            lines = response.iter_lines()
            assert next(lines) == "event: queued"
            postgres.stop()
            try:
                assert not any(line.startswith("event") for line in lines)  # it ends
                for request in (
                    live.client.build_request("GET", address),
                    live.client.build_request("GET", "/readyz"),
                    live.client.build_request("POST", f"{address}/cancel"),
                ):
                    refused = live.client.send(request)
                    assert refused.status_code == 503, refused.text
                    assert int(refused.headers["Retry-After"]) > 0
                    assert refused.headers["Content-Type"] == "application/problem+json"
                assert live.client.get("/livez").status_code == 200
            finally:
                postgres.start()
        assert live.client.get("/readyz").status_code == 200
        assert live.client.get(address).json()["status"] == "queued"
    store.close()


@pytest.mark.postgres
def test_a_job_waits_for_its_database_and_goes_on_in_the_same_attempt(
    postgres: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    url = postgres.new_database(postgres_template)
    # With room for another job it goes on claiming, and the lease does not outlast the outage.
    settings = Settings(home=tmp_path, database_url=url, max_running_jobs=2, lease_seconds=1.0)
    store = open_store(settings)
    supernet, job = add_supernet(store)
    is_away, is_at_work = threading.Event(), threading.Event()

    def executor(context: JobContext) -> None:
        context.progress(1, 3, "epochs")
        is_at_work.set()
        assert is_away.wait(20)
        context.progress(2, 3, "epochs")
        context.store.finish_supernet(context.job, supernet.id, artifact("f"), {})

    with running(store, settings, executor):
        assert is_at_work.wait(20)
        postgres.stop()
        try:
            is_away.set()
            with pytest.raises(DatabaseUnavailableError):
                store.get_job(job.id)  # others are told at once
            # Longer than the runner takes to renew a lease, which fails, too.
            time.sleep(1.5 * HEARTBEAT_S)
        finally:
            postgres.start()
        wait_for(store, job.id, JobStatus.SUCCEEDED)
    ended = store.get_job(job.id)
    assert (ended.attempt, ended.lost_leases) == (1, 0)
    done = [e.data["done"] for e in store.job_events(job.id, 0, 100) if e.type == "progress"]
    assert done == [1, 2]
    store.close()


@pytest.mark.postgres
def test_a_job_that_waits_for_its_database_still_heeds_the_end_of_its_runner(
    postgres: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    url = postgres.new_database(postgres_template)
    store = open_store(Settings(home=tmp_path, database_url=url))
    postgres.stop()
    try:
        stop = StopFlag()
        threading.Timer(0.5, stop.set, [StopReason.SHUTDOWN]).start()
        with pytest.raises(DatabaseUnavailableError):
            store.patient(stop.is_set).ping()
        assert stop.reason is StopReason.SHUTDOWN
    finally:
        postgres.start()
    store.close()


@pytest.mark.postgres
def test_a_database_that_refuses_connections_refuses_requests_until_it_takes_them_again(
    postgres: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    url = postgres.new_database(postgres_template)
    name = url.rpartition("/")[2]
    store = open_store(Settings(home=tmp_path, database_url=url))
    _, job = add_supernet(store)
    with serving(Settings(home=tmp_path, database_url=url), store) as live:
        allow(postgres, name, is_allowed=False)
        refused = live.client.get(f"/v1/jobs/{job.id}")
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        allow(postgres, name, is_allowed=True)
        assert live.client.get(f"/v1/jobs/{job.id}").json()["status"] == "queued"
    store.close()


@pytest.mark.postgres
def test_peers_that_vanish_without_a_word_are_noticed_at_both_ends(
    postgres: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    url = postgres.new_database(postgres_template)
    engine = open_engine(Settings(home=tmp_path, database_url=url))
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        with socket.socket(fileno=os.dup(driver.fileno())) as ours:
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        for name, value in (("tcp_keepalives_idle", "10"), ("tcp_user_timeout", "30000")):
            assert connection.scalar(text(f"SHOW {name}")) == value
    engine.dispose()


def allow(postgres: PostgresServer, database: str, *, is_allowed: bool) -> None:
    """Lets a database take connections or not; ends those that it has."""
    address = f"host=127.0.0.1 port={postgres.port} user=espalier dbname=postgres"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS {is_allowed}")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database]
        )


def test_a_locked_sqlite_file_is_unavailable_and_harmed_by_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, sqlite_busy_timeout_s=0.1)
    store = open_store(settings)
    _, job = add_supernet(store)
    engine = open_engine(settings)
    with serving(settings, store) as live:
        with engine.execution_options(writes=True).begin():
            refused = live.client.post(f"/v1/jobs/{job.id}/cancel")
            assert refused.status_code == 503
            assert "locked" in refused.json()["detail"]
            with pytest.raises(DatabaseUnavailableError):
                store.request_cancel(job.id)
            assert live.client.get(f"/v1/jobs/{job.id}").json()["status"] == "queued"
        assert live.client.post(f"/v1/jobs/{job.id}/cancel").status_code == 202
    engine.dispose()
    store.close()


WITHOUT_DATABASE = {"live"}
BY_CACHE = {
    "version",
    "metrics",
    "list_space_families",
    "get_caller",
}  # answered as long as it is known whether there are keys
SENT = {
    "append_to_upload": {
        "content": b"x",
        "headers": {"Upload-Offset": "0", "Content-Type": "application/octet-stream"},
    }
}


def asked(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> Any:
    """A request that is right but for what it names: the document's example of its body."""
    address = re.sub(r"\{(\w+)\}", "0123456789abcdef", path.replace("{image_format}", "png"))
    if operation["operationId"] == "retry_delivery":
        address = "/v1/webhooks/x/deliveries/1/retry"
    query = {
        one["name"]: "sea_1" for one in operation.get("parameters", ()) if one["name"] == "search"
    }
    given: dict[str, Any] = SENT.get(operation["operationId"], {})
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is not None:
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        schema = document["components"]["schemas"].get(name, {})
        named = [one["value"] for one in content.get("examples", {}).values()]
        examples = schema.get("examples", named or [{"kind": "mobilenetv3", "preset": "digits"}])
        body = examples[0]
        given = {"json": body, "headers": {"If-Match": "*"}}
    return {"method": method.upper(), "url": address, "params": query or None, **given}


@pytest.mark.postgres
def test_every_operation_says_that_the_database_is_away(
    postgres: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    url = postgres.new_database(postgres_template)
    settings = Settings(home=tmp_path, database_url=url)
    store = open_store(settings)
    wrong = {}
    with serving(settings, store) as live:
        document = live.client.get("/openapi.json").json()
        postgres.stop()
        try:
            for path, methods in document["paths"].items():
                for method, operation in methods.items():
                    name = operation["operationId"]
                    if name in BY_CACHE:
                        continue
                    response = live.client.request(**asked(document, method, path, operation))
                    expected = 200 if name in WITHOUT_DATABASE else 503
                    if response.status_code != expected:
                        wrong[name] = (response.status_code, response.text[:300])
                    elif expected == 503 and not int(response.headers.get("Retry-After", "0")):
                        wrong[name] = (503, "without Retry-After")
        finally:
            postgres.start()
    store.close()
    assert wrong == {}

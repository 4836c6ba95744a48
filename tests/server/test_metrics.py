"""What Prometheus reads, and what `/readyz` says."""

import threading
from pathlib import Path

import httpx
import pytest
from command_line import Run
from examples import add_supernet, artifact, claim, observe, running_search
from key_examples import client_with, make_key
from live import Live, serving
from outside_examples import add_outside_search
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete, text, update

from server.database import open_engine
from server.main import open_store
from server.settings import Settings
from server.tables import RunnerRow

Sample = tuple[str, frozenset[tuple[str, str]]]


def scrape(client: httpx.Client) -> dict[Sample, float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def value(found: dict[Sample, float], name: str, **labels: str) -> float | None:
    return found.get((f"espalier_{name}", frozenset(labels.items())))


@pytest.fixture
def fresh(settings: Settings) -> Settings:
    """Settings whose figures of the database are never old."""
    return settings.model_copy(update={"metrics_cache_seconds": 0.0})


def test_the_database_is_told_in_figures(fresh: Settings) -> None:
    store = open_store(fresh)
    with serving(fresh, store) as live:
        empty = scrape(live.client)
        assert value(empty, "oldest_waiting_job_seconds") == 0
        assert value(empty, "artifacts_bytes") == 0
        search, job = running_search(store)
        observe(store, search, job, [(90.0, 1.0), (80.0, 2.0)])
        add_supernet(store)
        with store._write() as session:
            session.execute(text("UPDATE jobs SET lost_leases = 3 WHERE kind = 'search'"))
            session.execute(
                text("UPDATE jobs SET created_at = '2020-01-01' WHERE status = 'queued'")
            )
        found = scrape(live.client)
    assert value(found, "database_up") == 1
    assert value(found, "jobs", kind="train", status="succeeded") == 1
    assert value(found, "jobs", kind="train", status="queued") == 1
    assert value(found, "jobs", kind="search", status="running") == 1
    assert value(found, "evaluations", status="measured") == 2
    assert value(found, "lost_leases") == 3
    assert value(found, "artifacts") == 2
    assert value(found, "artifacts_bytes") == 2 * artifact("d").size_bytes
    year_s = 365 * 86_400
    assert (value(found, "oldest_waiting_job_seconds") or 0) > year_s
    assert (value(found, "database_bytes") or 0) > 10_000
    assert (value(found, "disk_free_bytes") or 0) > 0
    store.close()


def test_requests_are_counted_by_the_template_of_their_route(sqlite_live: Live) -> None:
    client = sqlite_live.client
    for job_id in ("job_1", "job_2"):
        assert client.get(f"/v1/jobs/{job_id}").status_code == 404
    assert client.head("/v1/jobs").status_code == 200
    client.get("/no/such/thing")
    client.request("BREW", "/v1/jobs")
    client.post("/v1/data-sets", content=b"{", headers={"Content-Type": "application/json"})
    found = scrape(client)
    labels = {"method": "GET", "route": "/v1/jobs/{job_id}"}
    assert value(found, "http_requests_total", **labels, status="404") == 2
    assert value(found, "http_request_duration_seconds_count", **labels) == 2
    assert value(found, "http_requests_total", method="GET", route="none", status="404") == 1
    assert value(found, "http_requests_total", method="HEAD", route="/v1/jobs", status="200") == 1
    others = {labels for name, labels in found if name == "espalier_http_requests_total"}
    assert not any("job_1" in text or "BREW" in text for labels in others for _, text in labels)
    assert value(found, "http_requests_total", method="POST", route="none", status="400") == 1


def test_where_keys_are_asked_for_one_of_scope_read_sees_all_projects(fresh: Settings) -> None:
    store = open_store(fresh)
    add_supernet(store)  # of the default project
    key, _ = make_key(store, ["read"], "elsewhere")
    with serving(fresh, store) as live:
        assert live.client.get("/metrics").status_code == 401
        with client_with(live.client, key) as client:
            assert value(scrape(client), "jobs", kind="train", status="queued") == 1
        assert live.client.get("/readyz").json()["waiting_jobs"] == 1
    store.close()


def test_two_applications_count_apart(tmp_path: Path) -> None:
    settings = [Settings(home=tmp_path / name) for name in ("a", "b")]
    stores = [open_store(each) for each in settings]
    with serving(settings[0], stores[0]) as first, serving(settings[1], stores[1]) as second:
        first.client.get("/livez")
        labels = {"method": "GET", "route": "/livez", "status": "200"}
        assert value(scrape(first.client), "http_requests_total", **labels) == 1
        assert value(scrape(second.client), "http_requests_total", **labels) is None
    for store in stores:
        store.close()


def test_open_streams_are_counted_while_they_are_open(sqlite_live: Live) -> None:
    _, job = add_supernet(sqlite_live.store)
    address = f"/v1/jobs/{job.id}/events/stream"
    with sqlite_live.client.stream("GET", address) as response:
        lines = response.iter_lines()
        assert next(lines) == "event: queued"
        assert value(scrape(sqlite_live.client), "open_streams") == 1
        claimed = claim(sqlite_live.store)
        sqlite_live.store.fail_job(claimed, {"type": "x", "message": "y"})
        assert "event: failed" in list(lines)
    ended = threading.Event()
    for _ in range(100):
        if value(scrape(sqlite_live.client), "open_streams") == 0:
            break
        ended.wait(0.05)
    found = scrape(sqlite_live.client)
    assert value(found, "open_streams") == 0
    route = "/v1/jobs/{job_id}/events/stream"
    assert value(found, "http_requests_total", method="GET", route=route, status="200") == 1
    labels = {"method": "GET", "route": route}
    assert value(found, "http_request_duration_seconds_count", **labels) == 1


def test_open_metrics_are_given_to_whom_they_please(sqlite_live: Live) -> None:
    accept = "application/openmetrics-text; version=1.0.0"
    response = sqlite_live.client.get("/metrics", headers={"Accept": accept})
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")
    for odd in ("application/openmetrics-text; version=1.0.x", "*/*", "text/plain; version=;="):
        response = sqlite_live.client.get("/metrics", headers={"Accept": odd})
        assert response.headers["Content-Type"].startswith("text/plain"), odd


def test_figures_are_read_once_for_all_who_ask(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, metrics_cache_seconds=3600)
    store = open_store(settings)
    with serving(settings, store) as live:
        assert value(scrape(live.client), "artifacts") == 0
        add_supernet(store)
        assert value(scrape(live.client), "artifacts") == 0
    with serving(settings, store) as live:
        engine = open_engine(settings)
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE jobs RENAME TO elsewhere")
        assert value(scrape(live.client), "database_up") == 0
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO jobs")
        engine.dispose()
        assert value(scrape(live.client), "database_up") == 0  # nobody waits for it once more
    store.close()


def test_a_database_that_does_not_answer_takes_its_figures_along(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, metrics_cache_seconds=0, sqlite_busy_timeout_s=0.1)
    store = open_store(settings)
    with serving(settings, store) as live:
        assert value(scrape(live.client), "jobs") is None
        engine = open_engine(settings)
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE jobs RENAME TO elsewhere")
        found = scrape(live.client)
        assert value(found, "database_up") == 0
        assert value(found, "artifacts") is None
        assert value(found, "disk_free_bytes") is not None
        engine.dispose()
    store.close()


def add_runner(live: Live, seen_at: str) -> None:
    with live.store._write() as session:
        session.execute(
            text(
                "INSERT INTO runners (id, host, num_cpus, num_gpus, custom, version, started_at, "
                f"seen_at) VALUES ('r', 'h', 2, 0, '{{}}', '1', '2026-01-01', {seen_at})"
            )
        )


def test_jobs_that_wait_for_no_runner_degrade_the_service(live: Live, run: Run) -> None:
    url = str(live.client.base_url)
    assert run("status", "--url", url).code == 0
    add_outside_search(live.store)  # its job never needs a runner
    ready = live.client.get("/readyz").json()
    assert (ready["status"], ready["runners_alive"], ready["waiting_jobs"]) == ("ok", 0, 0)
    assert live.store.figures(60.0).oldest_waiting_s == 0
    add_supernet(live.store)
    ready = live.client.get("/readyz")
    assert ready.status_code == 200
    assert (ready.json()["status"], ready.json()["waiting_jobs"]) == ("degraded", 1)
    said = run("status", "--url", url)
    assert said.code == 1
    assert "degraded" in said.out
    assert '"waiting_jobs": 1' in run("status", "--url", url, "--json").out
    add_runner(live, "'2026-01-01 00:00:00.000000'")  # dead for long
    assert live.client.get("/readyz").json()["runners_alive"] == 0
    with live.store._write() as session:
        session.execute(update(RunnerRow).values(seen_at=live.store.now()))
    ready = live.client.get("/readyz").json()
    assert (ready["status"], ready["runners_alive"]) == ("ok", 1)
    with live.store._write() as session:
        session.execute(delete(RunnerRow))


def test_a_schema_that_was_changed_meanwhile_is_not_worked_on(live: Live) -> None:
    with live.store._write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    refused = live.client.get("/readyz")
    assert refused.status_code == 503
    assert "has become 9999" in refused.json()["detail"]
    assert live.client.get("/livez").status_code == 200

"""A database that goes away and comes back."""

from pathlib import Path

import pytest
from examples import add_supernet
from live import serving
from postgres_server import PostgresServer

from server.database import open_engine
from server.errors import DatabaseUnavailableError
from server.main import open_store
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

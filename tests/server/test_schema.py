"""Migrations lead to the tables as they are declared; nothing starts on others."""

import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from server import schema
from server.database import open_engine
from server.errors import DatabaseUnavailableError, SchemaError
from server.main import open_database
from server.schemas.job_options import JobOptions
from server.settings import Settings
from server.store import Artifact, Store
from server.tables import Table


def test_migrations_lead_to_the_declared_tables(engine: Engine) -> None:
    with engine.connect() as connection, warnings.catch_warnings():
        # Alembic cannot compare what a database does not report, and says so.
        warnings.simplefilter("ignore", UserWarning)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []


def test_an_upgrade_is_repeatable(engine: Engine) -> None:
    assert schema.upgrade(engine) == schema.check(engine)
    assert schema.check(engine).state == "current"


def test_upgrades_at_once_take_turns(empty_settings: Settings) -> None:
    engines = [open_engine(empty_settings) for _ in range(3)]
    together = threading.Barrier(len(engines))

    def upgrade(engine: Engine) -> str:
        together.wait()
        return schema.upgrade(engine).state

    with ThreadPoolExecutor(len(engines)) as pool:
        assert list(pool.map(upgrade, engines)) == ["current"] * len(engines)
    for engine in engines:
        engine.dispose()


def test_an_upgrade_that_others_hold_up_says_so(tmp_path: Path) -> None:
    engine = open_engine(Settings(home=tmp_path, sqlite_busy_timeout_s=0.1))
    with engine.connect() as other:
        other.exec_driver_sql("CREATE TABLE somebodys (x)")
    with (
        engine.execution_options(writes=True).begin(),
        pytest.raises(DatabaseUnavailableError, match="cannot be upgraded: database is locked"),
    ):
        schema.upgrade(engine)
    engine.dispose()


def test_data_sets_of_the_first_schema_are_kept_and_have_no_report(
    empty_settings: Settings,
) -> None:
    engine = open_engine(empty_settings)
    config = schema._config()
    with engine.execution_options(writes=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        values = {"digest": "0" * 64, "moment": "2026-01-01 00:00:00.000000"}
        connection.execute(
            text("INSERT INTO artifacts VALUES (:digest, 1, 'x/y', :moment)"),
            values,
        )
        connection.execute(
            text(
                "INSERT INTO data_sets VALUES ('dat_1', 'digits', '{}', :digest, "
                "'{\"train\": 1}', '[1, 8, 8]', 10, :moment)"
            ),
            values,
        )
    assert schema.check(engine).state == "stale"
    assert schema.upgrade(engine).state == "current"
    row = Store(engine).get_data_set("dat_1")
    assert (row.counts, row.report) == ({"train": 1}, None)
    engine.dispose()


def test_an_empty_database_is_missing_its_schema(empty_settings: Settings) -> None:
    engine = open_engine(empty_settings)
    status = schema.check(engine)
    assert (status.state, status.found) == ("missing", None)
    with pytest.raises(SchemaError, match="espalier db upgrade"):
        schema.require_current(engine)
    engine.dispose()


def test_to_check_makes_no_file(tmp_path: Path) -> None:
    engine = open_engine(Settings(home=tmp_path / "home"))
    assert schema.check(engine).state == "missing"
    assert list(tmp_path.iterdir()) == []
    assert schema.upgrade(engine).state == "current"
    engine.dispose()


def test_a_newer_database_is_left_alone(engine: Engine) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert schema.check(engine).state == "unknown"
    for action in (schema.require_current, schema.upgrade):
        with pytest.raises(SchemaError, match="9999, which this version does not know"):
            action(engine)


def test_a_new_sqlite_file_is_set_up_and_a_new_postgresql_database_is_not(
    empty_settings: Settings,
) -> None:
    if empty_settings.is_sqlite:
        engine = open_database(empty_settings)
        assert schema.check(engine).state == "current"
        engine.dispose()
    else:
        with pytest.raises(SchemaError, match="espalier db upgrade"):
            open_database(empty_settings)


def test_sqlite_has_the_settings_that_keep_it_whole(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, sqlite_synchronous="full", sqlite_busy_timeout_s=2.5)
    engine = open_database(settings)
    with engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    assert values == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 2500,
    }


def test_what_removes_things_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="no tables yet"):
        open_database(Settings(home=tmp_path / "home"), create=False)
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_database_is_unavailable(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    with pytest.raises(DatabaseUnavailableError, match="cannot be reached"):
        open_database(Settings(home=tmp_path, database_url=url))


@pytest.mark.parametrize("url", ["mysql://somewhere/x", "not an address", "sqlite://"])
def test_other_databases_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SchemaError, match="database_url must"):
        open_engine(Settings(home=tmp_path, database_url=url))


def test_the_api_process_imports_neither_torch_nor_ray() -> None:
    script = (
        "import sys, server.main\n"
        "heavy = {'torch', 'ray', 'onnxruntime', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


OLD_ROWS = """
INSERT INTO artifacts VALUES ('aa', 1, 'x', '2026-01-01 00:00:00');
INSERT INTO jobs (id, kind, spec, status, attempt, priority, lost_leases, created_at)
    VALUES ('job_1', 'train', '{}', 'succeeded', 1, 0, 0, '2026-01-01 00:00:00'),
           ('job_2', 'search', '{}', 'succeeded', 1, 0, 0, '2026-01-01 00:00:00'),
           ('job_3', 'export', '{}', 'succeeded', 1, 0, 0, '2026-01-01 00:00:00');
INSERT INTO job_events (job_id, attempt, type, data, created_at)
    VALUES ('job_1', 1, 'queued', '{}', '2026-01-01 00:00:00');
INSERT INTO spaces VALUES ('s', 'custom', '{}', '1', 1, '2026-01-01 00:00:00');
INSERT INTO data_sets VALUES ('d', 'd', '{}', 'aa', '{}', '[]', 2, '2026-01-01 00:00:00');
INSERT INTO supernets (id, name, space_id, data_set_id, training, resources, seed, job_id,
    created_at) VALUES ('n', 'n', 's', 'd', '{}', '{}', 0, 'job_1', '2026-01-01 00:00:00');
INSERT INTO searches (id, name, supernet_id, space_id, searcher, objectives, limits, evaluations,
    evaluator, evaluator_digest, resources, seed, job_id, created_at)
    VALUES ('q', 'q', 'n', 's', '{}', '[]', '[]', 1, '{}', 'e', '{}', 0, 'job_2',
    '2026-01-01 00:00:00');
INSERT INTO exports (id, search_id, architecture_digest, architecture, report_test, job_id, files,
    created_at) VALUES ('x', 'q', 'a', '{}', true, 'job_3', '[]', '2026-01-01 00:00:00');
INSERT INTO test_readings VALUES ('r', 'x', 'd', 'n', '{}', '2026-01-01 00:00:00');
"""


def test_an_upgrade_keeps_jobs_and_readings_and_can_be_taken_back(empty_settings: Settings) -> None:
    engine = open_engine(empty_settings)
    move(engine, command.upgrade, "0001")
    with engine.execution_options(writes=True).begin() as connection:
        for statement in OLD_ROWS.strip().rstrip(";").split(";\n"):
            connection.execute(text(statement))
    assert schema.upgrade(engine).state == "current"
    new_job = (
        "INSERT INTO jobs (id, kind, spec, status, attempt, priority, lost_leases, created_at) "
        "VALUES ('job_4', '{}', '{{}}', 'queued', 0, 0, 0, '2026-01-01 00:00:00')"
    )
    with engine.execution_options(writes=True).begin() as connection:
        counts = [
            connection.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in ("jobs", "job_events", "test_readings")
        ]
        assert counts == [3, 1, 1]
        connection.execute(text(new_job.format("refine")))
    with pytest.raises(IntegrityError), engine.execution_options(writes=True).begin() as connection:
        connection.execute(text(new_job.replace("job_4", "job_5").format("mow")))
    with pytest.raises(IntegrityError), engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("DELETE FROM jobs WHERE id = 'job_1'"))  # others refer to it
    add_table_search(engine)
    move(engine, command.downgrade, "0001")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM jobs")) == 3
        assert connection.scalar(text("SELECT export_id FROM test_readings")) == "x"
        indexes = {index["name"] for index in inspect(connection).get_indexes("jobs")}
    assert indexes == {"ix_jobs_kind_id", "ix_jobs_status_priority_id"}
    engine.dispose()


def add_table_search(engine: Engine) -> None:
    """Adds a search without a supernet, whose job waits for another."""
    store = Store(engine)
    (needed,) = [row for row in store.list_jobs(10).rows if row.kind == "export"]
    store.add_table_search(
        name="by table",
        space_id="s",
        table=Artifact("b" * 64, 1, "text/csv"),
        searcher={"kind": "random"},
        objectives=[{"metric": "x", "goal": "minimize"}],
        limits=[],
        evaluations=5,
        choices=["a"],
        metrics=["x"],
        seed=0,
        options=JobOptions(after=[needed.id]),
    )


def move(engine: Engine, direction: Callable[[Config, str], None], revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with engine.execution_options(writes=True).begin() as connection:
        config.attributes["connection"] = connection
        direction(config, revision)

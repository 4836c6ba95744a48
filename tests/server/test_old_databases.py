"""Databases as older versions left them, row for row, upgraded and worked on."""

import importlib.util
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from examples import KINDS, add_search
from sqlalchemy import Engine, text

from server import schema
from server.database import open_engine
from server.settings import Settings
from server.store import Store
from server.tables import Table

FOLDER = Path(__file__).parent / "old_databases"
REVISIONS = sorted(path.stem for path in FOLDER.glob("*.sql"))


def load_make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_old_database", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = load_make()


def rows_of(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").split(f"\n{make.ROWS}\n")[1].splitlines()
    assert all(line.startswith("INSERT INTO ") for line in lines)
    return lines


def load(settings: Settings, path: Path) -> Engine:
    """Makes the database that an older version left."""
    engine = open_engine(settings)
    if settings.is_sqlite:
        assert engine.url.database
        with closing(sqlite3.connect(engine.url.database)) as connection:
            connection.executescript(path.read_text(encoding="utf-8"))
        return engine
    config = schema._config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, path.stem)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET TIME ZONE 'UTC'")
        rows = rows_of(path)
        for table in reversed(dict.fromkeys(line.split()[2] for line in rows)):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # what migrations put there
        for line in rows:
            connection.exec_driver_sql(line)
        connection.exec_driver_sql(
            "SELECT setval(pg_get_serial_sequence('job_events', 'id'), max(id)) FROM job_events"
        )
    return engine


def num_rows(engine: Engine, tables: set[str]) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            table: connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0
            for table in sorted(tables)
        }


def test_every_schema_that_was_released_is_here() -> None:
    assert {"0001", "0002", "0003", "0004", "0011"} <= set(REVISIONS)


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_old_database_is_upgraded_with_all_that_is_in_it(
    empty_settings: Settings, revision: str
) -> None:
    path = FOLDER / f"{revision}.sql"
    engine = load(empty_settings, path)
    assert schema.check(engine).found == revision
    tables = {line.split()[2] for line in rows_of(path)}
    before = num_rows(engine, tables)
    assert min(before.values()) >= 1
    assert schema.upgrade(engine).state == "current"
    assert num_rows(engine, tables) == before
    with engine.connect() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []
        if empty_settings.is_sqlite:
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    check_work(Store(engine))
    engine.dispose()


def check_work(store: Store) -> None:
    """What an old version measured is read, and what it left undone is gone on with."""
    front = next(row for row in reversed(store.list_searches(10).rows) if row.seed == 0)
    (export,) = store.list_exports(10).rows
    assert export.files[0]["name"] == "network.onnx"
    assert len(store.search_log(front.id)) == 2
    evaluations = store.list_evaluations(10).rows
    assert {row.metrics["top1_percent"] for row in evaluations} >= {97.0, 96.0, 94.0, 93.0}
    assert all(row.created_at.tzinfo is not None for row in evaluations)
    waiting = store.claim_job("new runner", 60.0, KINDS)
    assert waiting is not None
    assert [event.type for event in store.job_events(waiting.id, 0, 10)][-1] == "running"
    add_search(store, store.list_supernets(10).rows[-1], seed=99)


def test_the_next_one_is_made_of_this_version(tmp_path: Path) -> None:
    path = make.dump(make.fill(tmp_path / "home"), tmp_path)
    (tmp_path / "copy").mkdir()
    engine = load(Settings(home=tmp_path / "copy"), path)
    assert schema.check(engine).state == "current"
    assert path.stem == schema.check(engine).needed
    engine.dispose()

"""Writes a SQLite database as SQL, named after its schema's revision, to be upgraded in tests.

    python tests/server/old_databases/make.py             # fills a new database through the store
    python tests/server/old_databases/make.py FILE.db     # any database of a service

To be run with the program that wrote the database, before the first migration after a release. The
tables are as SQLite has them. The rows, below the line `-- rows`, are one statement each, parents
first, in SQL that PostgreSQL takes as well.
"""

import json
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

FOLDER = Path(__file__).parent
ROWS = "-- rows"


def dump(database: Path, folder: Path = FOLDER) -> Path:
    """Writes a database to a file in a folder; returns the file."""
    with closing(sqlite3.connect(database)) as connection:
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        path = folder / f"{revision}.sql"
        lines = [*_schema(connection), ROWS, *_rows(connection)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _schema(connection: sqlite3.Connection) -> Iterator[str]:
    statements = connection.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' "
        "ORDER BY type = 'index', rowid"
    )
    for (statement,) in statements:
        yield f"{statement};"
    for (revision,) in connection.execute("SELECT version_num FROM alembic_version"):
        yield f"INSERT INTO alembic_version (version_num) VALUES ('{revision}');"


def _rows(connection: sqlite3.Connection) -> Iterator[str]:
    for table in _parents_first(connection):
        facts = connection.execute(f"PRAGMA table_info({table})").fetchall()
        names = ", ".join(f'"{name}"' for _, name, *_ in facts)
        is_boolean = [kind.upper() == "BOOLEAN" for _, _, kind, *_ in facts]
        for row in connection.execute(f"SELECT {names} FROM {table} ORDER BY rowid"):
            values = map(_literal, row, is_boolean)
            yield f"INSERT INTO {table} ({names}) VALUES ({', '.join(values)});"


def _literal(value: object, is_boolean: bool) -> str:
    match value:
        case None:
            return "NULL"
        case int() if is_boolean:
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            assert "\n" not in value, "a row is one line"
            return "'" + value.replace("'", "''") + "'"
    raise TypeError(f"no literal for {value!r}")


def _parents_first(connection: sqlite3.Connection) -> list[str]:
    tables = [
        name
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
            "AND name <> 'alembic_version' ORDER BY name"
        )
    ]
    parents = {
        table: {key[2] for key in connection.execute(f"PRAGMA foreign_key_list({table})")} - {table}
        for table in tables
    }
    ordered: list[str] = []
    while len(ordered) < len(tables):
        ordered += [t for t in tables if t not in ordered and parents[t] <= set(ordered)]
    return ordered


def fill(home: Path) -> Path:
    """Fills a new database of this version through the store; returns its file."""
    sys.path[:0] = [str(FOLDER.parents[2]), str(FOLDER.parent)]
    from campaign_examples import at, campaign
    from examples import assessed, claim, search_with_a_front, trained_supernet
    from key_examples import make_key
    from outside_examples import add_outside_search
    from test_refinements import add_refinement

    from server.callers import LOCAL
    from server.main import open_store
    from server.outside.orders import LeaseOrder
    from server.schemas.job_options import JobOptions
    from server.settings import Settings
    from server.store import Answer, Artifact, Change, Creation, ExportFile, RunnerFacts

    settings = Settings(home=home)
    store = open_store(settings)
    _, key = make_key(store, ["read", "submit"])
    store.record_change(LOCAL, Change("POST", "/v1/keys", key.id, 201))
    store.add_webhook("builds", "https://ci.example.org/hook", ["job.succeeded"])
    store.register_runner(RunnerFacts("host:1:a", "host", 2.0, 0.0, {"phone": 1.0}, "0.1.0"))
    creation = Creation("", "a key", "POST /v1/uploads", "0" * 64, 86_400.0)
    with store.creating(creation) as unit:
        unit.add_upload("photos.zip", 1000, "0" * 64)
        unit.record_answer(creation, Answer(201, {}, "{}"))
    search, digests = search_with_a_front(store)
    export, _ = store.add_export(search.id, digests[0], report_test=False)
    onnx = Artifact("a" * 64, 2000, "application/vnd.onnx")
    card = json.loads('{"espalier": "0.1.0"}')
    store.record_export(claim(store), export.id, [ExportFile("network.onnx", onnx)], card, None)
    assessed(store, trained_supernet(store).id)
    add_refinement(store, search, digests[1], digests[0])
    claim(store)  # it was running when the copy was made
    outside, job = add_outside_search(store)
    store.work_at_desk(outside.id, None, [LeaseOrder(2, "desk 3")])
    store.add_table_search(
        name="by table",
        space_id=outside.space_id,
        table=Artifact("b" * 64, 100, "text/csv"),
        searcher={"kind": "random"},
        objectives=[{"metric": "joules", "goal": "minimize"}],
        limits=[],
        evaluations=5,
        choices=["a", "b", "c"],
        metrics=["joules"],
        seed=7,
        options=JobOptions(after=[job.id]),
    )
    assert search.supernet_id is not None
    nightly = store.add_campaign(campaign(search.supernet_id), at(0))
    store.fire_campaign(nightly.id, at(10))
    assert store.list_occurrences(nightly.id, 10).rows
    store.close()
    return home / "espalier.db"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(dump(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as folder:
            print(dump(fill(Path(folder))))

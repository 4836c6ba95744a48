"""Backups: consistent while others write, verified, and restorable."""

import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command_line import Run
from examples import add_search, add_supernet, claim, observe
from live import sqlite_settings
from sqlalchemy import Engine, text
from test_artifacts import disk_of

from server import schema
from server.artifacts import ArtifactStore
from server.database import open_engine
from server.errors import BackupError, DamagedArtifactError, DiskFullError, SchemaError
from server.maintenance import backup
from server.settings import Settings
from server.store import Store

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ONLY_SQLITE = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
"""Where the dialect makes no difference."""


@pytest.fixture
def artifacts(settings: Settings) -> ArtifactStore:
    return ArtifactStore(settings.artifacts_folder)


@pytest.fixture
def filled(store: Store, artifacts: ArtifactStore) -> Store:
    """A store with a search whose supernet and data set have real files."""
    stored = artifacts.add_bytes(b"images" * 1000, "application/octet-stream")
    counts = {"train": 1000, "validation": 397, "test": 400}
    store.add_data_set("digits", {"kind": "digits"}, stored, counts, (1, 8, 8), 10)
    with store._write() as session:  # so that the examples find theirs registered
        session.execute(text("UPDATE data_sets SET name = 'mine'"))
    return store


def train(store: Store, artifacts: ArtifactStore) -> str:
    """Adds a search with two evaluations; returns its id. All files are there."""
    supernet, _ = add_supernet(store)
    weights = artifacts.add_bytes(b"weights", "application/octet-stream")
    store.finish_supernet(claim(store), supernet.id, weights, {"top1_percent": 98.0})
    search = add_search(store, store.get_supernet(supernet.id))
    observe(store, search, claim(store), [(90.0, 1.0), (80.0, 2.0)])
    with store._write() as session:  # the example's data set has no file
        session.execute(text("UPDATE data_sets SET version = :v"), {"v": weights.sha256})
        session.execute(text("DELETE FROM artifacts WHERE sha256 = :v"), {"v": "d" * 64})
    return search.id


def test_a_backup_is_restored_as_it_was(
    settings: Settings,
    engine: Engine,
    filled: Store,
    artifacts: ArtifactStore,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    search_id = train(filled, artifacts)
    target = tmp_path / "backups" / "monday"
    manifest = backup.back_up(settings, engine, artifacts, target, files="copy", now=NOW)
    assert manifest.schema_revision == schema.check(engine).needed
    assert len(manifest.artifacts) == 2
    assert backup.verify(target) == manifest
    assert [path.name for path in target.parent.iterdir()] == ["monday"]
    add_search(filled, filled.list_supernets(1).rows[0])  # not in the backup
    url = "" if settings.is_sqlite else request.getfixturevalue("postgres").new_database()
    elsewhere = Settings(home=tmp_path / "elsewhere", database_url=url)
    new_engine, new_artifacts = open_engine(elsewhere), ArtifactStore(elsewhere.artifacts_folder)
    backup.restore(elsewhere, new_engine, new_artifacts, target)
    restored = Store(new_engine)
    assert [row.id for row in restored.list_searches(10).rows] == [search_id]
    assert len(restored.list_evaluations(10).rows) == 2
    version = restored.list_supernets(1).rows[0].version
    assert version is not None
    assert new_artifacts.read(version) == b"weights"
    schema.require_current(new_engine)
    add_search(restored, restored.list_supernets(1).rows[0])  # it can be worked on
    with pytest.raises(BackupError, match="must be empty"):
        backup.restore(elsewhere, new_engine, new_artifacts, target)
    new_engine.dispose()


WRITER = """
import sys
sys.path.insert(0, "tests/server")
from pathlib import Path
from examples import add_supernet, claim
from server.main import open_store
from server.settings import Settings
store = open_store(Settings(home=Path(sys.argv[1])))
_, job = add_supernet(store)
claimed = claim(store)
print("ready", flush=True)
done = 0
while True:  # progress and event are one transaction
    done += 1
    store.record_progress(claimed, {"done": done})
"""


def test_a_backup_under_writes_is_one_moment(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(settings.home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert writer.stdout is not None
    try:
        while b"ready" not in (line := writer.stdout.readline()):
            assert line, "the writer died"
        engine, artifacts = open_engine(settings), ArtifactStore(settings.artifacts_folder)
        lasts = []
        for number in range(3):
            target = tmp_path / f"backup{number}"
            backup.back_up(settings, engine, artifacts, target, files="none", now=NOW)
            with closing(sqlite3.connect(target / backup.SQLITE_FILE)) as copy:
                (progress,) = copy.execute("SELECT progress FROM jobs").fetchone()
                (count,) = copy.execute(
                    "SELECT count(*) FROM job_events WHERE type = 'progress'"
                ).fetchone()
            assert json.loads(progress or '{"done": 0}')["done"] == count
            lasts.append(count)
        engine.dispose()
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    assert lasts[0] < lasts[2]  # somebody did write


@ONLY_SQLITE
def test_files_are_linked_where_that_is_wanted(
    settings: Settings, engine: Engine, filled: Store, artifacts: ArtifactStore, tmp_path: Path
) -> None:
    backup.back_up(settings, engine, artifacts, tmp_path / "b", files="link", now=NOW)
    (file,) = artifacts.files()
    linked = tmp_path / "b" / "artifacts" / file.name[:2] / file.name
    assert linked.samefile(artifacts.path(file.name))
    assert backup.verify(tmp_path / "b").files == "link"


@ONLY_SQLITE
def test_what_is_damaged_is_not_backed_up_and_leaves_nothing(
    settings: Settings, engine: Engine, filled: Store, artifacts: ArtifactStore, tmp_path: Path
) -> None:
    (file,) = artifacts.files()
    artifacts.path(file.name).write_bytes(b"damaged")
    with pytest.raises(DamagedArtifactError):
        backup.back_up(settings, engine, artifacts, tmp_path / "b", files="copy", now=NOW)
    assert not list(tmp_path.glob("b*"))
    backup.back_up(settings, engine, artifacts, tmp_path / "b", files="none", now=NOW)
    with pytest.raises(BackupError, match="must not exist yet"):
        backup.back_up(settings, engine, artifacts, tmp_path / "b", files="none", now=NOW)


@ONLY_SQLITE
def test_a_damaged_backup_is_not_restored(
    settings: Settings, engine: Engine, filled: Store, artifacts: ArtifactStore, tmp_path: Path
) -> None:
    target = tmp_path / "b"
    manifest = backup.back_up(settings, engine, artifacts, target, files="copy", now=NOW)
    elsewhere = Settings(home=tmp_path / "elsewhere")
    new_engine, new_artifacts = open_engine(elsewhere), ArtifactStore(elsewhere.artifacts_folder)
    (file,) = (path for path in (target / "artifacts").rglob("*") if path.is_file())
    content = file.read_bytes()
    for damage in (lambda: file.write_bytes(b"x"), file.unlink):
        damage()
        with pytest.raises(BackupError, match=file.name):
            backup.restore(elsewhere, new_engine, new_artifacts, target)
        file.write_bytes(content)
    database = target / manifest.database["name"]
    with database.open("r+b") as stream:
        stream.write(b"not a database")
    with pytest.raises(BackupError, match=f"{database.name} must have the digest"):
        backup.restore(elsewhere, new_engine, new_artifacts, target)
    (target / "manifest.json").write_text('{"format": 99}')
    with pytest.raises(BackupError, match="must have format 1, got 99"):
        backup.verify(target)
    for manifest_text, words in (
        ("[]", "must have format 1"),
        ('{"format": 1, "shoe_size": 43}', "must be as it was written"),
    ):
        (target / "manifest.json").write_text(manifest_text)
        with pytest.raises(BackupError, match=words):
            backup.verify(target)
    with pytest.raises(BackupError, match="must be a backup"):
        backup.verify(tmp_path)
    assert schema.check(new_engine).state == "missing"


def test_a_database_of_another_program_is_not_written_over(
    empty_settings: Settings, sqlite_template: Path, tmp_path: Path
) -> None:
    source = sqlite_settings(sqlite_template, tmp_path / "source")
    source_engine = open_engine(source)
    artifacts = ArtifactStore(empty_settings.artifacts_folder)
    target = tmp_path / "b"
    backup.back_up(source, source_engine, artifacts, target, files="none", now=NOW)
    source_engine.dispose()
    engine = open_engine(empty_settings)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("CREATE TABLE somebodys (x INTEGER)"))
    if not empty_settings.is_sqlite:
        with pytest.raises(BackupError, match="must be of postgresql"):
            backup.restore(empty_settings, engine, artifacts, target)
        manifest = json.loads((target / "manifest.json").read_text())
        (target / "manifest.json").write_text(json.dumps(manifest | {"dialect": "postgresql"}))
    with pytest.raises(BackupError, match="must be empty"):
        backup.restore(empty_settings, engine, artifacts, target)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("DROP TABLE somebodys"))
    if empty_settings.is_sqlite:  # an empty file is as good as none
        backup.restore(empty_settings, engine, artifacts, target)
        schema.require_current(engine)
    engine.dispose()


@ONLY_SQLITE
def test_of_two_backups_to_one_folder_one_is_made(
    settings: Settings, engine: Engine, artifacts: ArtifactStore, tmp_path: Path
) -> None:
    partial = tmp_path / "b.partial"
    partial.mkdir()
    (partial / "left by a killed one").write_text("x")
    holder = os.open(partial, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(BackupError, match="is being written by another backup"):
        backup.back_up(settings, engine, artifacts, tmp_path / "b", files="none", now=NOW)
    assert [path.name for path in partial.iterdir()] == ["left by a killed one"]
    os.close(holder)
    backup.back_up(settings, engine, artifacts, tmp_path / "b", files="none", now=NOW)
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"espalier.db", "manifest.json"}
    assert not partial.exists()


def test_a_folder_may_have_any_name(sqlite_template: Path, tmp_path: Path) -> None:
    settings = sqlite_settings(sqlite_template, tmp_path / "100%20? #1")
    engine, artifacts = open_engine(settings), ArtifactStore(settings.artifacts_folder)
    assert engine.url.database == str(settings.home / "espalier.db")
    target = tmp_path / "b"
    backup.back_up(settings, engine, artifacts, target, files="none", now=NOW)
    assert target.stat().st_mode & 0o077 == 0  # secrets are in it
    engine.dispose()


@ONLY_SQLITE
def test_a_full_disk_leaves_no_half_backup(
    settings: Settings, engine: Engine, filled: Store, artifacts: ArtifactStore, tmp_path: Path
) -> None:
    artifacts.add_bytes(b"x" * 2_000_000, "application/octet-stream")
    large = artifacts.add_bytes(b"y" * 2_000_000, "application/octet-stream")
    filled.add_data_set("large", {"kind": "digits"}, large, {"train": 1}, (1, 8, 8), 10)
    for num_bytes in (100_000, 1_500_000):  # too little for the database; for the large file
        with (
            disk_of(num_bytes),
            pytest.raises((BackupError, DiskFullError), match=r"disk I/O error|no room"),
        ):
            backup.back_up(settings, engine, artifacts, tmp_path / "b", files="copy", now=NOW)
        assert not list(tmp_path.glob("b*"))
    backup.back_up(settings, engine, artifacts, tmp_path / "b", files="copy", now=NOW)


@pytest.mark.postgres
@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
def test_a_missing_or_failing_program_is_named(
    settings: Settings,
    engine: Engine,
    artifacts: ArtifactStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match=r"pg_dump is not on the PATH.*postgresql-client"):
        backup.back_up(settings, engine, artifacts, tmp_path / "b", files="none", now=NOW)
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho cannot read postgresql://me:pa55word@db/x >&2\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(BackupError, match=r"pg_dump failed: .*postgresql://me:\*\*\*@db/x"):
        backup.back_up(settings, engine, artifacts, tmp_path / "b", files="none", now=NOW)
    assert not list(tmp_path.glob("b*"))


@ONLY_SQLITE
def test_an_old_database_is_upgraded_before_it_is_backed_up(
    settings: Settings, engine: Engine, artifacts: ArtifactStore, tmp_path: Path
) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(SchemaError, match="espalier db upgrade"):
        backup.back_up(settings, engine, artifacts, tmp_path / "b", files="none", now=NOW)


def test_the_commands_back_up_verify_and_restore(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ESPALIER_HOME", str(tmp_path / "home"))
    assert run("db", "upgrade").code == 0
    target = tmp_path / "backup"
    done = run("db", "backup", str(target), "--artifacts", "link")
    assert done.code == 0, done.err
    assert "sqlite database of schema" in done.out
    assert "0 artifacts" in done.out
    assert "is whole" in run("db", "verify", str(target)).out
    assert run("db", "restore", str(target)).code == 1
    shutil.rmtree(tmp_path / "home")
    assert "restored sqlite database" in run("db", "restore", str(target)).out
    assert run("db", "check").code == 0

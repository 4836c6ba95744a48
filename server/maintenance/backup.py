"""Backups: one consistent copy of the database, and of the files that it refers to.

    TARGET/espalier.db       SQLite: the file, copied page by page under one read transaction
    TARGET/database.dump     PostgreSQL: what pg_dump wrote, in its custom format
    TARGET/artifacts/ab/...  the files, copied or as hard links
    TARGET/manifest.json     digests and sizes of all of it

The service runs on meanwhile. The database is copied first; files are immutable and are written
before their rows, so every file that the copy refers to is there. A backup appears under its name
when it is whole and was verified; before, it is called TARGET.partial. It holds hashes of keys and
secrets of webhooks, so its folder is its owner's alone.
"""

import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Engine, text

from server import schema
from server.artifacts import ArtifactStore
from server.artifacts.local import sha256_of
from server.disks import room_for
from server.errors import BackupError
from server.maintenance import postgresql
from server.settings import Settings
from server.store import Artifact

MANIFEST = "manifest.json"
SQLITE_FILE = "espalier.db"
DUMP_FILE = "database.dump"
ARTIFACTS_FOLDER = "artifacts"
FORMAT = 1

Files = Literal["copy", "link", "none"]
"""What becomes of the artifacts: a copy, hard links on the same disk, or nothing."""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds.

    Attributes:
        format: of this document.
        created_at: by the clock of the machine, RFC 3339.
        program: version of Espalier.
        schema_revision: of the database.
        dialect: `sqlite` or `postgresql`.
        database: name, size_bytes and sha256 of the database's file.
        files: what became of the artifacts.
        artifacts: sha256, size_bytes and media_type of each file that the database refers to.
    """

    format: int
    created_at: str
    program: str
    schema_revision: str
    dialect: str
    database: dict[str, Any]
    files: Files
    artifacts: list[dict[str, Any]]


def back_up(
    settings: Settings,
    engine: Engine,
    artifacts: ArtifactStore,
    target: Path,
    *,
    files: Files,
    now: datetime,
) -> Manifest:
    """Writes a backup and returns what it holds; every digest in it was verified.

    Args:
        settings: of the service.
        engine: of its database, whose schema is current.
        artifacts: its files.
        target: a folder that does not exist yet.
        files: what to do with the artifacts.
        now: for the manifest.

    Raises:
        BackupError: the target exists, another backup is writing it, a program is missing or fails,
            the copy is not whole.
        DamagedArtifactError: a file is missing or not what was stored.
        DiskFullError: there is no room for the backup; nothing is left of it.
        OSError: the target cannot be written; likewise.
    """
    schema.require_current(engine)
    with _filling(target) as partial, room_for("the backup"):
        database, recorded = _copy_database(settings, engine, partial)
        if files != "none":
            for artifact in recorded:
                _copy_artifact(artifacts, artifact, partial, files)
        manifest = Manifest(
            format=FORMAT,
            created_at=now.isoformat(),
            program=version("espalier"),
            schema_revision=schema.check(engine).needed,
            dialect=engine.dialect.name,
            database={
                "name": database.name,
                "size_bytes": database.stat().st_size,
                "sha256": sha256_of(database),
            },
            files=files,
            artifacts=[asdict(artifact) for artifact in recorded],
        )
        _write_durably(partial / MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
    return manifest


@contextmanager
def _filling(target: Path) -> Iterator[Path]:
    """An empty folder beside the target, which gets its name at the end; gone if the block fails.

    It is locked meanwhile, so that what a killed backup left there can be told from one that runs.

    Raises:
        BackupError: the target exists, or another backup is writing it.
    """
    partial = target.with_name(f"{target.name}.partial")
    partial.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"{partial} is being written by another backup") from None
        try:
            if target.exists():
                raise BackupError(f"{target} must not exist yet: a backup is never written over")
            _empty(partial)
            yield partial
            for folder in (*partial.rglob("*/"), partial):
                _sync(folder)
            partial.rename(target)
            _sync(target.parent)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    finally:
        os.close(descriptor)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _copy_database(
    settings: Settings, engine: Engine, folder: Path
) -> tuple[Path, Sequence[Artifact]]:
    """Returns the copy of the database, and the files that it refers to."""
    if settings.is_sqlite:
        copy = folder / SQLITE_FILE
        assert engine.url.database
        _copy_sqlite(Path(engine.url.database), copy)
        return copy, _artifacts_of(copy)
    dump = folder / DUMP_FILE
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
        postgresql.dump(engine.url, dump, str(snapshot))
        rows = connection.execute(text(_ARTIFACTS)).all()
    postgresql.check_dump(dump)
    return dump, [Artifact(*row) for row in rows]


_ARTIFACTS = "SELECT sha256, size_bytes, media_type FROM artifacts ORDER BY sha256"


def _copy_sqlite(source: Path, copy: Path) -> None:
    """Copies a SQLite file that others write to, by SQLite's own backup.

    All pages are read in one transaction: with a write-ahead log it holds nobody up, and does not
    begin anew when somebody writes.

    Raises:
        BackupError: the copy is not whole.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as original,
            closing(sqlite3.connect(copy)) as duplicate,
        ):
            original.backup(duplicate)
            # One file, without a log beside it; the service switches the log on again.
            duplicate.execute("PRAGMA journal_mode = DELETE")
            (found,) = duplicate.execute("PRAGMA integrity_check").fetchone()
            broken = duplicate.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"the database cannot be copied: {error}") from error
    if found != "ok" or broken is not None:
        raise BackupError(f"the copy of {source} is damaged: {found}, {broken}")
    _sync(copy)


def _artifacts_of(copy: Path) -> list[Artifact]:
    with closing(sqlite3.connect(copy)) as connection:
        return [Artifact(*row) for row in connection.execute(_ARTIFACTS)]


def _copy_artifact(
    artifacts: ArtifactStore, artifact: Artifact, folder: Path, files: Files
) -> None:
    """Puts a file into the backup after its content was verified.

    Raises:
        DamagedArtifactError: it is not what was stored.
        BackupError: it cannot be linked to.
    """
    source = artifacts.path(artifact.sha256)
    place = folder / ARTIFACTS_FOLDER / artifact.sha256[:2] / artifact.sha256
    place.parent.mkdir(parents=True, exist_ok=True)
    if files == "link":
        try:
            place.hardlink_to(source)
        except OSError as error:
            raise BackupError(
                f"{source} cannot be linked to from {folder}, which must be on the same disk: "
                f"{error.strerror}; use --artifacts copy"
            ) from error
        return
    shutil.copyfile(source, place)
    if sha256_of(place) != artifact.sha256:
        raise BackupError(f"the copy of {source} has other content: {place}")
    _sync(place)


def read_manifest(backup: Path) -> Manifest:
    """Returns what a backup says that it holds.

    Raises:
        BackupError: it is no backup that this version can read.
    """
    try:
        document = json.loads((backup / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise BackupError(
            f"{backup} must be a backup: its {MANIFEST} cannot be read: {error}"
        ) from error
    found = document.get("format") if isinstance(document, dict) else document
    if found != FORMAT:
        raise BackupError(f"{backup / MANIFEST} must have format {FORMAT}, got {found!r}")
    try:
        return Manifest(**document)
    except TypeError as error:
        raise BackupError(f"{backup / MANIFEST} must be as it was written: {error}") from error


def verify(backup: Path) -> Manifest:
    """Returns what a backup holds after comparing every digest.

    Raises:
        BackupError: something is missing or is not what was backed up; names it.
    """
    manifest = read_manifest(backup)
    expected = {manifest.database["name"]: manifest.database["sha256"]}
    if manifest.files != "none":
        for artifact in manifest.artifacts:
            digest = artifact["sha256"]
            expected[f"{ARTIFACTS_FOLDER}/{digest[:2]}/{digest}"] = digest
    for name, digest in expected.items():
        try:
            found = sha256_of(backup / name)
        except OSError as error:
            raise BackupError(f"{backup / name} must be readable: {error.strerror}") from error
        if found != digest:
            raise BackupError(f"{backup / name} must have the digest {digest}, got {found}")
    return manifest


def restore(settings: Settings, engine: Engine, artifacts: ArtifactStore, backup: Path) -> Manifest:
    """Brings a verified backup into an empty service, and returns what was brought.

    Args:
        settings: of the service, which must not run.
        engine: of its database, which must be empty.
        artifacts: its files, which may be there already.
        backup: as `back_up` wrote it.

    Raises:
        BackupError: the backup is not whole or of another dialect, the database is not empty, a
            program is missing or fails.
        SchemaError: the database was written by a newer program.
        DiskFullError: there is no room for it.
    """
    manifest = verify(backup)
    if manifest.dialect != engine.dialect.name:
        raise BackupError(
            f"{backup} must be of {engine.dialect.name}, as the database is, got {manifest.dialect}"
        )
    if not schema.is_empty(engine):
        raise BackupError("the database must be empty: a backup is never restored over another")
    engine.dispose()  # an empty SQLite file gets its log back
    for artifact in manifest.artifacts if manifest.files != "none" else ():
        digest = artifact["sha256"]
        source = backup / ARTIFACTS_FOLDER / digest[:2] / digest
        artifacts.add_file(source, artifact["media_type"])
    file = backup / manifest.database["name"]
    if settings.is_sqlite:
        assert engine.url.database
        _place_sqlite(file, Path(engine.url.database))
    else:
        postgresql.restore(engine.url, file)
    return manifest


def _place_sqlite(source: Path, place: Path) -> None:
    log = place.with_name(f"{place.name}-wal")
    if log.exists():  # SQLite would apply it to whatever file lies beside it
        raise BackupError(f"{log} must not exist: it is of a database that is gone; remove it")
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f"{place.name}.partial")
    try:
        with room_for("the database"):
            shutil.copyfile(source, beside)
            _sync(beside)
        beside.rename(place)
    finally:
        beside.unlink(missing_ok=True)


def _write_durably(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Retention: what is old and of no use is removed, on command or by and by.

Results are never removed, nor what something refers to: evaluations, fronts, networks, data sets
and the jobs themselves stay. A job whose events are gone still has those that are results: how it
ended, and how good predictions were.
"""

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import structlog

from server.duties import Duty
from server.errors import ConflictError, NotFoundError
from server.settings import Settings
from server.store import Store
from server.store.retention import AUDIT, OLD_ROWS
from server.tables import UploadRow
from server.uploads import UploadFiles

logger = structlog.get_logger(__name__)

WORK_FOLDERS = "work folders"
UPLOADS = "uploads"
KINDS = (*OLD_ROWS, WORK_FOLDERS, UPLOADS)
"""All that can be pruned."""

ORDINARY_KINDS = tuple(kind for kind in KINDS if kind != AUDIT)
"""What is pruned unless something else is asked for: the audit log has an age of its own."""

TURN_S = 300.0
"""How often a runner looks for what is old."""

FILES_PER_TURN = 50
"""Folders and files that it removes at once: other duties wait meanwhile."""

_FOLDERS_PER_QUERY = 500


@dataclass(frozen=True)
class Pruned:
    """How much of one kind went, or would go.

    Attributes:
        kind: one of `KINDS`.
        count: rows, folders or files.
        size_bytes: what the folders or files take; None for rows.
    """

    kind: str
    count: int
    size_bytes: int | None = None


@dataclass(frozen=True)
class Pruner:
    """Removes what is old.

    Attributes:
        store: the database, acting for the service itself.
        work_folder: holds a folder per job.
        uploads: files that arrived in parts.
    """

    store: Store
    work_folder: Path
    uploads: UploadFiles

    def prune(
        self,
        age: timedelta,
        *,
        kinds: Collection[str] = ORDINARY_KINDS,
        dry_run: bool = False,
        brief: bool = False,
    ) -> list[Pruned]:
        """Removes what is at least so old, and returns how much that was.

        May be broken off and repeated at any time, and by several at once.

        Args:
            age: since a job ended, since an upload was announced and something of it arrived.
            kinds: some of `KINDS`.
            dry_run: whether to remove nothing and to tell what would go.
            brief: whether to do no more than a few seconds' work; the next call goes on.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        steps: dict[str, Callable[[timedelta, bool, bool], Pruned]] = {
            WORK_FOLDERS: self._prune_work_folders,
            UPLOADS: self._prune_uploads,
        }
        return [
            steps[kind](age, dry_run, brief)
            if kind in steps
            else self._prune_rows(kind, age, dry_run, brief)
            for kind in KINDS
            if kind in kinds
        ]

    def _prune_rows(self, kind: str, age: timedelta, dry_run: bool, brief: bool) -> Pruned:
        if dry_run:
            return Pruned(kind, self.store.count_old(kind, age))
        count = 0
        while deleted := self.store.delete_old(kind, age):
            count += deleted
            if brief:
                break
        return Pruned(kind, count)

    def _prune_work_folders(self, age: timedelta, dry_run: bool, brief: bool) -> Pruned:
        count = size_bytes = 0
        for folder in islice(self._ended_folders(age), FILES_PER_TURN if brief else None):
            size = _size_of(folder)
            if not dry_run:
                shutil.rmtree(folder, ignore_errors=True)
                if folder.exists():
                    logger.warning("folder cannot be removed", folder=str(folder))
                    continue
            count += 1
            size_bytes += size
        return Pruned(WORK_FOLDERS, count, size_bytes)

    def _ended_folders(self, age: timedelta) -> Iterator[Path]:
        """Yields the folders of jobs that ended so long ago, or that nobody has written to since.

        The latter where there is no such job: it was deleted, or it is another database's and runs.
        """
        folders = {path.name: path for path in sorted(self.work_folder.glob("job_*"))}
        names = list(folders)
        for start in range(0, len(names), _FOLDERS_PER_QUERY):
            part = names[start : start + _FOLDERS_PER_QUERY]
            ended, unknown, now = self.store.ended_jobs(part, age)
            for name in sorted(ended | unknown):
                if name in ended or _written_at(folders[name]) < now - age:
                    yield folders[name]

    def _prune_uploads(self, age: timedelta, dry_run: bool, brief: bool) -> Pruned:
        count = size_bytes = 0
        for upload in islice(self._old_uploads(age), FILES_PER_TURN if brief else None):
            size = self.uploads.offset(upload.id)
            if not dry_run:
                try:
                    self.uploads.delete(upload.id)
                    self.store.delete_upload(upload.id)
                except (ConflictError, NotFoundError) as error:
                    logger.info("upload is kept", upload=upload.id, reason=str(error))
                    continue
            count += 1
            size_bytes += size
        return Pruned(UPLOADS, count, size_bytes)

    def _old_uploads(self, age: timedelta) -> Iterator[UploadRow]:
        """Yields the uploads that nothing names and that nobody has sent a part of since."""
        cutoff = self.store.now() - age
        for upload in self.store.old_uploads(age):
            if _written_at(self.uploads.path(upload.id)) < cutoff:
                yield upload


def pruner_of(store: Store, settings: Settings) -> Pruner:
    """Returns what removes the old things of a service."""
    return Pruner(store, settings.work_folder, UploadFiles(settings.uploads_folder))


def retention_duties(settings: Settings) -> Sequence[Duty]:
    """Returns what runners remove by and by; nothing where the settings name no age."""
    ages = {
        kinds: timedelta(days=days)
        for kinds, days in (
            (ORDINARY_KINDS, settings.retention_days),
            ((AUDIT,), settings.audit_retention_days),
        )
        if days is not None
    }

    def run(store: Store) -> None:
        pruner = pruner_of(store, settings)
        for kinds, age in ages.items():
            for part in pruner.prune(age, kinds=kinds, brief=True):
                if part.count:
                    logger.info("pruned", kind=part.kind, count=part.count, bytes=part.size_bytes)

    return (Duty("retention", TURN_S, run),) if ages else ()


def _size_of(folder: Path) -> int:
    """Returns what the files below a folder take."""
    return sum(status.st_size for status in _statuses(folder))


def _written_at(path: Path) -> datetime:
    """Returns when a file, or something in a folder, was written last; long ago if it is gone.

    By the file system's clock.
    """
    times = (status.st_mtime for status in _statuses(path))
    return datetime.fromtimestamp(max(times, default=0.0), UTC)


def _statuses(path: Path) -> Iterator[os.stat_result]:
    """Yields what is known of a file, or of a folder and all below; some may vanish meanwhile."""
    for each in (path, *path.rglob("*")):
        with suppress(FileNotFoundError):
            yield each.lstat()

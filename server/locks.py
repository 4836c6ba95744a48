"""One runner per SQLite file: a lock that the operating system frees with the process."""

import fcntl
import os
from pathlib import Path
from typing import Self


class RunnerLockedError(RuntimeError):
    """Another runner works on this database; several runners need PostgreSQL."""


class FileLock:
    """Holds an exclusive advisory lock on a file for as long as the process lives.

    Raises:
        RunnerLockedError: another process holds it; says which.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode() or "unknown"
            os.close(self._descriptor)
            raise RunnerLockedError(
                f"{path} is held by process {holder}: a SQLite database takes one runner; "
                f"stop that one, or set ESPALIER_DATABASE_URL to a PostgreSQL database"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def close(self) -> None:
        """Frees the lock."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

"""Files that the runner and all workers must see: on one machine always, on a cluster if shared."""

import socket
from pathlib import Path

RULE = "ESPALIER_HOME must be a folder that all nodes of the Ray cluster share, under the same path"


class NotSharedError(OSError):
    """A worker's machine does not see a file of the runner's; says which machine and which file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path
        self.host = socket.gethostname()

    def __str__(self) -> str:
        return f"node {self.host} cannot see {self.path}: {RULE}"


def check_shared(path: Path) -> Path:
    """Returns a path of the runner's if this process sees the file.

    Raises:
        NotSharedError: it does not.
    """
    if not path.exists():
        raise NotSharedError(path)
    return path


def mark(folder: Path, attempt: int) -> None:
    """Leaves a sign in a job's folder, before its workers start.

    A worker elsewhere may well have a folder of that name, or make one; it has no such sign.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sign(folder, attempt).touch()


def check_marked(folder: Path, attempt: int) -> None:
    """Returns if this process sees the folder that was marked.

    Raises:
        NotSharedError: it does not: what it wrote there, nobody else would find.
    """
    check_shared(_sign(folder, attempt))


def _sign(folder: Path, attempt: int) -> Path:
    return folder / f"attempt{attempt:06d}.started"

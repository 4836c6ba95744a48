"""Finds the processes of this session's Ray workers, to kill them."""

import os
from pathlib import Path


def worker_pids(title: str) -> list[int]:
    """Returns the ids of our Ray workers whose title begins with "ray::" and this.

    Ours are those that descend from this process; another test run's on the machine do not.
    """
    running = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    titled = [pid for pid in running if _command(pid).startswith(f"ray::{title}")]
    return sorted(pid for pid in titled if os.getpid() in _ancestors(pid))


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:  # it ended meanwhile
        return ""


def _ancestors(pid: int) -> list[int]:
    """Returns the ids of a process's parent, its parent's parent and so on."""
    found: list[int] = []
    while pid > 1:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:  # it ended meanwhile
            return found
        pid = int(stat.rpartition(")")[2].split()[1])  # the name before ")" may hold spaces
        found.append(pid)
    return found

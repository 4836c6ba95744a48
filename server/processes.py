"""Processes that end with their parent, and groups of them that end as one."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable


def stop_with_parent(stop: Callable[[], None]) -> None:
    """Calls `stop` when standard input ends, as it does with the parent.

    The parent holds the other end of that pipe; when it dies, even by SIGKILL, the operating system
    closes it.
    """

    def wait() -> None:
        # Not through sys.stdin: its lock would be held when the interpreter ends.
        while os.read(0, 4096):
            pass
        stop()

    threading.Thread(target=wait, name="parent watch", daemon=True).start()


def kill_group(leader: int) -> None:
    """Ends by SIGKILL whatever is left of a process group; also after its leader has ended.

    Args:
        leader: the process that was started as the head of the group.
    """
    with contextlib.suppress(ProcessLookupError):  # nothing was left
        os.killpg(leader, signal.SIGKILL)

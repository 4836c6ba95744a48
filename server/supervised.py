"""`python -m server.supervised`: a runner that ends with its parent, from its first moment on.

Light, unlike `server.runner`: what that imports takes seconds, in which the parent may end.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING

from server.processes import kill_group, stop_with_parent

if TYPE_CHECKING:
    from server.runner import Runner


def main() -> int:
    """Runs a runner until standard input ends; returns the exit status.

    Must be started as the leader of a process group. A runner that cannot heed a request, because
    it is still loaded or starts a Ray, is ended with its whole group: it has no job, and a Ray that
    is broken off while it starts leaves processes behind for a minute.
    """
    runners: list[Runner] = []

    def end() -> None:
        for runner in runners:
            runner.stop()
        if not runners or runners[0].is_connecting:
            kill_group(os.getpid())

    stop_with_parent(end)
    status: int = importlib.import_module("server.runner").main(runners.append)
    return status


if __name__ == "__main__":
    sys.exit(main())

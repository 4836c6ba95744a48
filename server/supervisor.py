"""Keeps one runner alive beside the API process."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import structlog

from server.processes import kill_group
from server.settings import Settings

logger = structlog.get_logger(__name__)

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
STEADY_S = 15.0
"""A runner that lived this long is restarted without delay, however often others died before."""

RUNNER_COMMAND = (sys.executable, "-m", "server.supervised")


class RunnerSupervisor:
    """Starts a runner as a child process and starts it again, ever later, when it dies.

    The child holds the reading end of a pipe as its standard input and ends when that is closed:
    by `stop`, or by the death of this process, in whatever way it dies. It has a session of its
    own: Ctrl-C in the terminal reaches this process only, which then ends the runner in order, and
    what a runner leaves behind, which a Ray that was broken off does, is ended as one group.

    Args:
        settings: handed to the child in its environment.
        command: what to start.
    """

    def __init__(self, settings: Settings, command: Sequence[str] = RUNNER_COMMAND) -> None:
        self._settings = settings
        self._command = tuple(command)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="runner supervisor", daemon=True)

    def start(self) -> None:
        """Starts the runner, and the thread that watches it."""
        self._thread.start()

    @property
    def state(self) -> str:
        """`running`, or `restarting` between two lives."""
        child = self._child
        return "running" if child is not None and child.poll() is None else "restarting"

    def stop(self, grace_seconds: float) -> None:
        """Ends the runner: by closing its input, later by SIGTERM, at last by SIGKILL.

        Args:
            grace_seconds: how long each of the first two is given.
        """
        with self._lock:  # either no child is started any more, or it is known here
            self._stopping.set()
            child = self._child
        if child is not None and child.poll() is None:
            assert child.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()
            for end in (child.terminate, child.kill):
                try:
                    child.wait(grace_seconds)
                    break
                except subprocess.TimeoutExpired:
                    logger.warning("runner does not end", pid=child.pid, next=end.__name__)
                    end()
            child.wait()
        self._thread.join()

    def _keep(self) -> None:
        delay_s = FIRST_DELAY_S
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                child = self._spawn()
            except OSError as error:  # no memory, no descriptors: there may be again
                logger.error("runner cannot be started", error=str(error), again_in_s=delay_s)
            else:
                if child is None:
                    return
                code = child.wait()
                kill_group(child.pid)
                if self._stopping.is_set():
                    return
                assert child.stdin is not None
                child.stdin.close()
                if time.monotonic() - started > STEADY_S:
                    delay_s = FIRST_DELAY_S
                logger.error("runner died", pid=child.pid, exit_code=code, restart_in_s=delay_s)
            self._stopping.wait(delay_s)
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        """Starts a runner; returns None if it was asked to stop just before."""
        with self._lock:
            if self._stopping.is_set():
                return None
            child = subprocess.Popen(  # noqa: S603 - our own command, no shell
                self._command,
                stdin=subprocess.PIPE,
                env={**os.environ, **self._settings.environment()},
                start_new_session=True,
            )
            self._child = child
        logger.info("runner started", pid=child.pid)
        return child

"""A service of one's own, as a child process, for as long as it is needed."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Self

from server.client import Client, ClientError

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 45.0
"""The server gives its requests, its streams and its runner 10 s each to end."""

POLL_S = 0.1


class ServiceDiedError(RuntimeError):
    """The service ended, or did not become ready; its log says why."""


class LocalService:
    """Runs `espalier serve` on a free port; stops it, and all that it started, at the end.

    Args:
        home: the data folder, made if it is not there.
        log: the file that everything the service says is appended to.

    Attributes:
        log: as given.
    """

    def __init__(self, home: Path, log: Path) -> None:
        self._home = home
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._log_start = 0

    @property
    def url(self) -> str:
        """The address of the service."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._home.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._port = free_port()
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = self._spawn(log)
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "server.cli", "serve", "--supervised"],
            env=service_environment(os.environ, self._home, self._port),
            # Ends with this process, in whatever way that dies, and the service with it.
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            # A session of its own: Ctrl-C in the terminal reaches this process only, which then
            # stops the service in order.
            start_new_session=True,
        )

    def wait_until_ready(self, client: Client) -> None:
        """Returns when the service and its runner are up.

        Raises:
            ServiceDiedError: they do not come up.
        """
        give_up_at = time.monotonic() + START_TIMEOUT_S
        reason = "it does not answer"
        while time.monotonic() < give_up_at:
            self.check_alive()
            try:
                ready = client.ready()
            except ClientError as error:
                reason = str(error)
            else:
                if ready.status == "ok":
                    return
                reason = f"its runner is {ready.runner}"
            time.sleep(POLL_S)
        raise ServiceDiedError(f"the service is not ready after {START_TIMEOUT_S:g} s: {reason}")

    def check_alive(self) -> None:
        """Returns if the service runs.

        Raises:
            ServiceDiedError: it does not.
        """
        assert self._process is not None
        code = self._process.poll()
        if code is not None:
            raise ServiceDiedError(f"the service has ended with exit code {code}")

    def stop(self) -> None:
        """Ends the service by SIGTERM, and by SIGKILL if that takes too long."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.terminate()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT_S)
        finally:
            # Also after an interrupt while waiting. Its runner then ends for want of a parent.
            process.kill()
            process.wait()
            process.stdin.close()

    def complaints(self, num_lines: int) -> list[str]:
        """Returns the last warnings and errors that the service has logged."""
        with self.log.open(errors="replace") as log:
            log.seek(self._log_start)
            lines = (complaint_of(line.rstrip("\n")) for line in log)
            return list(deque((line for line in lines if line), num_lines))


def complaint_of(line: str) -> str | None:
    """Returns a line of a log in words; None if it tells of nothing bad.

    Args:
        line: a JSON object, as our own processes write them, or any text.
    """
    try:
        record = json.loads(line)
        level, event = record["level"], record["event"]
    except (ValueError, KeyError, TypeError):
        return line
    if level in ("debug", "info"):
        return None
    reasons = [str(record[name]) for name in ("error", "reason") if name in record]
    reasons += [
        f"{cause['exc_type']}: {cause['exc_value']}" for cause in record.get("exception", ())
    ]
    return f"{level}: " + ": ".join([event, *reasons])


def service_environment(environment: Mapping[str, str], home: Path, port: int) -> dict[str, str]:
    """Returns the environment of a service with its own database, whatever ESPALIER_* says here."""
    kept = {name: v for name, v in environment.items() if not name.startswith("ESPALIER_")}
    return {**kept, "ESPALIER_HOME": str(home.absolute()), "ESPALIER_PORT": str(port)}


def free_port() -> int:
    """Returns a port of the loopback interface that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

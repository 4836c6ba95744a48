"""A service in processes of its own, to be used and killed as in real life."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

TINY_SPACE = {
    "kind": "mobilenetv3",
    "input_channels": 1,
    "num_classes": 10,
    "resolutions": [8],
    "stem_width": 4,
    "stem_stride": 1,
    "first_block_width": 4,
    "stages": [
        {"widths": [4, 8], "depths": [1, 2], "kernel_sizes": [3, 5], "expand_ratios": [1, 2]},
        {"widths": [8, 16], "depths": [1, 2], "kernel_sizes": [3], "expand_ratios": [1, 2, 3]},
    ],
    "final_expand_width": 16,
    "head_width": 16,
    "width_divisor": 4,
}
"""A space of 960 networks that train in about a second per epoch on the digits."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Service:
    """`espalier serve` on a data folder; may be killed and started again."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.port = free_port()
        self.log = home.parent / "service.log"
        self._environment = {
            **os.environ,
            "ESPALIER_HOME": str(home),
            "ESPALIER_PORT": str(self.port),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, **variables: str) -> None:
        """Starts the service, from now on with more variables, and waits until it is ready."""
        self._environment |= variables
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "server.cli", "serve"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, 60, lambda: f"service not ready:\n{self.log.read_text()}")

    def _answers(self) -> bool:
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """Kills the server with SIGKILL; what it supervises is left to notice."""
        os.kill(self.pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def stop(self) -> int:
        """Stops the service as an operator would; returns its exit status."""
        assert self._process is not None
        self.http.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = self.http.post(path, json=body)
        assert response.is_success, response.text
        return dict(response.json())

    def get(self, path: str) -> dict[str, Any]:
        response = self.http.get(path)
        assert response.is_success, response.text
        return dict(response.json())

    def job(self, job_id: str) -> dict[str, Any]:
        return self.get(f"/v1/jobs/{job_id}")

    def wait_for_job(self, job_id: str, timeout_s: float = 240) -> dict[str, Any]:
        """Returns the job once it has ended, which must be in success."""

        def ended() -> bool:
            try:
                return self.job(job_id)["status"] in ("succeeded", "failed", "cancelled")
            except httpx.TransportError:
                return False

        wait_until(ended, timeout_s, lambda: f"{self.job(job_id)}\n{self.tail()}")
        job = self.job(job_id)
        assert job["status"] == "succeeded", f"{job}\n{self.tail()}"
        return job

    def wait_for_progress(self, job_id: str, done: float, timeout_s: float = 240) -> None:
        """Returns once the job has done at least so much."""

        def reached() -> bool:
            job = self.job(job_id)
            assert job["status"] not in ("failed", "cancelled"), f"{job}\n{self.tail()}"
            return (job["progress"] or {"done": 0})["done"] >= done

        wait_until(reached, timeout_s, lambda: f"{self.job(job_id)}\n{self.tail()}")

    def tail(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-40:])


class RayHead:
    """A Ray cluster of one node, in processes of its own; may be killed and started again.

    Attributes:
        variables: what a service finds it by.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.log = folder / "ray.log"
        self._token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
        self.variables = {
            "RAY_ADDRESS": f"127.0.0.1:{self.port}",
            # How long Ray lets a process wait for a head that is gone.
            "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
            **self._token,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts the cluster and waits until it listens."""
        command = [
            str(Path(sys.executable).with_name("ray")),
            *("start", "--head", "--block", f"--port={self.port}", "--num-cpus=2"),
            *("--include-dashboard=false", "--object-store-memory=80000000"),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **self._token, "RAY_USAGE_STATS_ENABLED": "0"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._listens, 60, lambda: f"no Ray:\n{self.log.read_text()}")

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """Kills all of it with SIGKILL."""
        if self._process is None:
            return
        family = [self._process.pid, *(pid for pid, _ in descendants(self._process.pid))]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None


def wait_until(
    condition: Callable[[], bool], timeout_s: float, describe: Callable[[], str]
) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.2)


def descendants(pid: int) -> Iterator[tuple[int, str]]:
    """Yields the ids and titles of all processes below one."""
    children: dict[int, list[int]] = {}
    titles: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            status = (folder / "stat").read_text()
            title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        parent = int(status.rpartition(")")[2].split()[1])
        children.setdefault(parent, []).append(int(folder.name))
        titles[int(folder.name)] = title
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            yield child, titles[child]
            waiting.append(child)


def find_process(pid: int, title: str) -> int:
    """Returns the id of the one process below `pid` whose title contains the given text."""
    found = [child for child, name in descendants(pid) if title in name]
    assert found, f"no process {title!r} among {list(descendants(pid))}"
    return found[0]

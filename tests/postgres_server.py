"""A real PostgreSQL server for tests, from the programs that are installed on the machine."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg


def find_programs() -> Path | None:
    """Returns the folder that holds `initdb` and `pg_ctl`, or None."""
    candidates = []
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=True)
        candidates.append(Path(answer.stdout.strip()))
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


def free_port() -> int:
    """Returns a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class PostgresServer:
    """A server with a folder of its own on a free port; `close` stops it and removes the folder."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="espalier-postgres-"))
        self._user = self._unprivileged_user()
        self.port = free_port()
        self._num_databases = 0
        if self._user:
            shutil.chown(self._folder, self._user)
        self._run(
            "initdb",
            *("--auth=trust", "--username=espalier", "--encoding=UTF8", "--no-sync"),
            *("-D", str(self._data)),
        )
        self.start()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @staticmethod
    def _unprivileged_user() -> str | None:
        """PostgreSQL refuses to run as root, so root starts it as somebody else."""
        if os.geteuid() != 0:
            return None
        names = {entry.pw_name for entry in pwd.getpwall()}
        return next(name for name in ("postgres", "nobody") if name in names)

    def _run(self, program: str, *arguments: str) -> None:
        # Output goes to a file: the server inherits it, and a pipe would never see its end.
        log = self._folder / f"{program}.log"
        identity = {"user": self._user, "extra_groups": []} if self._user else {}
        with log.open("ab") as output:
            result = subprocess.run(
                [self._programs / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                check=False,
                **identity,
            )
        assert result.returncode == 0, f"{program} failed:\n{log.read_text()}"

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        # Autovacuum visits every database once a minute, and a run of the tests makes hundreds.
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
            " -c fsync=off -c autovacuum=off -c max_connections=60"
        )
        log = self._folder / "server.log"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", str(log), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Ends all connections and the server."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", mode, "stop")

    def close(self) -> None:
        """Stops the server and removes its folder."""
        self.stop("immediate")
        shutil.rmtree(self._folder)

    def new_database(self, template: str = "template1") -> str:
        """Creates a database, empty or a copy of the named one, and returns its address."""
        self._num_databases += 1
        name = f"test{self._num_databases}"
        address = f"host=127.0.0.1 port={self.port} user=espalier dbname=postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return f"postgresql://espalier@127.0.0.1:{self.port}/{name}"

"""A PostgreSQL server of a benchmark's own, from the programs that are installed on the machine.

Its settings are PostgreSQL's: what is committed is on the disk.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def find_programs() -> Path | None:
    """Returns the folder that holds `initdb` and `pg_ctl`, or None."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        folders.insert(0, Path(found).parent)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root, so root starts it as somebody else."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


@contextmanager
def postgres_server(programs: Path) -> Iterator[str]:
    """Gives the address of an empty database on a server that ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="espalier-benchmark-"))
    user = _unprivileged_user()
    if user:
        shutil.chown(folder, user)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        log = folder / f"{program}.log"
        identity = {"user": user, "extra_groups": []} if user else {}
        # The server inherits its output: of a pipe nobody would ever see the end.
        with log.open("ab") as output:
            subprocess.run(
                [programs / program, "-D", str(folder / "data"), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                check=True,
                **identity,
            )

    run("initdb", "--auth=trust", "--username=espalier", "--encoding=UTF8")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    run("pg_ctl", "-w", "-l", str(folder / "server.log"), "-o", options, "start")
    try:
        yield f"postgresql://espalier@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-w", "-m", "fast", "stop")
        shutil.rmtree(folder)

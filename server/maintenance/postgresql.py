"""PostgreSQL's own programs that write a database to a file and read it back.

They must be of the server's version or newer. Passwords are passed in the environment: arguments
can be read by every user of the machine.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import URL

from server.configuration import without_secrets
from server.errors import BackupError


def dump(url: URL, path: Path, snapshot: str) -> None:
    """Writes a database as a transaction sees it.

    Args:
        url: of the database.
        path: of the file to write.
        snapshot: that the transaction exported; it must be open still.

    Raises:
        BackupError: pg_dump is not there or fails; says why.
    """
    arguments = ("--format=custom", f"--snapshot={snapshot}", f"--file={path}")
    _run("pg_dump", url, [*arguments, f"--dbname={_address(url)}"])


def check_dump(path: Path) -> None:
    """Returns if a dump can be read to its end.

    Raises:
        BackupError: it cannot, or pg_restore is not there.
    """
    _run("pg_restore", None, ["--file=/dev/null", str(path)])


def restore(url: URL, path: Path) -> None:
    """Reads a dump into an empty database, all or nothing.

    Raises:
        BackupError: pg_restore is not there or fails; says why.
    """
    arguments = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
    _run("pg_restore", url, [*arguments, f"--dbname={_address(url)}", str(path)])


def _address(url: URL) -> str:
    """Returns an address as libpq reads it, without the password."""
    return url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)


def _run(program: str, url: URL | None, arguments: Sequence[str]) -> None:
    path = shutil.which(program)
    if path is None:
        raise BackupError(
            f"{program} is not on the PATH: install PostgreSQL's client programs "
            f"(postgresql-client), of the server's version or newer"
        )
    password = url.password if url is not None else None
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    result = subprocess.run(  # noqa: S603 - PostgreSQL's program, no shell
        [path, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        reason = without_secrets(result.stderr.strip()) or f"exit status {result.returncode}"
        raise BackupError(f"{program} failed: {reason}")

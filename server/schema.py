"""The database's schema: which version it has, which this program needs, and how to get there."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, func, inspect, select
from sqlalchemy.exc import InterfaceError, OperationalError

from server.errors import DatabaseUnavailableError, SchemaError

MIGRATIONS = Path(__file__).parent / "migrations"
_UPGRADE_LOCK = 0x6573_7061_6C75_7067
"""Number of the lock that one upgrade at a time holds on PostgreSQL: "espalupg" in ASCII."""


@dataclass(frozen=True)
class SchemaStatus:
    """What a database holds and what this program needs.

    Attributes:
        state: `missing` (no tables yet), `stale` (older), `current`, or `unknown` (written by a
            newer program, or not ours).
        found: the database's revision; None if it has none.
        needed: the revision of this program.
    """

    state: Literal["missing", "stale", "current", "unknown"]
    found: str | None
    needed: str

    @property
    def message(self) -> str:
        """What is the case and what to do about it."""
        match self.state:
            case "current":
                return f"the database's schema is current ({self.needed})"
            case "missing":
                return "the database has no tables yet: run `espalier db upgrade`"
            case "stale":
                return (
                    f"the database's schema is {self.found} and this version needs {self.needed}: "
                    f"stop the service, keep a copy of the database, run `espalier db upgrade`"
                )
            case "unknown":
                return (
                    f"the database's schema is {self.found}, which this version does not know "
                    f"(it needs {self.needed}): run the version of Espalier that wrote it"
                )


def check(engine: Engine) -> SchemaStatus:
    """Returns the state of the database's schema; changes nothing.

    Raises:
        DatabaseUnavailableError: it cannot be reached.
    """
    needed, known = _revisions()
    file = _sqlite_file(engine)
    if file is not None and not file.exists():  # to connect would make it
        return SchemaStatus("missing", None, needed)
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailableError(f"the database cannot be reached: {error.orig}") from error
    if found is None:
        return SchemaStatus("missing", None, needed)
    if found == needed:
        return SchemaStatus("current", found, needed)
    return SchemaStatus("stale" if found in known else "unknown", found, needed)


def upgrade(engine: Engine) -> SchemaStatus:
    """Brings the schema to this program's revision in one transaction; returns what it is then.

    A SQLite file is made, with its folder, if it is not there. Of several upgrades at once one does
    the work; the others wait for it and find nothing left to do.

    Raises:
        SchemaError: the database was written by a newer program.
        DatabaseUnavailableError: it cannot be reached, or others work on it for too long.
    """
    status = check(engine)
    if status.state == "unknown":
        raise SchemaError(status.message)
    file = _sqlite_file(engine)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    config = _config()
    try:
        with engine.execution_options(writes=True).begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailableError(f"the database cannot be upgraded: {error.orig}") from error
    return check(engine)


def is_empty(engine: Engine) -> bool:
    """Returns whether the database has no tables at all, ours or another program's.

    Raises:
        DatabaseUnavailableError: it cannot be reached.
    """
    file = _sqlite_file(engine)
    if file is not None and not file.exists():  # to connect would make it
        return True
    try:
        return not inspect(engine).get_table_names()
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailableError(f"the database cannot be reached: {error.orig}") from error


def require_current(engine: Engine) -> None:
    """Returns if the schema is this program's.

    Raises:
        SchemaError: it is not; names the command that mends it.
        DatabaseUnavailableError: it cannot be reached.
    """
    status = check(engine)
    if status.state != "current":
        raise SchemaError(status.message)


@cache  # to find out, every migration is run
def _revisions() -> tuple[str, frozenset[str]]:
    """Returns the revision of this program, and all that it knows."""
    script = ScriptDirectory.from_config(_config())
    needed = script.get_current_head()
    assert needed is not None
    return needed, frozenset(revision.revision for revision in script.walk_revisions())


def _sqlite_file(engine: Engine) -> Path | None:
    if engine.dialect.name != "sqlite":
        return None
    assert engine.url.database
    return Path(engine.url.database)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config

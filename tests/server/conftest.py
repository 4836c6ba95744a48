"""Databases of both dialects, each real."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from command_line import Result, Run
from live import Live, serving, sqlite_settings
from postgres_server import PostgresServer, find_programs
from sqlalchemy import Engine

from server import schema
from server.cli import main
from server.database import open_engine
from server.main import open_database, open_store
from server.settings import Settings
from server.store import Store

DIALECTS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server programs (initdb, pg_ctl) on this machine")
    server = PostgresServer(programs)
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database whose schema is current."""
    url = postgres.new_database()
    engine = open_engine(Settings(home=tmp_path_factory.mktemp("template"), database_url=url))
    schema.upgrade(engine)
    engine.dispose()
    return url.rpartition("/")[2]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file whose schema is current: to copy it is quicker than to migrate."""
    home = tmp_path_factory.mktemp("template")
    open_database(Settings(home=home)).dispose()  # the last connection writes the log back
    return home / "espalier.db"


@pytest.fixture(params=DIALECTS)
def empty_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings with an empty database of either dialect."""
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    settings = Settings(home=tmp_path / "home", database_url=url)
    settings.home.mkdir()
    return settings


@pytest.fixture(params=DIALECTS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings with a database of either dialect whose schema is current."""
    if request.param == "sqlite":
        return sqlite_settings(request.getfixturevalue("sqlite_template"), tmp_path / "home")
    template = request.getfixturevalue("postgres_template")
    url = request.getfixturevalue("postgres").new_database(template)
    return Settings(home=tmp_path / "home", database_url=url)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> Store:
    return Store(engine, max_lost_leases=2)


@pytest.fixture
def live(settings: Settings, store: Store) -> Iterator[Live]:
    """The application on a port, over a database of either dialect."""
    with serving(settings, store) as live:
        yield live


@pytest.fixture
def sqlite_live(sqlite_template: Path, tmp_path: Path) -> Iterator[Live]:
    """The application on a port, over SQLite, where the dialect makes no difference."""
    settings = sqlite_settings(sqlite_template, tmp_path / "home")
    store = open_store(settings)
    with serving(settings, store) as live:
        yield live
    store.close()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process, whose logging stays as it is."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        logging = structlog.get_config()
        try:
            with pytest.raises(SystemExit) as exit_info:
                main(arguments)
        finally:
            structlog.configure(**logging)
        captured = capsys.readouterr()
        return Result(exit_info.value.code or 0, captured.out, captured.err)  # type: ignore[arg-type]  # it is a number

    return run

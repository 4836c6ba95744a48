"""The only place where engine, store, artifacts, runner and application are wired together."""

import gc
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine

from server import schema
from server.app import build_app
from server.artifacts import open_artifacts
from server.configuration import unknown_variables
from server.database import open_engine
from server.duties import Duty, on_duty
from server.errors import KeysRequiredError
from server.logs import configure_logs
from server.outside.exchange import Exchange
from server.routes.common import Service
from server.settings import Settings
from server.store import Store
from server.supervisor import RunnerSupervisor
from server.turns import Turns
from server.uploads import UploadFiles

logger = structlog.get_logger(__name__)

_NO_KEYS = (
    "refusing to listen on {settings.host} without an API key (require_keys is "
    "{settings.require_keys}): whoever reached it could use it. Make one, which is shown once: "
    "espalier key create --name operator --scope read --scope submit --scope admin"
)
SETTLE_INTERVAL_S = 5.0
"""How late a waiting job's deadline is noticed where no runner lives."""

MAX_REGISTRATIONS = 2
"""Data sets that are read at once; each takes much memory."""

MAX_WAITING_REGISTRATIONS = 8
"""Beside them; each holds one of the forty threads that answer requests."""


def open_database(settings: Settings, *, create: bool = True) -> Engine:
    """Returns an engine for a database whose schema is current.

    The data folder is made if it is not there. A SQLite file that is not there or has no tables is
    set up; nothing else is changed without being asked for.

    Args:
        settings: the operator's.
        create: whether to set up what is not there. Not for what removes things: in a new database
            nothing refers to anything, so all there is would seem to be of no use.

    Raises:
        SchemaError: the schema is missing, stale or unknown; names the command that mends it.
        DatabaseUnavailableError: the database cannot be reached.
    """
    if create:
        settings.home.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings)
    try:
        if create and settings.is_sqlite and schema.check(engine).state == "missing":
            logger.info("new database", url=settings.database_url)
            schema.upgrade(engine)
        schema.require_current(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_store(settings: Settings, *, create: bool = True) -> Store:
    """Returns the store over the settings' database; the arguments are `open_database`'s.

    Raises:
        SchemaError: see `open_database`.
        DatabaseUnavailableError: the database cannot be reached.
    """
    return Store(open_database(settings, create=create), max_lost_leases=settings.max_lost_leases)


@contextmanager
def open_service(
    settings: Settings,
    *,
    stopping: threading.Event,
    supervisor: RunnerSupervisor | None = None,
) -> Iterator[FastAPI]:
    """Gives the application over the settings' database and files, and closes them at the end.

    Args:
        settings: the operator's.
        stopping: set when the server begins to shut down; streams of events end then.
        supervisor: of the runner, if the server keeps one.

    Raises:
        SchemaError: see `open_database`.
        DatabaseUnavailableError: the database cannot be reached.
        KeysRequiredError: the settings ask for keys, and none is valid.
        ConfigurationError: the storage of artifacts cannot be opened.
    """
    artifacts = open_artifacts(settings)
    engine = open_database(settings)
    store = Store(engine, max_lost_leases=settings.max_lost_leases)
    if settings.needs_keys and not store.has_valid_keys():
        store.close()
        raise KeysRequiredError(_NO_KEYS.format(settings=settings))
    uploads = UploadFiles(settings.uploads_folder)
    uploads.sweep(store)
    service = Service(
        settings=settings,
        store=store,
        exchange=Exchange(store),
        artifacts=artifacts,
        uploads=uploads,
        registrations=Turns(MAX_REGISTRATIONS, MAX_WAITING_REGISTRATIONS),
        streams=threading.BoundedSemaphore(settings.max_event_streams),
        schema_revision=schema.check(engine).needed,
        is_stopping=stopping.is_set,
        runner_state=lambda: supervisor.state if supervisor else "external",
    )
    try:
        with on_duty(store, [settling(leases=not settings.is_sqlite)]):
            yield build_app(service)
    finally:
        service.exchange.close()
        store.close()


def settling(*, leases: bool) -> Duty:
    """Returns what API servers do so that no job waits, or seems to run, for want of a runner.

    Args:
        leases: whether those that expired are settled. Not on SQLite: its one runner does it, and a
            lease that expired while the machine slept is no sign of death.
    """

    def settle(store: Store) -> None:
        num_settled = store.settle_jobs(leases=leases)
        if num_settled:
            logger.info("settled jobs", count=num_settled)

    return Duty("jobs", SETTLE_INTERVAL_S, settle)


class _Server(uvicorn.Server):
    """Tells streams of events to end when the server is asked to.

    uvicorn waits for open responses before it runs the application's own shutdown, which is too
    late for responses that do not end by themselves.
    """

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handles SIGINT and SIGTERM: ends gracefully; at a second SIGINT, at once.

        uvicorn's own handler would raise the signal again once the server has ended, and so kill
        this process before its runner has been stopped.
        """
        del frame
        self._stopping.set()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


BACKLOG = 1024
"""Connections that may wait to be accepted."""


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens on an address.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, which sockets are not by default: only then does asyncio switch off Nagle's
    # algorithm for connections, which holds back every small answer for 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    logger.info("listening", host=host, port=listener.getsockname()[1])
    return listener


def serve(settings: Settings, *, with_runner: bool = True) -> None:
    """Serves the API until SIGINT or SIGTERM, with one runner as a child process.

    Requests in flight, streams and then the runner get `shutdown_seconds` each to end.

    Args:
        settings: the operator's.
        with_runner: whether to keep a runner; without one, `espalier runner` must be started.

    Raises:
        SchemaError: see `open_database`.
        DatabaseUnavailableError: the database cannot be reached.
        KeysRequiredError: the settings ask for keys, and none is valid.
        OSError: the port is taken.
    """
    configure_logs(settings.log_level, settings.log_format)
    for variable, nearest in unknown_variables(os.environ, Settings.model_fields).items():
        logger.warning("variable is no setting", variable=variable, nearest=nearest)
    stopping = threading.Event()
    supervisor = RunnerSupervisor(settings) if with_runner else None
    with open_service(settings, stopping=stopping, supervisor=supervisor) as app:
        # What the start has made lives as long as the process: the collector need not look at it
        # again and again, which takes a tenth of a busy server's time.
        gc.collect()
        gc.freeze()
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=round(settings.shutdown_seconds) or 1,
        )
        server = _Server(config, stopping)
        with listen(settings.host, settings.port) as listener:
            if supervisor:
                supervisor.start()
            try:
                server.run(sockets=[listener])
            finally:
                stopping.set()
                if supervisor:
                    supervisor.stop(settings.shutdown_seconds)

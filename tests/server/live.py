"""The real application on a real port, served by uvicorn in a thread."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn

from server.local_service import service_environment
from server.main import listen, open_service
from server.settings import Settings
from server.store import Store


class Live:
    """A running service as a client and a runner see it."""

    def __init__(self, client: httpx.Client, store: Store, settings: Settings) -> None:
        self.client = client
        self.store = store
        self.settings = settings
        self.stopping = threading.Event()


def sqlite_settings(template: Path, home: Path) -> Settings:
    """Settings with a copy of a SQLite database."""
    home.mkdir()
    shutil.copyfile(template, home / template.name)
    return Settings(home=home)


@contextmanager
def serving(settings: Settings, store: Store) -> Iterator[Live]:
    """Serves the application until the end of the block.

    Args:
        settings: with a database whose schema is current.
        store: over the same database; plays the runner's part.
    """
    stopping = threading.Event()
    with open_service(settings, stopping=stopping) as app:
        config = uvicorn.Config(
            app, port=0, log_config=None, access_log=False, timeout_graceful_shutdown=5
        )
        server = uvicorn.Server(config)
        with listen("127.0.0.1", 0) as socket:
            port = socket.getsockname()[1]
            thread = threading.Thread(target=server.run, args=([socket],))
            thread.start()
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            try:
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                    live = Live(client, store, settings)
                    live.stopping = stopping
                    yield live
            finally:
                stopping.set()
                server.should_exit = True
                thread.join()


@contextmanager
def serve_process(home: Path, port: int, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """The service without a runner, in a process that the block may kill."""
    command = [sys.executable, "-m", "server.cli", "serve", "--no-runner"]
    environment = service_environment(os.environ, home, port) | variables
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()

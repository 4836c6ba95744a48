"""`espalier serve`, `runner`, `demo` and `status`: a service here, and whether one is well."""

import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.common import JsonOption, UrlOption, open_client, output_console, show
from server.cli.tables import facts
from server.client import DEFAULT_URL
from server.processes import stop_with_parent

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="The data folder; by default $ESPALIER_HOME.", file_okay=False),
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file to the application."""
    app.command("serve")(serve)
    app.command("runner")(runner)
    app.command("status")(status)
    app.command("demo")(demo)


def serve(
    home: HomeOption = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes a free one.")] = None,
    with_runner: Annotated[
        bool, typer.Option("--runner/--no-runner", help="Whether to keep a runner beside it.")
    ] = True,
    supervised: Annotated[
        bool, typer.Option("--supervised", hidden=True, help="Stop when standard input ends.")
    ] = False,
) -> None:
    """Run the service, by default with one runner; settings are ESPALIER_* variables."""
    from server import main
    from server.settings import Settings

    given: dict[str, Any] = {"home": home, "host": host, "port": port}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    if supervised:
        stop_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    main.serve(settings, with_runner=with_runner)


def runner() -> None:
    """Run one more runner of jobs (on SQLite: the only one)."""
    # By name: this process is to need neither torch nor ray until it becomes a runner.
    sys.exit(importlib.import_module("server.runner").main())


def status(url: UrlOption = DEFAULT_URL, as_json: JsonOption = False) -> None:
    """Say whether the service is well; exit with 1 unless it is."""
    with open_client(url) as client:
        ready, program = client.ready(), client.version()
    lines = {
        "status": ready.status,
        "version": f"{program.version}, schema {ready.schema_revision}",
        "runner": ready.runner,
        "runners alive": ready.runners_alive,
        "waiting jobs": ready.waiting_jobs,
    }
    show(facts(lines), ready, as_json=as_json)
    if ready.status != "ok":
        raise typer.Exit(1)


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where all its files go.", file_okay=False)
    ] = Path("demo-output"),
    home: HomeOption = None,
) -> None:
    """Train, search and export a network on the digits data, through the API."""
    from server.demo import run_demo

    run_demo(output, home or output / "home", output_console())

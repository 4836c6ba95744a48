"""All commands in one application, and how their errors are told."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from server.cli import (
    access,
    assessments,
    campaigns,
    compare,
    comparisons,
    configuration,
    database,
    evaluating,
    jobs,
    operations,
    refinements,
    resources,
    searches,
    stored_files,
    webhooks,
)
from server.client import ClientError
from server.configuration import FILE_VARIABLE, ConfigurationError, masked
from server.errors import ServerError

app = typer.Typer(
    name="espalier",
    help="Train one weight-sharing network; pick the sub-network that fits each device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
operations.add_to(app)
app.add_typer(jobs.app, name="job")
app.command("runners")(jobs.list_runners)
resources.add_to(app)
assessments.add_to(resources.supernet_app)
comparisons.add_to(searches.app)
evaluating.add_to(searches.app)
app.add_typer(searches.app, name="search")
app.command("compare")(compare.compare)
app.command("refine")(refinements.refine)
app.add_typer(refinements.app, name="refinement")
app.command("export")(searches.export)
app.add_typer(campaigns.app, name="campaign")
app.add_typer(database.app, name="db")
app.add_typer(stored_files.app, name="artifacts")
app.add_typer(configuration.app, name="config")
app.add_typer(webhooks.app, name="webhook")
app.add_typer(access.key_app, name="key")
app.add_typer(access.project_app, name="project")
app.command("audit")(access.audit)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("espalier"))
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="A TOML file of settings; by default $ESPALIER_CONFIG."),
    ] = None,
) -> None:
    """Holds the options of `espalier` itself."""
    from server.logs import configure_command_logs

    configure_command_logs()
    if config is not None:
        context.with_resource(_variable(FILE_VARIABLE, str(config.absolute())))


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Sets a variable of the environment while a command runs: its children are to see it, too."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and exits: 0, 1 with what went wrong on standard error, 2 for usage.

    Args:
        arguments: of the command line, without the program's name; the process's own if None.
    """
    try:
        app(arguments, prog_name="espalier")
    except ValidationError as error:  # settings of the environment
        _fail([_setting_text(fault) for fault in error.errors()])
    except (ClientError, ServerError, ConfigurationError, SettingsError) as error:
        _fail(str(error).splitlines())
    except OSError as error:
        _fail([f"{error.filename}: {error.strerror}" if error.filename else str(error)])


def _setting_text(fault: Mapping[str, Any]) -> str:
    name = ".".join(map(str, fault["loc"]))
    if fault["type"] == "value_error":  # our own rules say themselves what was given
        return f"setting {name}: {fault['msg'].removeprefix('Value error, ')}"
    return f"setting {name}: {fault['msg']}, got {masked(name, fault['input'])!r}"


def _fail(lines: Sequence[str]) -> None:
    for line in lines:
        typer.echo(f"espalier: {line}", err=True)
    sys.exit(1)

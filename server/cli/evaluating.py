"""`espalier search evaluate`: a command of the user's own evaluates a search's proposals."""

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from search_space.space import Option
from server.cli.common import UrlOption, open_client
from server.cli.searches import SearchArgument
from server.client import DEFAULT_URL
from server.schemas.outside import LeaseView

_MAX_SHOWN = 500


def add_to(app: typer.Typer) -> None:
    """Adds the command to `espalier search`."""
    app.command("evaluate")(evaluate_search)


def evaluate_search(
    search_id: SearchArgument,
    command: Annotated[
        str,
        typer.Option(
            "--command",
            help="Given an architecture as JSON on its standard input, prints its metrics as a "
            'JSON object, or {"infeasible": "why"}. A failure is told as one.',
        ),
    ],
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Proposals to lease at once.")] = 1,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Commands to run at once.")] = 1,
    worker: Annotated[str | None, typer.Option(help="Who evaluates, for people to read.")] = None,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout", min=0.1, help="Seconds that one command may take.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Evaluate a search's proposals on this machine, until the search has ended."""
    arguments = _arguments(command)

    def show(lease: LeaseView, outcome: Outcome) -> None:
        typer.echo(f"{lease.number} {lease.architecture_digest} {_text(outcome)}")

    with open_client(url) as client:
        client.evaluate(
            search_id,
            lambda architecture: run_command(arguments, architecture, timeout_s),
            batch=batch,
            threads=threads,
            worker=worker,
            on_told=show,
        )
        status = client.search(search_id).status
    typer.echo(f"the search has {status}", err=True)


def _arguments(command: str) -> list[str]:
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise typer.BadParameter(f"--command cannot be read: {error}") from None
    if not arguments:
        raise typer.BadParameter("--command must name a program")
    return arguments


def run_command(
    arguments: Sequence[str], architecture: Mapping[str, Option], timeout_s: float | None
) -> Outcome:
    """Returns what a command finds out about an architecture.

    Raises:
        OSError: it cannot be started, which is no fault of the architecture.
    """
    try:
        done = subprocess.run(  # noqa: S603 -- the user's own command, on the user's machine
            arguments,
            input=json.dumps(dict(architecture)).encode(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Failed(f"the command took longer than {timeout_s} s")
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").replace("\0", "").strip()[-_MAX_SHOWN:]
        return Failed(f"the command ended with status {done.returncode}: {words}")
    return _outcome(done.stdout)


def _outcome(output: bytes) -> Outcome:
    try:
        document = json.loads(output)
        if isinstance(document, dict) and set(document) == {"infeasible"}:
            return Infeasible(str(document["infeasible"]) or "the command did not say why")
        if not isinstance(document, dict) or not document:
            raise TypeError("it must be an object with a number for each metric")
        return Measured({name: float(value) for name, value in document.items()})
    except (ValueError, TypeError) as error:
        shown = output.decode(errors="replace").replace("\0", "").strip()[:_MAX_SHOWN]
        return Failed(f"the command did not print metrics: {error}; it printed {shown!r}")


def _text(outcome: Outcome) -> str:
    match outcome:
        case Measured(metrics):
            return ", ".join(f"{name} {value:g}" for name, value in metrics.items())
        case Infeasible(reason):
            return f"infeasible: {reason}"
        case Failed(reason):
            return f"failed: {reason}"

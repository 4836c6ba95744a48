"""What the commands share: their options, how they read documents and print results."""

import json
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel
from rich.console import Console, RenderableType

from server.client import KEY_VARIABLE, Client, parse_url

View = TypeVar("View", bound=BaseModel)

PIPED_WIDTH = 160
"""Tables that no terminal shows are not squeezed into its width."""


def _check_url(url: str) -> str:
    try:
        parse_url(url)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return url


UrlOption = Annotated[
    str,
    typer.Option(
        "--url", envvar="ESPALIER_URL", callback=_check_url, help="Address of the service."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")]
FileArgument = Annotated[
    typer.FileText, typer.Argument(metavar="FILE.json", help="A JSON document; - reads it.")
]


def open_client(url: str) -> Client:
    """Returns a client of the service at an address that was checked.

    It sends the API key of the environment. There is no option for it: all users of a machine see
    the options of a command.

    Raises:
        typer.BadParameter: what the environment holds is no key.
    """
    try:
        return Client(url)
    except ValueError as error:
        raise typer.BadParameter(f"{KEY_VARIABLE}: {error}") from None


def read_document(file: typer.FileText) -> dict[str, Any]:
    """Returns the JSON object in a file.

    Raises:
        typer.BadParameter: it holds something else.
    """
    try:
        document = json.load(file)
    except ValueError as error:
        raise typer.BadParameter(f"{file.name} must hold JSON: {error}") from None
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise typer.BadParameter(f"{file.name} must hold a JSON object, got a {kind}")
    return document


def newest(items: Iterable[View], limit: int) -> list[View]:
    """Returns the first items of a list, reading no more pages than needed."""
    return list(islice(items, limit))


def show(table: RenderableType, value: BaseModel | Sequence[BaseModel], *, as_json: bool) -> None:
    """Prints a table, or what it shows as JSON, to standard output."""
    if as_json:
        print_json(value)
    else:
        output_console().print(table)


def print_json(value: BaseModel | Sequence[BaseModel]) -> None:
    """Prints models as JSON to standard output."""
    values = (
        value.model_dump(mode="json")
        if isinstance(value, BaseModel)
        else [item.model_dump(mode="json") for item in value]
    )
    typer.echo(json.dumps(values, indent=2))


def output_console() -> Console:
    """Returns the console of results: standard output.

    What is printed is shown as it is: names that people gave may look like rich's markup.
    """
    width = None if sys.stdout.isatty() else PIPED_WIDTH
    return Console(width=width, highlight=False, markup=False)


def message_console() -> Console:
    """Returns the console of all that is no result: standard error; no markup there, either."""
    return Console(stderr=True, highlight=False, markup=False)


def write_file(path: Path, content: bytes) -> None:
    """Writes a file that the user named, making its folder.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)

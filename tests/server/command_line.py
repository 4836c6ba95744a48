"""Commands of the command line, run in this process."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click
import typer

from server.cli.app import app


@dataclass(frozen=True)
class Result:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The words on standard error, without the frame around errors of usage."""
        return " ".join(self.err.replace("│", " ").split())


Run = Callable[..., Result]


def check_command(words: Sequence[str]) -> None:
    """Returns if our command line takes it, as far as its parser goes.

    Raises:
        click.UsageError: it does not; `click.BadParameter` where only a value is amiss.
    """
    assert words[0] == "espalier"
    command: click.Command = typer.main.get_command(app)
    context = click.Context(command, info_name="espalier")
    rest = list(words[1:])
    while isinstance(command, click.Group):
        while rest and rest[0].startswith("--"):  # options of `espalier` itself, with their values
            del rest[:2]
        if not rest:
            return
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    command.parse_args(context, rest)

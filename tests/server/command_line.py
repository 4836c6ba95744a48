"""Commands of the command line, run in this process."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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
        typer.BadParameter: a value is amiss or missing.
        Exception: there is no such command, option or argument.
    """
    assert words[0] == "espalier"
    command: Any = typer.main.get_command(app)
    context = command.context_class(command, info_name="espalier")
    rest = list(words[1:])
    while hasattr(command, "resolve_command"):  # it is a group
        while rest and rest[0].startswith("--"):  # options of `espalier` itself, with their values
            del rest[:2]
        if not rest:
            return
        name, found, rest = command.resolve_command(context, rest)
        command, context = found, found.context_class(found, info_name=name, parent=context)
    command.parse_args(context, rest)

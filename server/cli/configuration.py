"""`espalier config`: what is set, and by what."""

import json
import os
from typing import Annotated

import typer

from server.cli.common import message_console, output_console
from server.cli.tables import new_table

app = typer.Typer(help="Show the settings.", no_args_is_help=True)


@app.command("show")
def show_settings(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Print every setting as it is in force, and what set it; secrets are masked."""
    from server.configuration import effective, unknown_variables
    from server.settings import Settings

    values = effective(Settings(), os.environ)
    if as_json:
        found = {value.name: {"value": value.value, "source": value.source} for value in values}
        typer.echo(json.dumps(found, indent=2))
    else:
        table = new_table("setting", "value", "set by")
        for value in values:
            table.add_row(value.name, value.value, value.source)
        output_console().print(table)
    for variable, nearest in unknown_variables(os.environ, Settings.model_fields).items():
        hint = f"; did you mean {nearest}?" if nearest else ""
        message_console().print(f"{variable} is no setting{hint}")

"""`espalier artifacts`: the files behind the rows."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from server.cli.common import output_console
from server.cli.tables import count_text, facts

app = typer.Typer(help="Check the stored files, and remove garbage.", no_args_is_help=True)


@app.command("check")
def check_files(
    digests: Annotated[
        bool, typer.Option("--digests/--no-digests", help="Whether to read every file.")
    ] = True,
) -> None:
    """Hold the files against the database; exit with 1 if one is missing or damaged."""
    inventory, *_ = _look(verify=digests)
    _report(inventory)
    if not inventory.is_whole:
        raise typer.Exit(1)


@app.command("gc")
def collect_garbage(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Remove nothing; say what would go.")
    ] = False,
) -> None:
    """Remove files that no row refers to and that are older than artifacts_grace_hours."""
    from server.maintenance import garbage

    inventory, artifacts, store = _look(verify=False)
    _report(inventory)
    if not dry_run:
        freed = garbage.collect_garbage(artifacts, store, inventory)
        typer.echo(f"removed {count_text(freed)}B")
    store.close()


def _look(*, verify: bool) -> tuple[Any, Any, Any]:
    """Returns the inventory, the files and the database of the settings."""
    from server.artifacts import open_artifacts
    from server.main import open_store
    from server.maintenance.garbage import take_inventory
    from server.settings import Settings

    settings = Settings()
    store, artifacts = open_store(settings, create=False), open_artifacts(settings)
    grace = timedelta(hours=settings.artifacts_grace_hours)
    return take_inventory(artifacts, store, grace, verify=verify), artifacts, store


def _report(inventory: Any) -> None:
    garbage = sum(file.size_bytes for file in inventory.garbage)
    numbers = {
        "files": f"{inventory.num_files:,}, {count_text(inventory.size_bytes)}B",
        "garbage": f"{len(inventory.garbage):,}, {count_text(garbage)}B",
        "too young to be garbage": f"{inventory.num_young:,}",
    }
    output_console().print(facts(numbers))
    for word, found in (
        ("is missing", inventory.missing),
        ("has another size than recorded", inventory.wrong_size),
        ("is damaged", inventory.damaged),
    ):
        for artifact in found:
            typer.echo(f"artifact {artifact.sha256} {word}", err=True)

"""`espalier db`: the database's schema, its backups, and what is old in it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from server.cli.common import output_console
from server.cli.tables import count_text, new_table

app = typer.Typer(help="Check, upgrade, back up and prune the database.", no_args_is_help=True)


@app.command("check")
def check_schema() -> None:
    """Say whether the database has this version's schema; exit with 1 if not."""
    from server import schema
    from server.database import open_engine
    from server.settings import Settings

    status = schema.check(open_engine(Settings()))
    current = status.state == "current"
    typer.echo(status.message, err=not current)
    if not current:
        raise typer.Exit(1)


@app.command("upgrade")
def upgrade_schema() -> None:
    """Bring the database to this version's schema, making it if there is none."""
    from server import schema
    from server.database import open_engine
    from server.settings import Settings

    settings = Settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    typer.echo(schema.upgrade(open_engine(settings)).message)


@app.command("backup")
def back_up(
    target: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A new folder.", file_okay=False)
    ],
    artifacts: Annotated[
        Literal["copy", "link", "none"],
        typer.Option(help="The artifacts: copied, as hard links on the same disk, or left out."),
    ] = "copy",
) -> None:
    """Write a consistent copy while the service runs, and verify it."""
    from server.artifacts import open_artifacts
    from server.database import open_engine
    from server.maintenance import backup
    from server.settings import Settings

    settings = Settings()
    manifest = backup.back_up(
        settings,
        open_engine(settings),
        open_artifacts(settings),
        target,
        files=artifacts,
        now=datetime.now(UTC),
    )
    typer.echo(f"{target}: {_contents(manifest)}")


@app.command("verify")
def verify_backup(
    backup_folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A backup.")],
) -> None:
    """Compare every digest of a backup; exit with 1 if something is not what was backed up."""
    from server.maintenance import backup

    typer.echo(f"{backup_folder} is whole: {_contents(backup.verify(backup_folder))}")


@app.command("restore")
def restore_backup(
    backup_folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A backup.")],
) -> None:
    """Bring a backup into an empty database, and its files into the artifact store."""
    from server.artifacts import open_artifacts
    from server.database import open_engine
    from server.maintenance import backup
    from server.settings import Settings

    settings = Settings()
    engine = open_engine(settings)
    manifest = backup.restore(settings, engine, open_artifacts(settings), backup_folder)
    typer.echo(f"restored {_contents(manifest)}")


@app.command("prune")
def prune(
    days: Annotated[
        float | None,
        typer.Option(
            "--older-than",
            metavar="DAYS",
            min=0,
            help="How old it must be; by default the setting retention_days.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="KIND", help="A kind to prune; may be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Remove nothing; say what would go.")
    ] = False,
) -> None:
    """Remove what is old and of no use; never results, nor what something refers to."""
    from server.main import open_store
    from server.maintenance.retention import KINDS, ORDINARY_KINDS, pruner_of
    from server.settings import Settings

    settings = Settings()
    days = settings.retention_days if days is None else days
    if days is None:
        rule = "must be given, as the setting retention_days is not set"
        raise typer.BadParameter(rule, param_hint="--older-than")
    for kind in only or ():
        if kind not in KINDS:
            rule = f"must be one of {', '.join(KINDS)}, got {kind!r}"
            raise typer.BadParameter(rule, param_hint="--only")
    store = open_store(settings, create=False)
    number = "would go" if dry_run else "removed"
    table = new_table("kind", number, "size", right=(number, "size"))
    pruned = pruner_of(store, settings).prune(
        timedelta(days=days), kinds=only or ORDINARY_KINDS, dry_run=dry_run
    )
    for part in pruned:
        size = "" if part.size_bytes is None else f"{count_text(part.size_bytes)}B"
        table.add_row(part.kind, f"{part.count:,}", size)
    output_console().print(table)
    store.close()


def _contents(manifest: Any) -> str:
    """Returns what a backup holds, in words."""
    size = count_text(manifest.database["size_bytes"])
    text = f"{manifest.dialect} database of schema {manifest.schema_revision}, {size}B"
    if manifest.files == "none":
        return f"{text}, without artifacts"
    total = sum(artifact["size_bytes"] for artifact in manifest.artifacts)
    return f"{text}, and {len(manifest.artifacts):,} artifacts, {count_text(total)}B"

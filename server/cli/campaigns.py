"""`espalier campaign`: schedules that submit searches again and again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, cast

import typer
from rich.table import Table
from rich.text import Text

from server.cli.common import (
    FileArgument,
    JsonOption,
    LimitOption,
    UrlOption,
    newest,
    open_client,
    output_console,
    print_json,
    read_document,
    show,
    write_file,
)
from server.cli.searches import check_suffix, download_all
from server.cli.tables import facts, new_table
from server.client import DEFAULT_URL
from server.schemas.campaigns import BestView, CampaignView, NextView, OccurrenceView

app = typer.Typer(help="Run searches on a schedule.", no_args_is_help=True)

CampaignArgument = Annotated[
    str, typer.Argument(metavar="CAMPAIGN", help="A campaign's name or id.")
]

STATUS_STYLES = {
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "skipped": "dim",
}


@app.command("create")
def create(file: FileArgument, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL) -> None:
    """Begin the campaign that a JSON document describes."""
    document = read_document(file)
    with open_client(url) as client:
        campaign = client.create_campaign(document)
    show(_facts(campaign), campaign, as_json=as_json)


@app.command("list")
def list_all(
    limit: LimitOption = 20, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """List campaigns, newest first."""
    with open_client(url) as client:
        campaigns = newest(client.campaigns(), limit)
    table = new_table("campaign", "status", "schedule", "next", "started", right=("started",))
    for one in campaigns:
        times = (_schedule(one), _time(one.next_at))
        table.add_row(one.name, one.status, *times, str(one.num_started))
    show(table, campaigns, as_json=as_json)


@app.command("show")
def show_one(
    campaign: CampaignArgument, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """Show a campaign."""
    with open_client(url) as client:
        found = client.campaign(campaign)
    show(_facts(found), found, as_json=as_json)


@app.command("pause")
def pause(campaign: CampaignArgument, url: UrlOption = DEFAULT_URL) -> None:
    """Stop a campaign from firing; what is running goes on."""
    with open_client(url) as client:
        typer.echo(f"{campaign} is {client.pause_campaign(campaign).status}")


@app.command("resume")
def resume(campaign: CampaignArgument, url: UrlOption = DEFAULT_URL) -> None:
    """Let a campaign fire again; the times in between are skipped."""
    with open_client(url) as client:
        resumed = client.resume_campaign(campaign)
    typer.echo(f"{campaign} is {resumed.status}, next at {_time(resumed.next_at)}")


@app.command("run")
def run(
    campaign: CampaignArgument, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """Fire a campaign now, beside its schedule."""
    with open_client(url) as client:
        occurrence = client.run_campaign(campaign)
    show(_history([occurrence]), occurrence, as_json=as_json)
    if not as_json:
        _print_reasons([occurrence])


@app.command("next")
def list_times(
    campaign: CampaignArgument,
    count: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 10,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """List the next times of a campaign, in UTC."""
    with open_client(url) as client:
        times = client.next_times(campaign, count)
    if as_json:
        print_json(NextView(items=times))
    else:
        for moment in times:
            typer.echo(_time(moment))


@app.command("history")
def history(
    campaign: CampaignArgument,
    limit: LimitOption = 20,
    status: Annotated[str | None, typer.Option(help="Only those of this status.")] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw hypervolumes: *.png or *.svg.")
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """List what became of a campaign's times, newest first."""
    if plot is not None:
        check_suffix(plot)
    with open_client(url) as client:
        occurrences = newest(client.occurrences(campaign, status=status), limit)
        if plot is not None:
            started = next((one for one in occurrences if one.searches), None)
            if started is None:
                raise typer.BadParameter("there is nothing to draw: nothing was started yet")
            image_format = cast("Literal['png', 'svg']", plot.suffix[1:])
            write_file(plot, client.occurrence_picture(campaign, started.id, image_format))
            typer.echo(f"wrote {plot}", err=True)
    show(_history(occurrences), occurrences, as_json=as_json)
    if not as_json:
        _print_reasons(occurrences)


@app.command("best")
def best(
    campaign: CampaignArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", file_okay=False, help="Download its files to a folder."),
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Show a campaign's best network; download it."""
    with open_client(url) as client:
        found = client.best(campaign)
        if output is not None:
            download_all(client, found.export.files, output)
    show(_best(found), found, as_json=as_json)
    if output is not None:
        typer.echo(f"in {output}", err=True)


@app.command("delete")
def delete(campaign: CampaignArgument, url: UrlOption = DEFAULT_URL) -> None:
    """Remove a campaign and its history; what its jobs made stays."""
    with open_client(url) as client:
        client.delete_campaign(campaign)
    typer.echo(f"deleted {campaign}")


def _time(moment: datetime | None) -> str:
    return "never" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _schedule(campaign: CampaignView) -> str:
    schedule = campaign.schedule
    match schedule["kind"]:
        case "cron":
            return f"{schedule['expression']} {schedule['time_zone']}"
        case "interval":
            return f"every {schedule['every_seconds']} s"
        case _:
            return "once"


def _facts(campaign: CampaignView) -> Table:
    usage = campaign.usage
    return facts(
        {
            "campaign": campaign.name,
            "id": campaign.id,
            "status": campaign.status,
            "schedule": _schedule(campaign),
            "next": _time(campaign.next_at),
            "supernet": campaign.supernet,
            "started": campaign.num_started,
            "used": f"{usage.evaluations} evaluations, {usage.worker_hours:.2f} worker-hours",
            "best": campaign.best,
        }
    )


def _history(occurrences: Sequence[OccurrenceView]) -> Table:
    table = new_table("occurrence", "at", "status", "searches", right=("searches",))
    for one in occurrences:
        status = Text(one.status, style=STATUS_STYLES.get(one.status, ""))
        if one.firings > 1:
            status.append(f" x {one.firings}")
        table.add_row(one.id, _time(one.fire_at), status, str(len(one.searches)))
    return table


def _print_reasons(occurrences: Sequence[OccurrenceView]) -> None:
    for one in occurrences:
        if one.reason:
            output_console().print(f"{_time(one.fire_at)}: {one.reason}", style="dim")


def _best(best: BestView) -> Table:
    promotion = best.promotion
    return facts(
        {
            "campaign": best.campaign,
            "export": promotion.export,
            "architecture": promotion.architecture_digest,
            "since": _time(promotion.created_at),
            "why": promotion.reason,
            **{name: f"{value:g}" for name, value in promotion.figures["metrics"].items()},
        }
    )

"""`espalier search compare` and `evaluations`: how searches went, and all that they measured."""

import sys
from pathlib import Path
from typing import Annotated, Literal, cast

import typer
from rich.table import Table

from server.cli.common import JsonOption, UrlOption, open_client, output_console, show, write_file
from server.cli.searches import SearchArgument, check_suffix
from server.cli.tables import new_table, status_text
from server.client import DEFAULT_URL
from server.schemas.comparisons import ComparisonView


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file to those of searches."""
    app.command("compare")(compare)
    app.command("evaluations")(evaluations)


def _check_reference(points: list[str]) -> list[str]:
    for point in points:
        metric, _, number = point.rpartition(":")
        try:
            float(number)
        except ValueError:
            metric = ""
        if not metric:
            raise typer.BadParameter(f"must be METRIC:NUMBER, got {point!r}")
    return points


def _check_plot(path: Path | None) -> Path | None:
    return None if path is None else check_suffix(path)


def compare(
    search_ids: Annotated[list[str], typer.Argument(metavar="SEARCH...", help="Searches' ids.")],
    plot: Annotated[
        Path | None,
        typer.Option("--plot", callback=_check_plot, help="Draw it, too: *.png or *.svg."),
    ] = None,
    reference: Annotated[
        list[str],
        typer.Option(
            "--reference",
            callback=_check_reference,
            help="METRIC:NUMBER for each objective; by default beyond the worst measured.",
        ),
    ] = [],  # noqa: B006 -- typer copies it
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Compare how good the fronts of searches of one problem became, and how fast."""
    point = {metric: float(number) for metric, _, number in (p.rpartition(":") for p in reference)}
    with open_client(url) as client:
        comparison = client.compare(search_ids, point)
        if plot is not None:
            image_format = cast("Literal['png', 'svg']", plot.suffix[1:])
            write_file(plot, client.comparison_picture(search_ids, image_format, point))
    show(comparison_table(comparison), comparison, as_json=as_json)
    if not as_json:
        for note in comparison_notes(comparison):
            output_console().print(note, style="dim")
    if plot is not None:
        typer.echo(f"wrote {plot}", err=True)


def comparison_table(comparison: ComparisonView) -> Table:
    """Returns the searches side by side, the best first."""
    numbers = ["seed", "evaluations", "volume %", "to 95 %", "front", "on joint"]
    table = new_table("search", "searcher", *numbers, "status", right=numbers)
    for item in sorted(comparison.items, key=lambda item: -item.hypervolume):
        reached = item.evaluations_to["95"]
        table.add_row(
            item.name,
            str(item.searcher["kind"]),
            str(item.seed),
            str(item.evaluations),
            "-" if item.share_percent is None else f"{item.share_percent:.1f}",
            "-" if reached is None else str(reached),
            str(item.front_size),
            str(item.on_joint_front),
            status_text(item.status),
        )
    return table


def comparison_notes(comparison: ComparisonView) -> list[str]:
    """Returns the sentences that belong below a comparison's table."""
    if comparison.reference is None:
        return ["nothing feasible was measured yet"]
    point = ", ".join(f"{metric} {value:.6g}" for metric, value in comparison.reference.items())
    notes = [
        "volume: of the front, in percent of that of all searches' points together",
        f"measured from {point} ({comparison.reference_source})",
    ]
    if not comparison.same_evaluator:
        notes.append("NOT evaluated in one way: figures may differ for other reasons")
    return notes


def evaluations(
    search_id: SearchArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file; standard output by default.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Write all that a search was told as JSON lines."""
    with open_client(url) as client:
        lines = (
            f"{one.model_dump_json()}\n" for one in client.evaluations_in_bulk(search_id=search_id)
        )
        if output is None:
            sys.stdout.writelines(lines)
            return
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("w") as file:
            file.writelines(lines)
    typer.echo(f"wrote {output}", err=True)

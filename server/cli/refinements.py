"""`espalier refine` and `espalier refinement`: the best of a front, fine-tuned."""

from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli import result_tables, tables
from server.cli.common import (
    JsonOption,
    LimitOption,
    UrlOption,
    newest,
    open_client,
    output_console,
    show,
)
from server.cli.job_options import (
    AfterOption,
    DeadlineOption,
    PriorityOption,
    with_job_options,
)
from server.cli.jobs import exit_unless_succeeded, follow
from server.cli.searches import SearchArgument, download_all
from server.client import DEFAULT_URL, Client
from server.schemas.refinements import RefinementView

app = typer.Typer(help="See what refinements came to.", no_args_is_help=True)

OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", file_okay=False, help="Write the files here, a folder per network."
    ),
]


def refine(
    search_id: SearchArgument,
    count: Annotated[
        int, typer.Option(min=1, help="Points of the front, by its first objective.")
    ] = 3,
    runs: Annotated[
        int, typer.Option(min=1, help="Fine-tunings of each; several make a soup.")
    ] = 1,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of each fine-tuning.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At its peak.")] = None,
    export: Annotated[
        bool, typer.Option("--export/--no-export", help="Whether to write files.")
    ] = True,
    report_test: Annotated[
        bool, typer.Option("--report-test", help="Read the test split, once, for the best.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    name: Annotated[str | None, typer.Option(help="By default that of the search.")] = None,
    output: OutputOption = None,
    priority: PriorityOption = None,
    deadline: DeadlineOption = None,
    after: AfterOption = None,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Fine-tune the best networks of a search's front; show each before and after."""
    training = {"epochs": epochs, "learning_rate": learning_rate}
    with open_client(url) as client:
        body: dict[str, Any] = {
            "name": name or client.search(search_id).name,
            "search": search_id,
            "count": count,
            "runs": runs,
            "training": {key: value for key, value in training.items() if value is not None},
            "export": export,
            "report_test": report_test,
            "seed": seed,
        }
        submitted = client.create_refinement(with_job_options(body, priority, deadline, after))
        typer.echo(f"refinement {submitted.id}", err=True)
        exit_unless_succeeded(follow(client, submitted.job))
        done = client.refinement(submitted.id)
        if output is not None:
            _download(client, done, output)
    _show(done, as_json=as_json)


@app.command("show")
def show_refinement(
    refinement_id: Annotated[str, typer.Argument(metavar="REFINEMENT", help="Its id.")],
    output: OutputOption = None,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Show the networks of a refinement before and after."""
    with open_client(url) as client:
        refinement = client.refinement(refinement_id)
        if output is not None:
            _download(client, refinement, output)
    _show(refinement, as_json=as_json)


@app.command("list")
def list_refinements(
    limit: LimitOption = 20, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """List refinements, newest first."""
    with open_client(url) as client:
        refinements = newest(client.refinements(), limit)
    show(result_tables.refinements_table(refinements), refinements, as_json=as_json)


def _show(refinement: RefinementView, *, as_json: bool) -> None:
    show(result_tables.refinement_table(refinement), refinement, as_json=as_json)
    if as_json:
        return
    for note in result_tables.refinement_notes(refinement):
        output_console().print(note, style="dim")
    if refinement.test_report:
        typer.echo(f"{refinement.reported}: {tables.test_text(refinement.test_report)}")


def _download(client: Client, refinement: RefinementView, folder: Path) -> None:
    for network in refinement.networks:
        download_all(client, network.files, folder / network.architecture_digest)
    typer.echo(f"in {folder}", err=True)

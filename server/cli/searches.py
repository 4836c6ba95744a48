"""`espalier search` and `espalier export`: from a document to a network in files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from server.cli import result_tables, tables
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
from server.cli.job_options import (
    AfterOption,
    DeadlineOption,
    PriorityOption,
    with_job_options,
)
from server.cli.jobs import exit_unless_succeeded, follow
from server.client import DEFAULT_URL, Client
from server.schemas.responses import FileView

app = typer.Typer(help="Submit searches and see what they found.", no_args_is_help=True)

SearchArgument = Annotated[str, typer.Argument(metavar="SEARCH", help="A search's id.")]


@app.command("submit")
def submit_search(
    file: FileArgument,
    priority: PriorityOption = None,
    deadline: DeadlineOption = None,
    after: AfterOption = None,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Submit the search that a JSON document describes."""
    document = with_job_options(read_document(file), priority, deadline, after)
    with open_client(url) as client:
        search = client.create_search(document)
    if as_json:
        print_json(search)
    else:
        typer.echo(f"search {search.id}\njob {search.job}")


@app.command("list")
def list_searches(
    limit: LimitOption = 20, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """List searches, newest first."""
    with open_client(url) as client:
        searches = newest(client.searches(), limit)
    show(tables.searches_table(searches), searches, as_json=as_json)


@app.command("show")
def show_search(
    search_id: SearchArgument, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """Show a search: what it is to find, and how far it is."""
    with open_client(url) as client:
        search = client.search(search_id)
        predictions = [] if as_json else client.predictions(search_id).items
    show(result_tables.search_table(search), search, as_json=as_json)
    if predictions:
        output_console().print(result_tables.predictions_table(predictions))


@app.command("front")
def show_front(
    search_id: SearchArgument, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """Show the Pareto front of what a search has measured so far."""
    with open_client(url) as client:
        front = client.front(search_id)
        assessment = None if as_json else client.search(search_id).assessment
    show(tables.front_table(front), front, as_json=as_json)
    if not as_json:
        notes = tables.front_notes(front)
        if assessment is not None:
            notes.append(result_tables.trust_note(assessment))
        for note in notes:
            output_console().print(note, style="dim")


def check_suffix(path: Path) -> Path:
    """Returns the path of a picture.

    Raises:
        typer.BadParameter: it is not that of a kind of picture that can be had.
    """
    if path.suffix not in (".png", ".svg"):
        raise typer.BadParameter(f"must end in .png or .svg, got {path.name!r}")
    return path


@app.command("plot")
def plot_front(
    search_id: SearchArgument,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", callback=check_suffix, help="A file: *.png or *.svg."),
    ] = Path("front.png"),
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Draw the Pareto front of a search into a file."""
    image_format = cast("Literal['png', 'svg']", output.suffix[1:])
    with open_client(url) as client:
        write_file(output, client.front_picture(search_id, image_format))
    typer.echo(f"wrote {output}", err=True)


def export(
    search_id: SearchArgument,
    architecture: Annotated[
        str, typer.Argument(metavar="ARCHITECTURE", help="Its digest, as in the front.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", file_okay=False, help="The folder to write to.")
    ] = Path("network"),
    report_test: Annotated[
        bool, typer.Option("--report-test", help="Read the test split, once, and report it.")
    ] = False,
    priority: PriorityOption = None,
    deadline: DeadlineOption = None,
    after: AfterOption = None,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Export a network that a search has measured: ONNX, safetensors and its card."""
    body = {
        "search": search_id,
        "architecture_digest": architecture,
        "report_test": report_test,
    }
    with open_client(url) as client:
        submitted = client.create_export(with_job_options(body, priority, deadline, after))
        exit_unless_succeeded(follow(client, submitted.job))
        done = client.export(submitted.id)
        download_all(client, done.files, output)
    show(tables.export_table(done), done, as_json=as_json)
    if not as_json:
        if done.test_report:
            typer.echo(tables.test_text(done.test_report))
        typer.echo(f"in {output}")


def download_all(client: Client, files: Sequence[FileView], folder: Path) -> None:
    """Writes all files of a network into a folder, which is made if it is not there.

    Raises:
        DamagedDownloadError: a file did not arrive as the service has it.
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        # The service names the files; a name that leaves the folder is not followed.
        client.download(file, folder / Path(file.name).name)

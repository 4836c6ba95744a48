"""`espalier data-set` and `espalier supernet`: what a search starts from."""

from pathlib import Path
from typing import Annotated

import typer

from server.cli import result_tables, tables
from server.cli.common import (
    FileArgument,
    JsonOption,
    LimitOption,
    UrlOption,
    message_console,
    newest,
    open_client,
    output_console,
    print_json,
    read_document,
    show,
)
from server.cli.job_options import (
    AfterOption,
    DeadlineOption,
    PriorityOption,
    with_job_options,
)
from server.cli.progress import TransferProgress
from server.client import DEFAULT_URL

data_set_app = typer.Typer(help="Register and list data sets.", no_args_is_help=True)
supernet_app = typer.Typer(help="Train, list and assess supernets.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file to the application."""
    app.add_typer(data_set_app, name="data-set")
    app.add_typer(supernet_app, name="supernet")


@data_set_app.command("register")
def register_data_set(
    file: FileArgument, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """Register the data set that a JSON document describes; say what was found in it."""
    document = read_document(file)
    with open_client(url) as client:
        data_set = client.create_data_set(document)
    show(tables.data_set_report(data_set), data_set, as_json=as_json)


@data_set_app.command("show")
def show_data_set(
    data_set_id: Annotated[str, typer.Argument(metavar="DATA_SET", help="A data set's id.")],
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Show a data set, and what was found in it when it was registered."""
    with open_client(url) as client:
        data_set = client.data_set(data_set_id)
    show(tables.data_set_report(data_set), data_set, as_json=as_json)


@data_set_app.command("upload")
def upload_file(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="What to send.", exists=True, dir_okay=False)
    ],
    name: Annotated[
        str | None, typer.Option(help="What to call it; by default the file's name.")
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Send a file to the service, for a data set's source to name: {"upload": "upl_..."}.

    A command that was broken off goes on where it ended when it is given again.
    """
    with open_client(url) as client, TransferProgress(path.name, message_console()) as progress:
        upload = client.upload(path, name=name, on_progress=progress)
    show(tables.upload_table(upload), upload, as_json=as_json)


@data_set_app.command("list")
def list_data_sets(
    limit: LimitOption = 20, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """List data sets, newest first."""
    with open_client(url) as client:
        data_sets = newest(client.data_sets(), limit)
    show(tables.data_sets_table(data_sets), data_sets, as_json=as_json)


@supernet_app.command("train")
def train_supernet(
    file: FileArgument,
    priority: PriorityOption = None,
    deadline: DeadlineOption = None,
    after: AfterOption = None,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Submit the training that a JSON document describes."""
    document = with_job_options(read_document(file), priority, deadline, after)
    with open_client(url) as client:
        supernet = client.create_supernet(document)
    if as_json:
        print_json(supernet)
    else:
        typer.echo(f"supernet {supernet.id}\njob {supernet.job}")


@supernet_app.command("show")
def show_supernet(
    supernet_id: Annotated[str, typer.Argument(metavar="SUPERNET", help="A supernet's id.")],
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Show a supernet: what it was trained on, and how good its extremes are."""
    with open_client(url) as client:
        supernet = client.supernet(supernet_id)
    show(result_tables.supernet_table(supernet), supernet, as_json=as_json)


@supernet_app.command("stitches")
def show_stitches(
    supernet_id: Annotated[str, typer.Argument(metavar="SUPERNET", help="A supernet's id.")],
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Show what every stitch of a supernet was worth before its training."""
    with open_client(url) as client:
        stitches = client.stitches(supernet_id)
    show(result_tables.stitches_table(stitches), stitches, as_json=as_json)
    if stitches.layers and not as_json:
        output_console().print(result_tables.stitch_fits_table(stitches))


@supernet_app.command("list")
def list_supernets(
    limit: LimitOption = 20, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """List supernets, newest first."""
    with open_client(url) as client:
        supernets = newest(client.supernets(), limit)
    show(tables.supernets_table(supernets), supernets, as_json=as_json)

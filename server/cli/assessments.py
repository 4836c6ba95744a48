"""`espalier supernet assess` and `assessment`: whether a supernet can be trusted."""

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from server.cli import result_tables
from server.cli.common import (
    JsonOption,
    UrlOption,
    open_client,
    output_console,
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
from server.cli.searches import check_suffix
from server.client import DEFAULT_URL, Client
from server.schemas.assessments import AssessmentDetail


def _check_plot(path: Path | None) -> Path | None:
    return None if path is None else check_suffix(path)


PlotOption = Annotated[
    Path | None,
    typer.Option("--plot", callback=_check_plot, help="Draw it into a file: *.png or *.svg."),
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file to those of supernets."""
    app.command("assess")(assess)
    app.command("assessment")(show_assessment)


def assess(
    supernet_id: Annotated[str, typer.Argument(metavar="SUPERNET", help="A supernet's id.")],
    samples: Annotated[int, typer.Option(min=3, help="Architectures to evaluate.")] = 24,
    strata: Annotated[
        int | None, typer.Option(min=1, help="Quantiles of cost to draw them from.")
    ] = None,
    alone: Annotated[
        int, typer.Option(min=0, help="How many of them to train alone (0, or at least 3).")
    ] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of each trained alone.")] = None,
    asha: Annotated[
        bool, typer.Option("--asha/--no-asha", help="Whether to stop those that fall behind.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    plot: PlotOption = None,
    priority: PriorityOption = None,
    deadline: DeadlineOption = None,
    after: AfterOption = None,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Find out how far a supernet can be trusted: accuracy over cost, shared and alone."""
    body: dict[str, Any] = {"samples": samples, "seed": seed}
    if strata is not None:
        body["strata"] = strata
    if alone:
        training = {} if epochs is None else {"epochs": epochs}
        body["standalone"] = {"count": alone, "training": training, "use_asha": asha}
    with open_client(url) as client:
        body = with_job_options(body, priority, deadline, after)
        submitted = client.create_assessment(supernet_id, body)
        typer.echo(f"assessment {submitted.id}", err=True)
        exit_unless_succeeded(follow(client, submitted.job))
        _show(client, client.assessment(submitted.id), plot, as_json=as_json)


def show_assessment(
    assessment_id: Annotated[str, typer.Argument(metavar="ASSESSMENT", help="Its id.")],
    plot: PlotOption = None,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Show what an assessment has found out."""
    with open_client(url) as client:
        _show(client, client.assessment(assessment_id), plot, as_json=as_json)


def _show(
    client: Client, assessment: AssessmentDetail, plot: Path | None, *, as_json: bool
) -> None:
    show(result_tables.assessment_table(assessment), assessment, as_json=as_json)
    if not as_json:
        for note in result_tables.assessment_notes(assessment):
            output_console().print(note, style="dim")
        if assessment.summary is not None:
            output_console().print(result_tables.summary_table(assessment.summary))
    if plot is not None:
        image_format = cast("Literal['png', 'svg']", plot.suffix[1:])
        write_file(plot, client.assessment_picture(assessment.id, image_format))
        typer.echo(f"wrote {plot}", err=True)

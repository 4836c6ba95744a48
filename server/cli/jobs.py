"""`espalier job`: list, show, watch, stop, hurry and forget jobs; and `espalier runners`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from server.cli import tables
from server.cli.common import (
    JsonOption,
    LimitOption,
    UrlOption,
    message_console,
    newest,
    open_client,
    print_json,
    show,
)
from server.cli.progress import JobProgress
from server.client import DEFAULT_URL, Client
from server.job_states import JobStatus
from server.schemas.jobs import EventView, JobView

app = typer.Typer(help="See, follow, stop and hurry jobs.", no_args_is_help=True)

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="A job's id.")]


@app.command("list")
def list_jobs(
    status: Annotated[JobStatus | None, typer.Option(help="Only those.")] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """List jobs, newest first."""
    with open_client(url) as client:
        jobs = newest(client.jobs(status=status), limit)
    show(tables.jobs_table(jobs, datetime.now(UTC)), jobs, as_json=as_json)


@app.command("show")
def show_job(
    job_id: JobArgument, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """Show one job."""
    with open_client(url) as client:
        job = client.job(job_id)
    show(tables.job_table(job), job, as_json=as_json)


@app.command("watch")
def watch_job(
    job_id: JobArgument, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """Follow a job to its end; exit with 1 unless it succeeds.

    With --json every event is printed as one line when it happens.
    """
    with open_client(url) as client:
        if as_json:
            job = client.wait(job_id, on_event=_print_event)
        else:
            job = follow(client, job_id)
            show(tables.job_table(job), job, as_json=False)
    exit_unless_succeeded(job)


def _add_request(name: str, request: Callable[[Client, str], JobView], words: str) -> None:
    """Adds a command that asks something of one job and says how it stands then."""

    @app.command(name, help=words)
    def ask(job_id: JobArgument, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL) -> None:
        with open_client(url) as client:
            job = request(client, job_id)
        if as_json:
            print_json(job)
        else:
            asked = ", asked to pause" if job.pause_requested else ""
            typer.echo(f"{job.id} is {job.status}{asked}")


_add_request("cancel", Client.cancel, "Cancel a job; a running one stops at its next step.")
_add_request("kill", Client.kill, "End a job at once, also one whose runner does not answer.")
_add_request(
    "pause",
    Client.pause,
    "Pause a job; a running one stops at its next safe point and keeps everything.",
)
_add_request("resume", Client.resume, "Let a paused job go on where it was.")


@app.command("priority")
def set_priority(
    job_id: JobArgument,
    priority: Annotated[int, typer.Argument(help="From -1000 to 1000; the highest runs first.")],
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Change how urgent a waiting job is. A negative one: `-- JOB -5`."""
    with open_client(url) as client:
        job = client.set_priority(job_id, priority)
    if as_json:
        print_json(job)
    else:
        typer.echo(f"{job.id} has priority {job.priority}")


@app.command("delete")
def delete_job(job_id: JobArgument, url: UrlOption = DEFAULT_URL) -> None:
    """Remove a job that failed or was cancelled and that nothing refers to."""
    with open_client(url) as client:
        client.delete_job(job_id)
    typer.echo(f"{job_id} is gone")


def list_runners(as_json: JsonOption = False, url: UrlOption = DEFAULT_URL) -> None:
    """List the runners and what their clusters offer."""
    with open_client(url) as client:
        runners = client.runners()
    show(tables.runners_table(runners, datetime.now(UTC)), runners, as_json=as_json)


def follow(client: Client, job_id: str) -> JobView:
    """Returns a job at its end, showing its progress on standard error meanwhile."""
    kind = client.job(job_id).kind
    with JobProgress(kind, message_console(), is_outside=kind == "outside") as progress:
        return client.wait(job_id, on_event=progress)


def exit_unless_succeeded(job: JobView) -> None:
    """Returns if the job succeeded.

    Raises:
        typer.Exit: it did not; why is on standard error.
    """
    if job.status is not JobStatus.SUCCEEDED:
        reason = tables.error_text(job)
        message = f"{job.id} has {job.status}" if reason else f"{job.id} was {job.status}"
        typer.echo(f"espalier: {message}" + (f": {reason}" if reason else ""), err=True)
        raise typer.Exit(1)


def _print_event(event: EventView) -> None:
    typer.echo(event.model_dump_json())

"""`espalier job`: list, show, watch, stop, hurry and forget jobs; and `espalier runners`."""

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
from server.schemas.responses import EventView, JobView

app = typer.Typer(help="See, follow and cancel jobs.", no_args_is_help=True)

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


@app.command("cancel")
def cancel_job(
    job_id: JobArgument, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """Cancel a job; a running one stops at its next step."""
    with open_client(url) as client:
        _show_status(client.cancel(job_id), as_json=as_json)


@app.command("kill")
def kill_job(
    job_id: JobArgument, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """End a job at once, also one whose runner does not answer."""
    with open_client(url) as client:
        _show_status(client.kill(job_id), as_json=as_json)


@app.command("pause")
def pause_job(
    job_id: JobArgument, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """Pause a job; a running one stops at its next safe point and keeps everything."""
    with open_client(url) as client:
        _show_status(client.pause(job_id), as_json=as_json)


@app.command("resume")
def resume_job(
    job_id: JobArgument, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """Let a paused job go on where it was."""
    with open_client(url) as client:
        _show_status(client.resume(job_id), as_json=as_json)


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


def _show_status(job: JobView, *, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        asked = ", asked to pause" if job.pause_requested else ""
        typer.echo(f"{job.id} is {job.status}{asked}")


def follow(client: Client, job_id: str) -> JobView:
    """Returns a job at its end, showing its progress on standard error meanwhile."""
    kind = client.job(job_id).kind
    with JobProgress(kind, message_console()) as progress:
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

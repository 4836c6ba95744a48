"""Jobs and their events."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Annotated, Any, cast

import anyio
from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from server.errors import (
    BusyError,
    DatabaseUnavailableError,
    InvalidRequestError,
    NotFoundError,
)
from server.job_states import TERMINAL, JobStatus
from server.routes import content_tags
from server.routes.common import Id, Service, ServiceDep, problems
from server.routes.exact_route import ExactRoute
from server.routes.lists import DatedListDep
from server.schemas.jobs import EventsView, EventView, JobView
from server.schemas.requests import JobChangeBody, JobKind
from server.schemas.responses import PageOf
from server.store import Store
from server.tables import JobEventRow, JobRow

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=ExactRoute)

STREAM_POLL_SECONDS = 0.25
_EVENTS_PER_READ = 500
_SUBJECTS = {
    "train": "supernet",
    "search": "search",
    "outside": "search",
    "export": "export",
    "refine": "refinement",
    "assess": "assessment",
}
_PATHS = {
    "train": "supernets",
    "search": "searches",
    "outside": "searches",
    "export": "exports",
    "refine": "refinements",
    "assess": "assessments",
}

After = Annotated[
    int, Query(ge=0, lt=2**63, description="Only events with greater ids; 0 for all.")
]


def view(row: JobRow, after: list[str]) -> JobView:
    """Returns a row as it is answered.

    Args:
        row: the job.
        after: ids of the jobs that it waits for.
    """
    return JobView(
        id=row.id,
        kind=cast("Any", row.kind),
        subject=f"/v1/{_PATHS[row.kind]}/{row.spec[f'{_SUBJECTS[row.kind]}_id']}",
        status=row.state,
        attempt=row.attempt,
        progress=row.progress,
        error=row.error,
        submitted_by=row.submitted_by,
        priority=row.priority,
        after=after,
        deadline_at=row.deadline_at,
        not_before=row.not_before,
        retry=row.retry,
        failed_attempts=row.failed_attempts,
        pause_requested=row.pause_requested,
        spec=row.spec,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _answer(service: Service, row: JobRow) -> JobView:
    return view(row, service.store.awaited_by([row.id])[row.id])


def event_view(row: JobEventRow) -> EventView:
    """Returns a row as it is answered."""
    return EventView(
        id=row.id,
        job=row.job_id,
        attempt=row.attempt,
        type=row.type,
        data=row.data,
        created_at=row.created_at,
    )


@router.get("", operation_id="list_jobs", responses=problems())
def list_all(
    parameters: DatedListDep,
    service: ServiceDep,
    status: JobStatus | None = None,
    kind: JobKind | None = None,
) -> PageOf[JobView]:
    """Jobs."""
    page = service.store.list_jobs(parameters.limit, parameters.part, status=status, kind=kind)
    after = service.store.awaited_by([row.id for row in page.rows])
    return parameters.page(page, lambda row: view(row, after[row.id]))


@router.get("/{job_id}", operation_id="get_job", responses=problems(404))
def get(job_id: Id, service: ServiceDep, response: Response) -> JobView:
    """One job. Send its ETag with a change as If-Match."""
    return content_tags.tagged(response, _answer(service, service.store.get_job(job_id)))


@router.patch("/{job_id}", operation_id="change_job", responses=problems(404, 409, 412))
def change(
    job_id: Id,
    body: JobChangeBody,
    service: ServiceDep,
    response: Response,
    if_match: content_tags.IfMatch = None,
) -> JobView:
    """Changes the priority of a job that waits. 409 if it runs or has ended."""
    after = service.store.awaited_by([job_id])[job_id]

    def is_expected(row: JobRow) -> bool:
        return content_tags.is_expected(view(row, after), if_match)

    row = service.store.set_priority(job_id, body.priority, is_expected)
    return content_tags.tagged(response, view(row, after))


@router.delete(
    "/{job_id}",
    status_code=204,
    operation_id="delete_job",
    response_class=Response,
    responses=problems(404, 409),
)
def delete(job_id: Id, service: ServiceDep) -> Response:
    """Removes a job that failed or was cancelled, and the empty row of what it was to make.

    409 if it has not ended, or if something refers to it: what it made, or a job that waited for
    it. A job that succeeded stays: its results refer to it.
    """
    service.store.delete_job(job_id)
    return Response(status_code=204)


@router.post(
    "/{job_id}/cancel", status_code=202, operation_id="cancel_job", responses=problems(404, 409)
)
def cancel(job_id: Id, service: ServiceDep) -> JobView:
    """Asks to cancel a job; asking again changes nothing. 409 if it succeeded or failed before."""
    return _answer(service, service.store.request_cancel(job_id))


@router.post(
    "/{job_id}/kill", status_code=202, operation_id="kill_job", responses=problems(404, 409)
)
def kill(job_id: Id, service: ServiceDep) -> JobView:
    """Ends a job at once, also one whose runner is dead or deaf; asking again changes nothing.

    What its runner still writes is refused; its work is stopped within seconds. 409 if it succeeded
    or failed before.
    """
    return _answer(service, service.store.kill_job(job_id))


@router.post(
    "/{job_id}/pause", status_code=202, operation_id="pause_job", responses=problems(404, 409)
)
def pause(job_id: Id, service: ServiceDep) -> JobView:
    """Pauses a job: a running one stops at its next safe point, keeps all and frees its runner.

    Asking again changes nothing. 409 if it has ended or is being cancelled.
    """
    return _answer(service, service.store.request_pause(job_id))


@router.post(
    "/{job_id}/resume", status_code=202, operation_id="resume_job", responses=problems(404, 409)
)
def resume(job_id: Id, service: ServiceDep) -> JobView:
    """Lets a paused job go on where it was. 409 if it has ended or is being cancelled."""
    return _answer(service, service.store.resume_job(job_id))


@router.get("/{job_id}/events", operation_id="list_job_events", responses=problems(404))
def list_events(
    job_id: Id,
    service: ServiceDep,
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> EventsView:
    """The job's events after a given one, in order."""
    rows, ended = _read(service.store, job_id, after, limit)
    return EventsView(
        items=[event_view(row) for row in rows],
        last=rows[-1].id if rows else after,
        ended=ended,
    )


def _read(store: Store, job_id: str, after: int, limit: int) -> tuple[Sequence[JobEventRow], bool]:
    """Returns events, and whether the job has ended and these are the last."""
    # The status is read first: if it is terminal, the events that follow are complete.
    ended = store.get_job(job_id).state in TERMINAL
    rows = store.job_events(job_id, after, limit)
    return rows, ended and len(rows) < limit


async def _first_event(
    job_id: Id,
    service: ServiceDep,
    after: After = 0,
    last_event_id: Annotated[
        str | None, Header(description="Sent by clients that lost the stream.")
    ] = None,
) -> int:
    """Checks the request while it can still be refused; returns the event to go on after."""
    await run_in_threadpool(service.store.get_job, job_id)
    if last_event_id is None:
        return after
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 19):
        raise InvalidRequestError.single(
            "Last-Event-ID", "must be the id of an event", last_event_id
        )
    return int(last_event_id)


def _stream_turn(service: ServiceDep) -> Iterator[None]:
    """Counts the stream among the open ones until its end, however it ends.

    Raises:
        BusyError: there are as many as the process keeps open.
    """
    if not service.streams.acquire(blocking=False):
        limit = service.settings.max_event_streams
        raise BusyError(f"at most {limit} streams of events are open at once; read `events`")
    try:
        yield
    finally:
        service.streams.release()


@router.get(
    "/{job_id}/events/stream",
    operation_id="stream_job_events",
    response_class=EventSourceResponse,
    responses=problems(404),
    dependencies=[Depends(_stream_turn)],
)
async def stream_events(
    job_id: Id, service: ServiceDep, after: Annotated[int, Depends(_first_event)]
) -> AsyncIterator[ServerSentEvent]:
    """The job's events as they happen, as server-sent events.

    Their ids are those of `events`; a client that reconnects with `Last-Event-ID` misses none. The
    stream ends after the event that ends the job; where it ends before that, the client should
    connect again.
    """
    last = after
    while not service.is_stopping():
        try:
            rows, ended = await run_in_threadpool(
                _read, service.store, job_id, last, _EVENTS_PER_READ
            )
        except (DatabaseUnavailableError, NotFoundError):  # or somebody has deleted it
            return
        for row in rows:
            yield ServerSentEvent(
                raw_data=event_view(row).model_dump_json(), event=row.type, id=str(row.id)
            )
            last = row.id
        if ended:
            return
        if not rows:
            await anyio.sleep(STREAM_POLL_SECONDS)

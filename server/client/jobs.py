"""The client of jobs and their events."""

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Unpack

from server.client.connection import Patience, quoted
from server.client.errors import ApiError, ClientError
from server.client.event_stream import read_events
from server.client.filters import Filters
from server.client.requests import Requests
from server.job_states import TERMINAL
from server.schemas.jobs import EventsView, EventView, JobView, RunnersView, RunnerView
from server.schemas.responses import PageOf

STREAM_SILENCE_S = 45.0
"""A stream of events that is silent for so long is dead: a live one says something every 15 s."""

RECONNECT_S = 0.2


class JobRequests(Requests):
    """Jobs and what happens to them; see `Client`."""

    def job(self, job_id: str) -> JobView:
        """Returns a job."""
        return self._get(f"/v1/jobs/{quoted(job_id)}", JobView)

    def jobs(
        self,
        *,
        status: str | None = None,
        kind: str | None = None,
        **filters: Unpack[Filters],
    ) -> Iterator[JobView]:
        """Yields jobs, newest first unless they are sorted otherwise."""
        parameters = {"status": status, "kind": kind, **filters}
        return self._pages("/v1/jobs", PageOf[JobView], parameters)

    def cancel(self, job_id: str) -> JobView:
        """Asks to cancel a job; asking again changes nothing."""
        return self._post(f"/v1/jobs/{quoted(job_id)}/cancel", None, JobView)

    def kill(self, job_id: str) -> JobView:
        """Ends a job at once, whoever works on it; asking again changes nothing."""
        return self._post(f"/v1/jobs/{quoted(job_id)}/kill", None, JobView)

    def pause(self, job_id: str) -> JobView:
        """Pauses a job: a running one stops at its next safe point and keeps everything."""
        return self._post(f"/v1/jobs/{quoted(job_id)}/pause", None, JobView)

    def resume(self, job_id: str) -> JobView:
        """Lets a paused job go on where it was."""
        return self._post(f"/v1/jobs/{quoted(job_id)}/resume", None, JobView)

    def set_priority(self, job_id: str, priority: int) -> JobView:
        """Changes how urgent a waiting job is; the highest priority runs first."""
        path = f"/v1/jobs/{quoted(job_id)}"
        return self._connection.patch(path, {"priority": priority}, JobView)

    def delete_job(self, job_id: str) -> None:
        """Removes a job that failed or was cancelled and that nothing refers to."""
        self._connection.send("DELETE", f"/v1/jobs/{quoted(job_id)}")

    def runners(self) -> list[RunnerView]:
        """Returns the runners that are known, the newest first."""
        return self._get("/v1/runners", RunnersView).items

    def past_events(self, job_id: str, after: int = 0, limit: int = 100) -> EventsView:
        """Returns events with ids above `after` that have happened by now."""
        parameters = {"after": after, "limit": limit}
        return self._get(f"/v1/jobs/{quoted(job_id)}/events", EventsView, parameters)

    def events(self, job_id: str, after: int = 0) -> Iterator[EventView]:
        """Yields a job's events with ids above `after` as they happen, until the one that ends it.

        Each comes once and in order. Where the stream breaks (the service restarts, say) it is
        taken up again after the last event; where the service keeps no more streams, events are
        asked for every few seconds.

        Raises:
            ServiceUnreachableError: the service has not answered for `patience_s`.
            ApiError: there is no such job; or as above, with what the service answered.
        """
        patience = Patience(self._patience_s)
        while True:
            try:
                for event in self._next_events(job_id, after):
                    patience.renew()
                    after = event.id
                    yield event
                    if event.type in TERMINAL:
                        return
                if self.past_events(job_id, after, limit=1).ended:
                    return  # the caller already knew the last event
                patience.renew()
                time.sleep(RECONNECT_S)
            except ClientError as error:
                patience.wait(error)

    def wait(
        self, job_id: str, on_event: Callable[[EventView], None] = lambda _: None, after: int = 0
    ) -> JobView:
        """Returns the job when it has succeeded, failed or been cancelled.

        Args:
            job_id: whose end to wait for.
            on_event: called with every event with an id above `after`, in order.
            after: as in `events`.

        Raises:
            ServiceUnreachableError: the service has not answered for `patience_s`.
            ApiError: there is no such job.
        """
        for event in self.events(job_id, after):
            on_event(event)
        patience = Patience(self._patience_s)
        while True:
            try:
                return self.job(job_id)
            except ClientError as error:
                patience.wait(error)

    def _next_events(self, job_id: str, after: int) -> Iterator[EventView]:
        """Yields events as they happen; those of now, if there is no stream to be had."""
        try:
            yield from self._stream_of_events(job_id, after)
        except ApiError as error:
            if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            yield from self.past_events(job_id, after).items
            time.sleep(error.retry_after_s or RECONNECT_S)

    def _stream_of_events(self, job_id: str, after: int) -> Iterator[EventView]:
        chunks = self._connection.stream(
            f"/v1/jobs/{quoted(job_id)}/events/stream",
            headers={"Last-Event-ID": str(after)},
            silence_s=STREAM_SILENCE_S,
        )
        for event in read_events(chunks):
            yield self._connection.parse(event.data, EventView)

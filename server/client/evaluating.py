"""Evaluating a search from outside: the loop behind `Client.evaluate`."""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Protocol, TypeVar

from search_space.outcomes import Measured, Outcome
from search_space.space import Option
from server.client.connection import Patience
from server.client.errors import ApiError, ClientError
from server.schemas.outside import (
    LeasesView,
    LeaseView,
    OutcomeBody,
    ProposalsView,
    ToldView,
    outcome_body,
)

Evaluate = Callable[[Mapping[str, Option]], Mapping[str, float] | Outcome]
Answer = TypeVar("Answer")

RENEWALS_PER_LEASE = 3
FIRST_RENEWAL_S = 0.2
"""Until the service has said how long leases last; they last a second at least."""


class _Requests(Protocol):
    """What the loop needs of the client."""

    def lease_proposals(
        self, search_id: str, count: int = 1, *, worker: str | None = None
    ) -> ProposalsView:
        """Leases proposals."""

    def tell_observations(self, search_id: str, items: Sequence[OutcomeBody]) -> ToldView:
        """Tells what came of them."""

    def renew_leases(self, search_id: str, leases: Sequence[LeaseView]) -> LeasesView:
        """Puts off the end of leases."""

    def release_leases(self, search_id: str, leases: Sequence[LeaseView]) -> LeasesView:
        """Gives leases back."""


class Evaluation:
    """One call of `Client.evaluate`; its arguments are described there.

    Threads share the leases that are held. One further thread renews them.
    """

    def __init__(
        self,
        requests: _Requests,
        search_id: str,
        evaluate: Evaluate,
        batch: int,
        worker: str | None,
        patience_s: float,
        on_told: Callable[[LeaseView, Outcome], None],
    ) -> None:
        self._requests = requests
        self._search_id = search_id
        self._evaluate = evaluate
        self._batch = batch
        self._worker = worker
        self._patience_s = patience_s
        self._on_told = on_told
        self._stop = threading.Event()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._held: dict[int, LeaseView] = {}
        self._renewal_s = FIRST_RENEWAL_S

    def run(self, threads: int) -> None:
        """Evaluates in so many threads until the search has ended, or one of them raises."""
        keeper = threading.Thread(target=self._keep, name="leases", daemon=True)
        keeper.start()
        try:
            if threads == 1:
                self._work()  # in the caller's thread, which Ctrl-C interrupts
            else:
                self._work_side_by_side(threads)
        finally:
            self._over.set()
            keeper.join()
            self._give_back()

    def _work_side_by_side(self, threads: int) -> None:
        with ThreadPoolExecutor(threads, thread_name_prefix="evaluate") as pool:
            try:
                for future in [pool.submit(self._work) for _ in range(threads)]:
                    future.result()
            finally:
                self._stop.set()

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                answer = self._patiently(
                    lambda: self._requests.lease_proposals(
                        self._search_id, self._batch, worker=self._worker
                    )
                )
                self._renewal_s = answer.lease_seconds / RENEWALS_PER_LEASE
                with self._lock:
                    self._held |= {lease.number: lease for lease in answer.items}
                for lease in answer.items:
                    self._do(lease)
                if answer.ended:
                    return
                if answer.retry_after_seconds is not None and not answer.items:
                    self._stop.wait(answer.retry_after_seconds)
        except BaseException:
            self._stop.set()  # the others stop after the evaluations that they are at
            raise

    def _do(self, lease: LeaseView) -> None:
        """Evaluates and tells, unless the lease was lost meanwhile."""
        if self._stop.is_set() or self._held.get(lease.number) is not lease:
            return
        result = self._evaluate(lease.architecture)
        outcome = Measured(_numbers(result)) if isinstance(result, Mapping) else result
        body = outcome_body(lease.number, lease.lease, outcome)
        try:
            self._patiently(lambda: self._requests.tell_observations(self._search_id, [body]))
        except ApiError as error:
            # Somebody else has it now, or the search was cancelled: the next lease will say.
            if error.status != HTTPStatus.CONFLICT:
                raise
        else:
            self._on_told(lease, outcome)
        with self._lock:
            self._held.pop(lease.number, None)

    def _patiently(self, request: Callable[[], Answer]) -> Answer:
        """Returns a request's answer; tries again while the service cannot be reached."""
        patience = Patience(self._patience_s)
        while True:
            try:
                return request()
            except ClientError as error:
                patience.wait(error)

    # --- leases --------------------------------------------------------------------------------

    def _keep(self) -> None:
        """Renews the leases that are held, until the end."""
        while not self._over.wait(self._renewal_s):
            with self._lock:
                held = list(self._held.values())
            if held:
                self._renew(held)

    def _renew(self, held: Sequence[LeaseView]) -> None:
        # What cannot be renewed now may be the next time; who evaluates learns what is the case.
        with contextlib.suppress(ClientError):
            answer = self._requests.renew_leases(self._search_id, held)
            with self._lock:
                for lost in answer.lost:
                    self._held.pop(lost.number, None)

    def _give_back(self) -> None:
        """Gives back what was not evaluated; without an answer the leases expire by themselves."""
        if self._held:
            with contextlib.suppress(ClientError):
                self._requests.release_leases(self._search_id, list(self._held.values()))


def _numbers(metrics: Mapping[str, float]) -> dict[str, float]:
    """Returns metrics as JSON can hold them: numbers of other libraries are no floats."""
    return {name: float(value) for name, value in metrics.items()}

"""The desk at which the proposals of one search are lent out and their outcomes handed in.

A desk is what one process knows of one search: the searcher as the log has left it, who holds
which proposal, what was told. It is rebuilt from the log, and brought up to date from it when other
processes have written there. It neither reads nor writes the database: `Desk.work` says what must
be recorded, and the store records that in the transaction in which the desk has worked. If the
transaction fails, the desk must be thrown away, for it knows more than the log.
"""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from search_space.outcomes import Measured
from search_space.space import Architecture
from searchers.protocol import Observation, PredictionQuality, Problem, Proposal, Searcher
from searchers.replay import ReplayError
from server.errors import ConflictError, Fault, InvalidRequestError, ServerError
from server.job_states import TERMINAL, JobStatus
from server.outside.leases import LeaseBook
from server.outside.log import Changes, LogEntry
from server.outside.orders import (
    Answer,
    HeldLease,
    Lease,
    Leased,
    LeaseOrder,
    Order,
    OutsideTerms,
    Renewed,
    RenewOrder,
    Report,
    Reported,
    ReportOrder,
    Shortage,
    fields_of,
    fingerprint,
)

MAX_RETRY_AFTER_S = 5


class Desk:
    """Lends proposals and takes outcomes.

    Args:
        name: of the search, for messages.
        problem: what the search is about.
        searcher: new; told and asked by nobody else.
        terms: of lending.
    """

    def __init__(
        self, name: str, problem: Problem, searcher: Searcher, terms: OutsideTerms
    ) -> None:
        self._name = name
        self._problem = problem
        self._searcher = searcher
        self._terms = terms
        self._target = min(terms.evaluations, problem.space.size)
        self._proposals: list[Proposal] = []
        self._told: dict[int, str] = {}  # fingerprints, by number
        self._counts = {"measured": 0, "infeasible": 0, "failed": 0}
        self._leases = LeaseBook(terms.lease_seconds)
        self._new: deque[int] = deque()  # never leased
        self._batch: list[Observation] = []  # told to us, not yet to the searcher: see `barrier`
        self.log_length = 0

    @property
    def num_proposed(self) -> int:
        """How many proposals were made."""
        return len(self._proposals)

    @property
    def num_told(self) -> int:
        """How many of them were told."""
        return len(self._told)

    @property
    def counts(self) -> dict[str, int]:
        """How many of those were measured, infeasible and failed."""
        return dict(self._counts)

    @property
    def target(self) -> int:
        """How many outcomes end the search: its budget, or all that the space holds."""
        return self._target

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be evaluated."""
        return self.num_told >= self._target

    def prediction_quality(self) -> Sequence[PredictionQuality]:
        """Returns how good the searcher's predictions were, as far as it was told."""
        return self._searcher.prediction_quality()

    def architecture(self, number: int) -> Architecture:
        """Returns a proposal's architecture."""
        return self._proposals[number].architecture

    # --- the log -------------------------------------------------------------------------------

    def replay(self, entries: Sequence[LogEntry], log_length: int) -> None:
        """Takes over what the log holds beyond what the desk knows.

        Args:
            entries: in their order, from the desk's `log_length` on.
            log_length: of the whole log.

        Raises:
            ConflictError: the searcher does not propose what is on record: the program or its
                libraries have changed since. The desk must be thrown away.
        """
        for entry in entries:
            if entry.told:
                self._take(entry.told)
            if entry.asked:
                self._ask_again(entry)
            for lease in entry.leases:
                if lease.number not in self._told:
                    self._leases.note(lease)
        self._new = deque(
            n for n in self._new if self._leases.of(n) is None and n not in self._told
        )
        self.log_length = log_length

    def _ask_again(self, entry: LogEntry) -> None:
        got = self._ask(len(entry.asked))
        if got != list(entry.asked):
            error = ReplayError(entry.step, entry.asked, got)
            raise ConflictError(f"search {self._name} cannot be continued: {error}")

    def _tell_batch(self) -> None:
        """Tells what waited for the barrier."""
        if self._batch:
            # In the order of their numbers: who was faster must not matter to the searcher.
            self._searcher.tell(sorted(self._batch, key=lambda o: o.proposal.number))
            self._batch = []

    def _ask(self, count: int) -> list[Proposal]:
        self._tell_batch()
        proposals = list(self._searcher.ask(count))
        self._proposals += proposals
        self._new += [proposal.number for proposal in proposals]
        return proposals

    def _take(self, observations: Sequence[Observation]) -> None:
        for observation in observations:
            number = observation.proposal.number
            self._told[number] = fingerprint(observation.outcome)
            self._leases.strike(number)
            self._counts[fields_of(observation.outcome)["status"]] += 1
        if self._terms.barrier:
            self._batch += observations
        else:
            self._searcher.tell(observations)

    # --- orders --------------------------------------------------------------------------------

    def work(
        self,
        orders: Sequence[Order],
        status: JobStatus,
        now: datetime,
        new_token: Callable[[datetime], str],
    ) -> tuple[list[Answer | ServerError], Changes]:
        """Carries out orders: reports first, then renewals, then leases.

        Args:
            orders: in the order in which they came.
            status: of the search's job, which is running unless it is paused or has ended.
            now: by the database's clock.
            new_token: names leases.

        Returns:
            The answer to each order, which is an error where it cannot be carried out, and what
            must be recorded.
        """
        changes = Changes(tell_step=self.log_length, lend_step=self.log_length)
        answers: dict[int, Answer | ServerError] = {}
        for kind in (ReportOrder, RenewOrder):
            for position, order in enumerate(orders):
                if isinstance(order, kind):
                    answers[position] = self._answer(order, status, now, changes)
            if kind is ReportOrder and changes.told:
                if not self._terms.barrier:
                    self._searcher.tell(changes.told)
                else:
                    self._batch += changes.told
                    if self.is_done:  # nobody asks any more
                        self._tell_batch()
                changes.lend_step += 1
        wanted = {i: order for i, order in enumerate(orders) if isinstance(order, LeaseOrder)}
        self._lend_all(wanted, status, now, new_token, changes, answers)
        self.log_length = changes.lend_step + bool(changes.asked or changes.leases)
        return [answers[position] for position in range(len(orders))], changes

    def _answer(
        self, order: Order, status: JobStatus, now: datetime, changes: Changes
    ) -> Answer | ServerError:
        try:
            if isinstance(order, ReportOrder):
                return self._take_reports(order, status, changes)
            assert isinstance(order, RenewOrder)
            return self._renew(order, now, changes)
        except ServerError as error:
            return error

    # --- reports -------------------------------------------------------------------------------

    def _take_reports(self, order: ReportOrder, status: JobStatus, changes: Changes) -> Reported:
        new: dict[int, Observation] = {}
        for position, report in enumerate(order.reports):
            self._check_number(report.number, position)
            if self._is_known(report, new):
                continue
            if status in TERMINAL or status is JobStatus.CANCELLING:
                raise ConflictError(
                    f"search {self._name} has ended ({status}): proposal {report.number} can no "
                    "longer be told"
                )
            self._check_lease(report, position)
            self._check_metrics(report, position)
            new[report.number] = Observation(self._proposals[report.number], report.outcome)
        for number, observation in new.items():
            self._told[number] = fingerprint(observation.outcome)
            self._leases.strike(number)
            changes.leases.pop(number, None)
            self._counts[fields_of(observation.outcome)["status"]] += 1
        changes.told += new.values()
        return Reported(len(new), len(order.reports) - len(new), status)

    def _check_number(self, number: int, position: int) -> None:
        if not 0 <= number < self.num_proposed:
            rule = f"must be the number of a proposal of search {self._name}"
            raise InvalidRequestError.single(f"/items/{position}/number", rule, number)

    def _is_known(self, report: Report, new: dict[int, Observation]) -> bool:
        """Whether the same was told before.

        Raises:
            ConflictError: something else was.
        """
        number = report.number
        known = fingerprint(new[number].outcome) if number in new else self._told.get(number)
        if known is not None and known != fingerprint(report.outcome):
            raise ConflictError(
                f"proposal {number} of search {self._name} was told before, with another outcome"
            )
        return known is not None

    def _check_lease(self, report: Report, position: int) -> None:
        lease = self._leases.of(report.number)
        if lease is None:
            rule = f"must be of a lease: proposal {report.number} was not leased yet"
            raise InvalidRequestError.single(f"/items/{position}/lease", rule, report.token)
        if lease.token != report.token:
            raise ConflictError(self._why_lost(lease, report.token))

    def _why_lost(self, lease: Lease, token: str) -> str:
        whose = f" to {lease.worker!r}" if lease.worker else ""
        return (
            f"lease {token} of proposal {lease.number} is over or was never given: the proposal is "
            f"leased{whose} under fence {lease.fence}, until {lease.expires_at.isoformat()}"
        )

    def _check_metrics(self, report: Report, position: int) -> None:
        if not isinstance(report.outcome, Measured):
            return
        metrics = report.outcome.metrics
        faults = [
            Fault(
                f"/items/{position}/metrics/{metric}", "must be given: the search is about it", None
            )
            for metric in self._problem.metrics
            if metric not in metrics
        ]
        if faults:
            raise InvalidRequestError(faults)

    # --- leases --------------------------------------------------------------------------------

    def _renew(self, order: RenewOrder, now: datetime, changes: Changes) -> Renewed:
        kept, lost = [], []
        for held in order.leases:
            lease = self._leases.of(held.number)
            if lease is None or lease.token != held.token:
                lost.append((held.number, self._fate(held, lease)))
                continue
            renewed = self._leases.renew(lease, now, give_back=order.give_back)
            changes.leases[held.number] = renewed
            kept.append(renewed)
        return Renewed(tuple(kept), tuple(lost))

    def _fate(self, held: HeldLease, lease: Lease | None) -> str:
        if lease is not None:
            return self._why_lost(lease, held.token)
        if held.number in self._told:
            return f"proposal {held.number} was told"
        return f"search {self._name} has leased no proposal {held.number}"

    def _lend_all(
        self,
        orders: dict[int, LeaseOrder],
        status: JobStatus,
        now: datetime,
        new_token: Callable[[datetime], str],
        changes: Changes,
        answers: dict[int, Answer | ServerError],
    ) -> None:
        is_open = status is JobStatus.RUNNING and not self.is_done
        wanted = sum(order.count for order in orders.values()) if is_open else 0
        pool = self._leases.expired(wanted, now)
        missing = wanted - len(pool) - len(self._new)
        if missing > 0:
            changes.asked = self._ask_within_budget(missing)
        while self._new and len(pool) < wanted:
            pool.append(self._new.popleft())
        numbers = iter(pool)
        for position, order in orders.items():
            leases = tuple(
                self._lease(number, order.worker, now, new_token, changes)
                for _, number in zip(range(order.count), numbers, strict=False)
            )
            answers[position] = self._leased(order, leases, status, now)

    def _ask_within_budget(self, missing: int) -> list[Proposal]:
        """Returns new proposals: as many as are missing, or a batch where a barrier lets one."""
        left = self._target - self.num_proposed
        if not self._terms.barrier:
            return self._ask(min(missing, left)) if left else []
        if left and self.num_told == self.num_proposed:
            return self._ask(min(self._searcher.batch_size, left))
        return []

    def _lease(
        self,
        number: int,
        worker: str | None,
        now: datetime,
        new_token: Callable[[datetime], str],
        changes: Changes,
    ) -> Lease:
        architecture = self.architecture(number)
        lease = self._leases.grant(number, architecture, worker, now, new_token)
        changes.leases[number] = lease
        return lease

    def _leased(
        self, order: LeaseOrder, leases: tuple[Lease, ...], status: JobStatus, now: datetime
    ) -> Leased:
        shortage = self._shortage(status) if len(leases) < order.count else None
        retry_after_s = None if shortage in (None, "ended") else self._next_end_s(now)
        return Leased(leases, status, shortage, retry_after_s, self._terms.lease_seconds)

    def _shortage(self, status: JobStatus) -> Shortage:
        if status is JobStatus.PAUSED:
            return "paused"
        if status is not JobStatus.RUNNING or self.is_done:
            return "ended"
        return "budget" if self.num_proposed >= self._target else "barrier"

    def _next_end_s(self, now: datetime) -> int:
        """Returns in how many seconds asking again may be of use; at least one."""
        end = self._leases.next_end()
        if end is None:
            return 1
        return min(max(1, round((end - now).total_seconds())), MAX_RETRY_AFTER_S)

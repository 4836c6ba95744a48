"""Leases of proposals against a model: two servers, crashes, time that passes, clients that err."""

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from outside_examples import add_outside_search
from sqlalchemy import select

from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from server.errors import ConflictError, InvalidRequestError, ServerError
from server.main import open_store
from server.outside.desk import Desk
from server.outside.orders import (
    Answer,
    HeldLease,
    Leased,
    LeaseOrder,
    Order,
    Renewed,
    RenewOrder,
    Report,
    Reported,
    ReportOrder,
)
from server.settings import Settings
from server.store import Store
from server.tables import LeaseRow

EVALUATIONS = 9
BATCH = 4

OUTCOMES = st.sampled_from(
    [
        Measured({"joules": 1.0, "top1_percent": 90.0}),
        Measured({"joules": 2.0, "top1_percent": 90.0}),
        Measured({"joules": 2.0, "top1_percent": 90.0, "grams": 4.0}, {"joules": {"by": "meter"}}),
        Infeasible("too large"),
        Failed("too large"),
    ]
)
SERVERS = st.integers(0, 1)
PICKS = st.integers(0, 1000)


def same(a: Outcome, b: Outcome) -> bool:
    if isinstance(a, Measured) and isinstance(b, Measured):
        return dict(a.metrics) == dict(b.metrics)
    return a == b


class Leases(RuleBasedStateMachine):
    """The model: who holds what, what has expired, what was told; the rest follows from these."""

    store: Store
    barrier: bool

    def __init__(self) -> None:
        super().__init__()
        self.search, self.job = add_outside_search(
            self.store,
            searcher={"kind": "random", "batch_size": BATCH},
            evaluations=EVALUATIONS,
            barrier=self.barrier,
        )
        self.desks: list[Desk | None] = [None, None]
        self.holders: dict[int, str] = {}  # the last lease of each proposal
        self.expired: set[int] = set()
        self.told: dict[int, Outcome] = {}
        self.tokens: list[tuple[int, str]] = []  # all that were ever given
        self.architectures: dict[int, str] = {}
        self.is_cancelled = False

    def order(self, server: int, order: Order) -> Answer | ServerError:
        desk, (answer,) = self.store.work_at_desk(self.search.id, self.desks[server], [order])
        self.desks[server] = desk
        return answer

    @property
    def is_over(self) -> bool:
        return self.is_cancelled or len(self.told) == EVALUATIONS

    # --- what happens --------------------------------------------------------------------------

    @rule(server=SERVERS, count=st.integers(1, 5))
    def lease(self, server: int, count: int) -> None:
        answer = self.order(server, LeaseOrder(count, "desk"))
        assert isinstance(answer, Leased)
        numbers = [lease.number for lease in answer.leases]
        if self.is_over:
            assert (numbers, answer.shortage) == ([], "ended")
            return
        assert set(self.expired) >= set(numbers) & set(self.holders)  # nothing that is held
        assert not set(numbers) & set(self.told)
        assert len(set(numbers)) == len(numbers)
        self.check_count(count, numbers)
        for lease in answer.leases:
            known = self.architectures.setdefault(lease.number, lease.architecture.digest)
            assert known == lease.architecture.digest
            assert lease.fence == 1 + sum(number == lease.number for number, _ in self.tokens)
            self.holders[lease.number] = lease.token
            self.expired.discard(lease.number)
            self.tokens.append((lease.number, lease.token))

    def check_count(self, count: int, numbers: list[int]) -> None:
        """Checks that as many were given as there are: expired ones first, then new ones."""
        num_expired = len(self.expired)
        num_leased = len(self.holders)
        if self.barrier:
            # Batches begin when all before was told.
            num_begun = -(-num_leased // BATCH) * BATCH
            all_told = num_leased == num_begun and len(self.told) == num_leased
            room = min(EVALUATIONS, num_begun + BATCH * all_told) - num_leased
        else:
            room = EVALUATIONS - num_leased
        assert len(numbers) == min(count, num_expired + room)
        assert len(set(numbers) & self.expired) == min(count, num_expired)

    @precondition(lambda self: self.tokens)
    @rule(server=SERVERS, pick=PICKS, outcome=OUTCOMES)
    def tell(self, server: int, pick: int, outcome: Outcome) -> None:
        number, token = self.tokens[pick % len(self.tokens)]
        answer = self.order(server, ReportOrder((Report(number, token, outcome),)))
        if number in self.told:
            if same(self.told[number], outcome):
                assert isinstance(answer, Reported)
                assert (answer.num_recorded, answer.num_known) == (0, 1)
            else:
                assert isinstance(answer, ConflictError)
        elif self.is_cancelled or self.holders[number] != token:
            assert isinstance(answer, ConflictError)
        else:
            assert isinstance(answer, Reported)
            assert (answer.num_recorded, answer.num_known) == (1, 0)
            self.told[number] = outcome
            self.expired.discard(number)

    @precondition(lambda self: self.tokens)
    @rule(server=SERVERS, pick=PICKS, outcome=OUTCOMES)
    def tell_with_what_is_wrong(self, server: int, pick: int, outcome: Outcome) -> None:
        """All or none: what can be told does not get through beside what cannot."""
        number, token = self.tokens[pick % len(self.tokens)]
        good = Report(number, token, outcome)
        bad = Report(EVALUATIONS, token, outcome)
        answer = self.order(server, ReportOrder((good, bad)))
        assert isinstance(answer, InvalidRequestError | ConflictError)

    @precondition(lambda self: self.tokens)
    @rule(server=SERVERS, pick=PICKS, give_back=st.booleans())
    def renew(self, server: int, pick: int, give_back: bool) -> None:
        number, token = self.tokens[pick % len(self.tokens)]
        answer = self.order(server, RenewOrder((HeldLease(number, token),), give_back))
        assert isinstance(answer, Renewed)
        if number in self.told or self.holders[number] != token:
            assert (len(answer.leases), len(answer.lost)) == (0, 1)
            return
        assert (len(answer.leases), len(answer.lost)) == (1, 0)
        if give_back:
            self.expired.add(number)
        else:
            self.expired.discard(number)

    @rule(server=SERVERS)
    def crash(self, server: int) -> None:
        self.desks[server] = None

    @rule()
    def time_passes(self) -> None:
        """All leases end. Servers know ends from the log, so they must read it again."""
        with self.store._write() as session:
            mine = LeaseRow.search_id == self.search.id
            for row in session.scalars(select(LeaseRow).where(mine)):
                row.expires_at -= timedelta(hours=1)
        self.desks = [None, None]
        self.expired = set(self.holders) - set(self.told)

    @precondition(lambda self: self.tokens and not self.is_over)
    @rule(chance=st.integers(0, 9))
    def cancel(self, chance: int) -> None:
        if chance == 0:
            assert self.store.request_cancel(self.job.id).status == "cancelled"
            self.is_cancelled = True

    # --- what always holds ---------------------------------------------------------------------

    @invariant()
    def the_database_holds_what_was_told(self) -> None:
        points = self.store.search_points(self.search.id)
        stored = {point.number: point.evaluation for point in points}
        assert set(stored) == set(self.told)
        for number, evaluation in stored.items():
            assert same(evaluation.outcome, self.told[number])
            assert evaluation.architecture_digest == self.architectures[number]

    @invariant()
    def the_job_stands_where_the_search_does(self) -> None:
        status = self.store.get_job(self.job.id).status
        if self.is_cancelled:
            assert status == "cancelled"
        elif len(self.told) == EVALUATIONS:
            measured = any(isinstance(outcome, Measured) for outcome in self.told.values())
            assert status == ("succeeded" if measured else "failed")
        else:
            assert status in ("running", "queued")


@pytest.fixture(scope="module")
def shared_store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Settings(home=Path(folder)))
        yield store
        store.close()


@pytest.mark.parametrize("barrier", [False, True])
def test_leases_keep_to_the_model(shared_store: Store, barrier: bool) -> None:
    machine = type("LeasesOfStore", (Leases,), {"store": shared_store, "barrier": barrier})
    run_state_machine_as_test(
        machine, settings=hypothesis_settings(max_examples=20, stateful_step_count=40)
    )

"""Many servers at the desk of one search: nothing lost, nothing twice, the same proposals."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Self, TypeVar

import pytest
from outside_examples import add_outside_search, measure
from sqlalchemy import Engine, select, update

from search_space.outcomes import Outcome
from searchers.nsga2 import NSGA2Settings
from searchers.protocol import Observation, Proposal
from searchers.replay import Asked, Told
from server.errors import (
    BusyError,
    ConflictError,
    DatabaseUnavailableError,
    NotFoundError,
    ServerError,
)
from server.job_states import JobStatus
from server.outside import exchange as exchange_module
from server.outside.desk import Desk
from server.outside.exchange import Exchange
from server.outside.orders import (
    Answer,
    Lease,
    Leased,
    LeaseOrder,
    Order,
    Renewed,
    Report,
    Reported,
    ReportOrder,
)
from server.search_problem import problem_of
from server.store import Store
from server.store.base import clock
from server.store.jobs import move_outside_job
from server.tables import JobRow, LeaseRow, ProposalRow, SearchRow

Kind = TypeVar("Kind", Leased, Reported, Renewed)
NSGA2 = {"kind": "nsga2", "population_size": 6}


class Server:
    """What one API process does at a desk, order by order."""

    def __init__(self, store: Store, search: SearchRow) -> None:
        self._store = store
        self._search = search
        self._desk: Desk | None = None

    def order(self, kind: type[Kind], order: Order) -> Kind:
        self._desk, (answer,) = self._store.work_at_desk(self._search.id, self._desk, [order])
        if isinstance(answer, ServerError):
            raise answer
        assert isinstance(answer, kind)
        return answer

    def lease(self, count: int = 1) -> Sequence[Lease]:
        return self.order(Leased, LeaseOrder(count, None)).leases

    def tell(self, leases: Sequence[Lease]) -> Reported:
        reports = (Report(x.number, x.token, measure(x.architecture)) for x in leases)
        return self.order(Reported, ReportOrder(tuple(reports)))

    def die(self) -> None:
        self._desk = None


def proposals_of(store: Store, search: SearchRow) -> list[Proposal]:
    log = store.search_log(search.id)
    return [proposal for entry in log if isinstance(entry, Asked) for proposal in entry.proposals]


def test_servers_and_crashes_make_no_difference(store: Store) -> None:
    alone, _ = add_outside_search(store, searcher=NSGA2, evaluations=30)
    server = Server(store, alone)
    while leases := server.lease(3):
        server.tell(leases)

    shared, _ = add_outside_search(store, searcher=NSGA2, evaluations=30)
    servers = [Server(store, shared) for _ in range(3)]
    turn = 0
    while leases := servers[turn % 3].lease(3):
        servers[(turn + 1) % 3].tell(leases)
        servers[turn % 2].die()
        turn += 1
    assert turn == 10
    assert proposals_of(store, shared) == proposals_of(store, alone)
    assert store.search_counts([shared])[shared.id]["measured"] == 30


def test_the_log_replays_in_the_protocol_of_searchers(store: Store) -> None:
    search, _ = add_outside_search(store, searcher=NSGA2, evaluations=24)
    servers = [Server(store, search) for _ in range(2)]
    held: list[Lease] = []
    for turn in range(100):
        held += servers[turn % 2].lease(1 + turn % 4)
        if turn % 3:
            servers[(turn + 1) % 2].tell([held.pop(turn % len(held)) for _ in held[:2]])
        if not held:
            break
    problem = problem_of(search, store.get_space(search.space_id))
    searcher = NSGA2Settings(population_size=6).build(problem, search.seed)
    for entry in store.search_log(search.id):
        if isinstance(entry, Told):
            searcher.tell(entry.observations)
        else:
            assert list(searcher.ask(len(entry.proposals))) == list(entry.proposals)
    assert store.search_counts([search])[search.id]["measured"] == 24


def test_with_barriers_it_does_not_matter_who_is_faster(store: Store) -> None:
    search, job = add_outside_search(store, searcher=NSGA2, evaluations=18, barrier=True)
    problem = problem_of(search, store.get_space(search.space_id))
    searcher = NSGA2Settings(population_size=6).build(problem, search.seed)
    servers = [Server(store, search) for _ in range(2)]
    for generation in range(3):
        expected = searcher.ask(6)
        searcher.tell([Observation(p, measure(p.architecture)) for p in expected])
        leases = servers[0].lease(4)
        answer = servers[1].order(Leased, LeaseOrder(5, None))
        assert (len(answer.leases), answer.shortage, answer.retry_after_s) == (
            2,
            "barrier" if generation < 2 else "budget",
            5,
        )
        leases = [*leases, *answer.leases]
        assert [Proposal(x.number, x.architecture) for x in leases] == list(expected)
        for lease in reversed(leases):
            servers[generation % 2].tell([lease])
            servers[lease.number % 2].die()
    assert store.get_job(job.id).status == "succeeded"


def test_a_paused_search_takes_outcomes_but_lends_nothing(store: Store) -> None:
    search, job = add_outside_search(store, evaluations=2)
    server = Server(store, search)
    leases = server.lease(2)
    move(store, job, JobStatus.PAUSED)
    answer = server.order(Leased, LeaseOrder(1, None))
    assert (answer.leases, answer.shortage, answer.status) == ((), "paused", "paused")
    assert answer.retry_after_s is not None
    assert server.tell(leases).num_recorded == 2
    # It cannot end while it is paused.
    assert store.get_job(job.id).status == "paused"
    move(store, job, JobStatus.QUEUED)
    assert server.order(Leased, LeaseOrder(1, None)).shortage == "ended"
    assert store.get_job(job.id).status == "succeeded"


def move(store: Store, job: JobRow, to: JobStatus) -> None:
    with store._write() as session:
        move_outside_job(session, job.id, to, clock(session), {})


def test_a_log_of_another_program_is_refused(store: Store, engine: Engine) -> None:
    search, job = add_outside_search(store)
    Server(store, search).lease(3)
    with engine.execution_options(writes=True).begin() as connection:
        first = connection.scalar(select(ProposalRow.architecture).where(ProposalRow.number == 0))
        assert first is not None
        changed = first | {"a": (first["a"] + 1) % 4}
        connection.execute(
            update(ProposalRow).where(ProposalRow.number == 0).values(architecture=changed)
        )
    with pytest.raises(ConflictError, match="cannot be continued: at entry 0 of its log"):
        Server(store, search).lease()
    assert store.get_job(job.id).status == "running"


def test_leases_expire_by_the_database_clock(store: Store, engine: Engine) -> None:
    search, _ = add_outside_search(store, lease_seconds=60)
    first, second = Server(store, search), Server(store, search)
    early = first.lease(2)
    with engine.execution_options(writes=True).begin() as connection:
        past = early[0].expires_at - timedelta(seconds=61)
        connection.execute(update(LeaseRow).values(expires_at=past))
    again = second.lease(3)
    assert [(x.number, x.fence) for x in again] == [(0, 2), (1, 2), (2, 1)]
    # The first server learns from the log that its client was too late.
    with pytest.raises(ConflictError, match="the proposal is leased under fence 2"):
        first.tell(early[:1])
    assert second.tell(again).num_recorded == 3


class Unreliable:
    """A store that fails now and then after it has worked, as a lost connection does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._calls = 0

    def within(self, project_id: str) -> Self:
        raise AssertionError(project_id)

    def work_at_desk(
        self, search_id: str, desk: Desk | None, orders: Sequence[Order]
    ) -> tuple[Desk, list[Answer | ServerError]]:
        self._calls += 1
        answer = self._store.work_at_desk(search_id, desk, orders)
        if self._calls % 4 == 0:
            raise DatabaseUnavailableError("the connection was lost")
        return answer


async def evaluate(exchange: Exchange, search_id: str, numbers: list[int]) -> None:
    """One client's part: leases, measures and tells until the search has ended."""
    while True:
        leased = await again(exchange, search_id, LeaseOrder(1, None))
        assert isinstance(leased, Leased)
        if leased.shortage == "ended":
            return
        if not leased.leases:
            await asyncio.sleep(0.005)
        for lease in leased.leases:
            outcome: Outcome = measure(lease.architecture)
            order = ReportOrder((Report(lease.number, lease.token, outcome),))
            assert isinstance(await again(exchange, search_id, order), Reported)
            numbers.append(lease.number)


async def again(exchange: Exchange, search_id: str, order: Order) -> Answer:
    while True:
        try:
            return await exchange.submit(None, search_id, order)
        except DatabaseUnavailableError:
            await asyncio.sleep(0)


def test_clients_of_several_servers_share_a_search(store: Store) -> None:
    search, job = add_outside_search(store, searcher=NSGA2, evaluations=60)
    exchanges = [Exchange(store) for _ in range(3)]
    numbers: list[int] = []

    async def all_clients() -> None:
        clients = (evaluate(exchanges[i % 3], search.id, numbers) for i in range(12))
        await asyncio.gather(*clients)

    asyncio.run(all_clients())
    for exchange in exchanges:
        exchange.close()
    assert sorted(numbers) == list(range(60))
    assert store.get_job(job.id).status == "succeeded"
    assert len({p.architecture.digest for p in proposals_of(store, search)}) == 60


def test_a_transaction_of_unknown_end_loses_nothing(store: Store) -> None:
    search, _ = add_outside_search(store, evaluations=15, lease_seconds=1)
    exchange = Exchange(Unreliable(store))
    numbers: list[int] = []
    asyncio.run(evaluate(exchange, search.id, numbers))
    exchange.close()
    assert sorted(numbers) == list(range(15))  # after leases nobody knows of have expired
    assert store.search_counts([search])[search.id]["measured"] == 15


def test_too_many_orders_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    search, _ = add_outside_search(store)
    monkeypatch.setattr(exchange_module, "MAX_WAITING", 5)
    exchange = Exchange(store)

    async def crowd() -> list[Any]:
        submit = partial(exchange.submit, None, search.id)
        orders = [submit(LeaseOrder(1, None)) for _ in range(20)]
        return await asyncio.gather(*orders, return_exceptions=True)

    answers = asyncio.run(crowd())
    exchange.close()
    refused = [answer for answer in answers if isinstance(answer, BusyError)]
    leases = [lease.number for a in answers if isinstance(a, Leased) for lease in a.leases]
    assert refused
    assert sorted(leases) == list(range(20 - len(refused)))


def test_a_search_of_another_project_is_not_there(store: Store) -> None:
    search, _ = add_outside_search(store.within("mine"))
    with pytest.raises(NotFoundError, match="there is no search"):
        store.within("other").work_at_desk(search.id, None, [LeaseOrder(1, None)])
    mine = store.within("mine")
    _, (answer,) = mine.work_at_desk(search.id, None, [LeaseOrder(2, None)])
    assert isinstance(answer, Leased)
    assert len(proposals_of(mine, search)) == 2
    assert proposals_of(store.within("other"), search) == []


def test_a_pause_holds_back_proposals_and_takes_reports_at_once(store: Store) -> None:
    search, job = add_outside_search(store)
    server = Server(store, search)
    leases = server.lease(2)
    assert store.get_job(job.id).state is JobStatus.RUNNING
    assert store.request_pause(job.id).state is JobStatus.PAUSED  # no runner has to let go
    held_back = server.order(Leased, LeaseOrder(1, None))
    assert (held_back.leases, held_back.shortage) == ((), "paused")
    assert server.tell(leases).num_recorded == 2
    store.resume_job(job.id)
    assert server.lease()[0].number == 2
    row = store.get_job(job.id)
    assert (row.state, row.attempt) == (JobStatus.RUNNING, 1)

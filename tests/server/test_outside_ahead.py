"""On SQLite a desk works before it locks the database: nobody waits while a searcher thinks."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from live import sqlite_settings
from outside_examples import add_outside_search

from search_space.custom import CustomSettings
from search_space.space import Choice
from searchers.nsga2 import NSGA2Settings
from searchers.protocol import Observation, Proposal, Searcher
from searchers.replay import replay
from server.main import open_store
from server.outside.desk import Desk
from server.outside.orders import Leased, LeaseOrder, OutsideTerms
from server.search_problem import problem_of
from server.store import Store
from server.tables import SearchRow

NSGA2 = {"kind": "nsga2", "population_size": 6}


class Thinker(Searcher):
    """NSGA-II, while whose first thought something else happens."""

    def __init__(self, searcher: Searcher, meanwhile: Callable[[], object]) -> None:
        self._searcher = searcher
        self._meanwhile: Callable[[], object] | None = meanwhile

    @property
    def batch_size(self) -> int:
        return self._searcher.batch_size

    def ask(self, count: int) -> Sequence[Proposal]:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return self._searcher.ask(count)

    def tell(self, observations: Sequence[Observation]) -> None:
        self._searcher.tell(observations)


@pytest.fixture
def sqlite_store(sqlite_template: Path, tmp_path: Path) -> Iterator[Store]:
    store = open_store(sqlite_settings(sqlite_template, tmp_path / "home"))
    yield store
    store.close()


def desk_of(store: Store, search: SearchRow, meanwhile: Callable[[], object]) -> Desk:
    problem = problem_of(search, store.get_space(search.space_id))
    searcher = NSGA2Settings(population_size=6).build(problem, search.seed)
    terms = OutsideTerms(search.evaluations, 60.0, barrier=False)
    return Desk(search.id, problem, Thinker(searcher, meanwhile), terms)


def lease(store: Store, search: SearchRow, desk: Desk | None, count: int) -> Leased:
    _, (answer,) = store.work_at_desk(search.id, desk, [LeaseOrder(count, None)])
    assert isinstance(answer, Leased)
    return answer


def numbers(leased: Leased) -> list[int]:
    return [one.number for one in leased.leases]


def check_log(store: Store, search: SearchRow, num_proposals: int) -> None:
    problem = problem_of(search, store.get_space(search.space_id))
    log = store.search_log(search.id)
    replay(NSGA2Settings(population_size=6).build(problem, search.seed), log)
    proposed = [p.number for entry in log for p in getattr(entry, "proposals", ())]
    assert proposed == list(range(num_proposals))


def test_others_write_while_a_searcher_thinks(sqlite_store: Store) -> None:
    search, _ = add_outside_search(sqlite_store, searcher=NSGA2)
    other = CustomSettings(name="other", choices=(Choice(name="x", options=(1, 2)),))
    written = []

    def write() -> None:
        written.append(sqlite_store.add_space(other, other.build())[0].id)

    leased = lease(sqlite_store, search, desk_of(sqlite_store, search, write), 3)
    assert numbers(leased) == [0, 1, 2]
    assert sqlite_store.get_space(written[0]).settings["name"] == "other"
    check_log(sqlite_store, search, 3)


def test_a_desk_that_was_overtaken_works_anew(sqlite_store: Store) -> None:
    search, _ = add_outside_search(sqlite_store, searcher=NSGA2)
    first: list[Leased] = []

    def overtake() -> None:
        first.append(lease(sqlite_store, search, None, 2))

    leased = lease(sqlite_store, search, desk_of(sqlite_store, search, overtake), 3)
    assert (numbers(first[0]), numbers(leased)) == ([0, 1], [2, 3, 4])
    check_log(sqlite_store, search, 5)


def test_a_pause_while_a_searcher_thinks_holds_back_what_it_thought_of(
    sqlite_store: Store,
) -> None:
    search, job = add_outside_search(sqlite_store, searcher=NSGA2)
    desk = desk_of(sqlite_store, search, lambda: sqlite_store.request_pause(job.id))
    held_back = lease(sqlite_store, search, desk, 2)
    assert (numbers(held_back), held_back.shortage) == ([], "paused")
    sqlite_store.resume_job(job.id)
    assert numbers(lease(sqlite_store, search, None, 2)) == [0, 1]
    check_log(sqlite_store, search, 2)

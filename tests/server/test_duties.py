"""The periodic work of a runner: turns, failures, and that it goes on beside a job."""

import threading

import pytest
from examples import add_supernet, artifact
from test_runner import running

from server.duties import Duties, Duty, on_duty
from server.errors import DatabaseUnavailableError
from server.execution.context import JobContext
from server.settings import Settings
from server.store import Store


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_each_duty_has_its_own_interval_from_the_end_of_its_turn(store: Store) -> None:
    clock, turns = Clock(), []

    def slow(_store: Store) -> None:
        turns.append(("slow", clock.now))
        clock.now += 3

    duties = Duties(
        store,
        [Duty("slow", 10, slow), Duty("quick", 4, lambda _: turns.append(("quick", clock.now)))],
    )
    assert duties.run_due(clock) == 107  # the quick one began at 103
    clock.now = 106.5
    assert duties.run_due(clock) == 107
    clock.now = 107
    assert duties.run_due(clock) == 111
    clock.now = 113
    duties.run_due(clock)
    assert turns == [("slow", 100), ("quick", 103), ("quick", 107), ("slow", 113), ("quick", 116)]


@pytest.mark.parametrize("error", [DatabaseUnavailableError("gone"), ZeroDivisionError()])
def test_a_duty_that_fails_has_its_next_turn_and_stops_no_other(
    store: Store, error: Exception
) -> None:
    clock, turns = Clock(), []

    def failing(_store: Store) -> None:
        turns.append("failing")
        raise error

    duties = Duties(
        store, [Duty("failing", 5, failing), Duty("other", 5, lambda _: turns.append("other"))]
    )
    duties.run_due(clock)
    clock.now += 5
    duties.run_due(clock)
    assert turns == ["failing", "other"] * 2


def test_without_duties_there_is_nothing_to_wait_for(store: Store) -> None:
    assert Duties(store, []).run_due(Clock()) is None
    with on_duty(store, []):
        pass


def test_a_thread_does_the_duties_until_the_context_ends(store: Store) -> None:
    turns = threading.Semaphore(0)
    with on_duty(store, [Duty("often", 0.01, lambda _: turns.release())]):
        for _ in range(3):
            assert turns.acquire(timeout=20)
    names = [thread.name for thread in threading.enumerate()]
    assert "duties" not in names


def test_a_duty_that_hangs_in_its_own_thread_is_in_nobodys_way(store: Store) -> None:
    turns, end = threading.Semaphore(0), threading.Event()

    def hang(_store: Store) -> None:
        assert end.wait(20)

    duties = [
        Duty("hangs", 0.01, hang, thread="elsewhere"),
        Duty("often", 0.01, lambda _: turns.release()),
    ]
    with on_duty(store, duties):
        for _ in range(3):
            assert turns.acquire(timeout=20)
        assert "elsewhere" in [thread.name for thread in threading.enumerate()]
        end.set()


def test_a_runner_does_its_duties_while_a_job_runs(store: Store, settings: Settings) -> None:
    supernet, _ = add_supernet(store)
    is_at_work, done = threading.Event(), threading.Event()

    def executor(context: JobContext) -> None:
        is_at_work.set()
        assert done.wait(20)
        store.finish_supernet(context.job, supernet.id, artifact("f"), {})

    turns = []

    def duty(_store: Store) -> None:
        turns.append(is_at_work.wait(20))
        done.set()

    with running(store, settings, executor, duties=[Duty("beside", 0.05, duty)]):
        assert done.wait(20)
        assert is_at_work.is_set()
    assert turns
    assert all(turns)

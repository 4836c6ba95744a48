"""Small periodic work of the service itself: campaigns, deliveries, overdue jobs, retention.

Every runner process does its part in daemon threads, also while a job runs, so that it is done as
long as any runner lives; what must be done without runners, too, API servers do. How often a duty
comes to nothing because another process was first does not matter: what must happen exactly once is
made so by the database, in the duty's own transaction.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from server.errors import DatabaseUnavailableError
from server.store import Store

logger = structlog.get_logger(__name__)

STOP_S = 5.0
"""How long a process that ends waits for a duty in progress; its transaction is rolled back."""


@dataclass(frozen=True)
class Duty:
    """Something that the service does again and again.

    Attributes:
        name: for the log.
        interval_s: from the end of one turn to the beginning of the next.
        run: one turn, in seconds at most, as the duties of a thread wait for each other. It acts
            for the service itself, may be called by several runners at once, and may be killed
            anywhere.
        thread: that does it; what waits for others' machines has one of its own.
    """

    name: str
    interval_s: float
    run: Callable[[Store], None]
    thread: str = "duties"

    def __post_init__(self) -> None:
        assert self.interval_s > 0, f"interval_s of {self.name} must be positive"


class Duties:
    """When each duty's next turn is. A duty that raises is logged and has its next turn in time.

    Args:
        store: the database.
        duties: of distinct names.
    """

    def __init__(self, store: Store, duties: Sequence[Duty]) -> None:
        self._store = store
        self._due_at = dict.fromkeys(duties, 0.0)

    def run_due(self, clock: Callable[[], float]) -> float | None:
        """Gives a turn to every duty that is due.

        Args:
            clock: seconds, never going back; read again after each turn.

        Returns:
            When the next turn is, by that clock; None without duties.
        """
        for duty, due_at in self._due_at.items():
            if due_at <= clock():
                self._turn(duty)
                self._due_at[duty] = clock() + duty.interval_s
        return min(self._due_at.values(), default=None)

    def _turn(self, duty: Duty) -> None:
        try:
            duty.run(self._store)
        except DatabaseUnavailableError as error:
            logger.warning("duty waits for the database", duty=duty.name, error=str(error))
        except Exception:
            logger.exception("duty failed", duty=duty.name)


@contextmanager
def on_duty(store: Store, duties: Sequence[Duty]) -> Iterator[None]:
    """Does the duties in their threads while the context lasts."""
    stopping = threading.Event()

    def work(mine: Sequence[Duty]) -> None:
        schedule = Duties(store, mine)
        while not stopping.is_set():
            due_at = schedule.run_due(time.monotonic)
            if due_at is None:
                return
            stopping.wait(max(0.0, due_at - time.monotonic()))

    threads = []
    for name in dict.fromkeys(duty.thread for duty in duties):
        mine = [duty for duty in duties if duty.thread == name]
        threads.append(threading.Thread(target=work, args=(mine,), name=name, daemon=True))
        threads[-1].start()
    try:
        yield
    finally:
        stopping.set()
        give_up_at = time.monotonic() + STOP_S
        for thread in threads:
            thread.join(max(0.0, give_up_at - time.monotonic()))

"""Orders of many requests at once, carried out in groups: one transaction for all that wait.

While a transaction of a search is on its way, further orders for it gather; they are the next
group. So a hundred clients need some dozen transactions a second, not hundreds, and each waits for
about two of them. Searches do not wait for each other.

An answer is given when the transaction that it rests on is committed. Desks are kept between
transactions: the log is read only where other processes have written to it.
"""

import asyncio
import contextlib
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, Self

from server.errors import BusyError, ServerError
from server.outside.desk import Desk
from server.outside.orders import Answer, Order

NUM_THREADS = 4
"""Searches that are worked for at once."""
MAX_GROUP = 256
MAX_WAITING = 10_000
MAX_DESKS = 64
"""Searches that are kept in memory; the one that was used last longest ago goes first."""


Place = tuple[str | None, str]
"""A project, None for all, and a search."""


class DeskStore(Protocol):
    """What the exchange needs of the store."""

    def within(self, project_id: str) -> Self:
        """Returns a store that sees the rows of a project only."""

    def work_at_desk(
        self, search_id: str, desk: Desk | None, orders: Sequence[Order]
    ) -> tuple[Desk, list[Answer | ServerError]]:
        """Carries out orders in one transaction; see `OutsideStore`."""


@dataclass(frozen=True)
class _Waiting:
    """An order and whom to tell its answer."""

    order: Order
    future: asyncio.Future[Answer]
    loop: asyncio.AbstractEventLoop


class Exchange:
    """Groups the orders of one process by their searches.

    Args:
        store: acts for the service itself.
    """

    def __init__(self, store: DeskStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._queues: dict[Place, deque[_Waiting]] = {}  # of searches that are worked for
        self._desks: OrderedDict[Place, Desk] = OrderedDict()
        self._num_waiting = 0
        self._threads = ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="exchange")

    def close(self) -> None:
        """Returns when all orders that were given have been carried out."""
        self._threads.shutdown(wait=True)

    async def submit(self, project_id: str | None, search_id: str, order: Order) -> Answer:
        """Returns the answer to an order, when it is on record.

        Args:
            project_id: of the caller, who sees no other project's searches; None sees all.
            search_id: whose proposals.
            order: what to do.

        Raises:
            BusyError: too many orders wait.
            ServerError: the order cannot be carried out.
        """
        place = (project_id, search_id)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(order, loop.create_future(), loop)
        with self._lock:
            if self._num_waiting >= MAX_WAITING:
                raise BusyError(f"{MAX_WAITING} orders wait for their searches already")
            self._num_waiting += 1
            queue = self._queues.get(place)
            if queue is None:
                self._queues[place] = deque([waiting])
                self._threads.submit(self._serve, place)
            else:
                queue.append(waiting)
        return await waiting.future

    def _serve(self, place: Place) -> None:
        """Carries out the orders of one search until none waits; no other thread does."""
        while group := self._next_group(place):
            self._carry_out(place, group)

    def _next_group(self, place: Place) -> list[_Waiting]:
        with self._lock:
            queue = self._queues[place]
            group = [queue.popleft() for _ in range(min(len(queue), MAX_GROUP))]
            if not group:
                del self._queues[place]
            self._num_waiting -= len(group)
            return group

    def _carry_out(self, place: Place, group: Sequence[_Waiting]) -> None:
        # Taken out: a desk whose transaction fails is never used again.
        with self._lock:
            desk = self._desks.pop(place, None)
        answers: Iterable[Answer | BaseException]
        try:
            project_id, search_id = place
            store = self._store if project_id is None else self._store.within(project_id)
            desk, answers = store.work_at_desk(
                search_id, desk, [waiting.order for waiting in group]
            )
        except Exception as error:  # those who wait must learn of it, whatever it is
            answers = [error] * len(group)
        else:
            with self._lock:
                self._desks[place] = desk
                if len(self._desks) > MAX_DESKS:
                    self._desks.popitem(last=False)
        settled: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, Answer | BaseException]]] = {}
        for waiting, answer in zip(group, answers, strict=True):
            settled.setdefault(waiting.loop, []).append((waiting, answer))
        for loop, pairs in settled.items():
            with contextlib.suppress(RuntimeError):  # it was closed: nobody waits there any more
                loop.call_soon_threadsafe(_settle, pairs)


def _settle(pairs: Sequence[tuple[_Waiting, Answer | BaseException]]) -> None:
    """Tells answers to those who wait; some may have gone."""
    for waiting, answer in pairs:
        if waiting.future.done():
            continue
        if isinstance(answer, BaseException):
            waiting.future.set_exception(answer)
        else:
            waiting.future.set_result(answer)

"""Turns at what takes much memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from server.errors import BusyError


class Turns:
    """Lets a few at once read data sets, while a few more wait.

    Args:
        num_at_once: how many have their turn.
        num_waiting: how many may wait for theirs; each holds a thread that answers requests.
    """

    def __init__(self, num_at_once: int, num_waiting: int) -> None:
        self._turns = threading.BoundedSemaphore(num_at_once)
        self._places = threading.BoundedSemaphore(num_at_once + num_waiting)

    @contextmanager
    def take(self, patience_s: float) -> Iterator[None]:
        """Waits for a turn, which ends with the block.

        Raises:
            BusyError: none came in time, or as many wait already as may.
        """
        busy = BusyError("the server reads as many data sets as it can at once")
        if not self._places.acquire(blocking=False):
            raise busy
        try:
            if not self._turns.acquire(timeout=patience_s):
                raise busy
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._places.release()

"""Who holds which proposal of a search, and until when."""

import heapq
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from search_space.space import Architecture
from server.outside.orders import Lease


class LeaseBook:
    """The leases of proposals that are not told; of each the last one.

    A lease that is over stays in the book until its proposal is leased again: who reports late, but
    before that, is heard.

    Args:
        lease_seconds: how long a lease lasts, until it is renewed.
    """

    def __init__(self, lease_seconds: float) -> None:
        self._duration = timedelta(seconds=lease_seconds)
        self._leases: dict[int, Lease] = {}
        self._ends: list[tuple[datetime, int]] = []  # a heap; ends that were put off stay in it

    def of(self, number: int) -> Lease | None:
        """Returns a proposal's last lease; None if it was never leased, or is told."""
        return self._leases.get(number)

    def note(self, lease: Lease) -> None:
        """Takes over a lease: a new one, or one with another end."""
        self._leases[lease.number] = lease
        heapq.heappush(self._ends, (lease.expires_at, lease.number))

    def strike(self, number: int) -> None:
        """Forgets the lease of a proposal that was told, if it has one."""
        self._leases.pop(number, None)

    def grant(
        self,
        number: int,
        architecture: Architecture,
        worker: str | None,
        now: datetime,
        new_token: Callable[[datetime], str],
    ) -> Lease:
        """Leases a proposal, in place of any earlier lease of it."""
        earlier = self._leases.get(number)
        lease = Lease(
            number,
            architecture,
            new_token(now),
            1 if earlier is None else earlier.fence + 1,
            worker,
            now + self._duration,
        )
        self.note(lease)
        return lease

    def renew(self, lease: Lease, now: datetime, *, give_back: bool) -> Lease:
        """Puts off the end of a lease that is held, or ends it where it is given back."""
        renewed = replace(lease, expires_at=now if give_back else now + self._duration)
        self.note(renewed)
        return renewed

    def expired(self, count: int, now: datetime) -> list[int]:
        """Returns up to `count` proposals whose leases are over, the first to expire first.

        They are to be leased again: none of them is returned once more.
        """
        numbers: list[int] = []
        while self._ends and len(numbers) < count and self._ends[0][0] <= now:
            end = heapq.heappop(self._ends)
            if self._is_end(*end) and end[1] not in numbers:
                numbers.append(end[1])
        return numbers

    def next_end(self) -> datetime | None:
        """Returns when the first lease ends; None if there is none."""
        while self._ends and not self._is_end(*self._ends[0]):
            heapq.heappop(self._ends)
        return self._ends[0][0] if self._ends else None

    def _is_end(self, expires_at: datetime, number: int) -> bool:
        """Whether a proposal's lease ends then, and was not told, renewed or replaced since."""
        lease = self._leases.get(number)
        return lease is not None and lease.expires_at == expires_at

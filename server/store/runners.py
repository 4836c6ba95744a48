"""Runners: who is at work, and what their clusters offer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update

from server.store.base import Transactions, clock, insert_new
from server.tables import RunnerRow

KEPT_DAYS = 7
"""How long a runner that is gone stays in the list."""


@dataclass(frozen=True)
class RunnerFacts:
    """What a runner says of itself.

    Attributes:
        id: the owner of its leases.
        host: where it runs.
        num_cpus: of its cluster, in all.
        num_gpus: likewise.
        custom: other resources of Ray by name, likewise.
        version: of the program.
    """

    id: str
    host: str
    num_cpus: float
    num_gpus: float
    custom: dict[str, float]
    version: str

    @property
    def offered(self) -> dict[str, float]:
        """How much of each resource of Ray there is."""
        return {"CPU": self.num_cpus, "GPU": self.num_gpus, **self.custom}


class RunnerStore(Transactions):
    """Queries about runners."""

    def register_runner(self, facts: RunnerFacts, *, sole: bool = False) -> None:
        """Records that a runner is at work and what it offers; again when that has changed.

        Args:
            facts: what to record.
            sole: whether it is known to be the only one, so that all others are gone.
        """
        values: dict[str, Any] = asdict(facts)
        with self._write() as session:
            now = clock(session)
            gone = RunnerRow.seen_at < now - timedelta(days=KEPT_DAYS)
            if sole:
                gone = RunnerRow.id != facts.id
            session.execute(delete(RunnerRow).where(gone))
            row = {**values, "started_at": now, "seen_at": now}
            if not insert_new(session, RunnerRow, [row]):
                changed = {**values, "seen_at": now}
                session.execute(update(RunnerRow).where(RunnerRow.id == facts.id).values(**changed))

    def runner_seen(self, runner_id: str) -> bool:
        """Records that a runner lives; returns False if it is not known (any more)."""
        with self._write() as session:
            row = session.get(RunnerRow, runner_id)
            if row is not None:
                row.seen_at = clock(session)
            return row is not None

    def remove_runner(self, runner_id: str) -> None:
        """Records that a runner has ended."""
        with self._write() as session:
            session.execute(delete(RunnerRow).where(RunnerRow.id == runner_id))

    def runners(self, silent_seconds: float) -> Sequence[tuple[RunnerRow, bool]]:
        """Returns all runners that are known, and whether each lives; the newest first.

        Args:
            silent_seconds: one that was not heard of for longer is taken to be dead.
        """
        with self._read() as session:
            oldest = clock(session) - timedelta(seconds=silent_seconds)
            statement = select(RunnerRow).order_by(RunnerRow.started_at.desc(), RunnerRow.id)
            return [(row, row.seen_at >= oldest) for row in session.scalars(statement)]

"""What a desk reads from the log of its search, and what must be written there."""

from dataclasses import dataclass, field

from searchers.protocol import Observation, Proposal
from server.outside.orders import Lease


@dataclass
class Changes:
    """What a desk has done since it last agreed with the log.

    Attributes:
        told: reports that are new, in the order of telling.
        tell_step: their position in the log.
        asked: proposals that the searcher made.
        leases: new, renewed and returned ones.
        lend_step: the position of both.
    """

    told: list[Observation] = field(default_factory=list)
    tell_step: int = -1
    asked: list[Proposal] = field(default_factory=list)
    leases: dict[int, Lease] = field(default_factory=dict)
    lend_step: int = -1


@dataclass(frozen=True)
class LogEntry:
    """What one step of the log holds: a tell, or an ask and leases that changed then."""

    step: int
    told: tuple[Observation, ...] = ()
    asked: tuple[Proposal, ...] = ()
    leases: tuple[Lease, ...] = ()

"""Brings a searcher to where its log ends.

A log is a list of entries, asks and tells, in their order. Replayed on a searcher that is built
from the same problem, settings and seed, every ask gives the recorded proposals again; where it
does not, the log belongs to other settings, or to another version of the program.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from searchers.protocol import Observation, Proposal, Searcher


@dataclass(frozen=True)
class Asked:
    """An entry of a search's log: what one ask returned."""

    proposals: tuple[Proposal, ...]


@dataclass(frozen=True)
class Told:
    """An entry of a search's log: what one tell was given."""

    observations: tuple[Observation, ...]


class ReplayError(ValueError):
    """A searcher does not propose what its log says that it did.

    Attributes:
        entry: the log's entry, counted from 0.
    """

    def __init__(self, entry: int, expected: Sequence[Proposal], got: Sequence[Proposal]) -> None:
        super().__init__(entry, expected, got)  # all arguments, so that it can be pickled
        self.entry = entry
        self.expected = tuple(expected)
        self.got = tuple(got)

    def __str__(self) -> str:
        return (
            f"at entry {self.entry} of its log the searcher proposes other architectures than "
            f"those on record: {self._difference()}"
        )

    def _difference(self) -> str:
        for expected, got in zip(self.expected, self.got, strict=False):
            if expected != got:
                digests = expected.architecture.digest, got.architecture.digest
                return "proposal {} is on record as {} and now is {}".format(
                    expected.number, *digests
                )
        return f"{len(self.expected)} are on record and now there are {len(self.got)}"


def ask_again(searcher: Searcher, expected: Sequence[Proposal], entry: int) -> None:
    """Asks for what is on record.

    Args:
        searcher: as it was before that ask.
        expected: what it proposed then.
        entry: position in the log, for the message.

    Raises:
        ReplayError: it proposes something else. The searcher cannot be used any more.
    """
    got = searcher.ask(len(expected))
    if list(got) != list(expected):
        raise ReplayError(entry, expected, got)


def replay(searcher: Searcher, log: Iterable[Asked | Told]) -> None:
    """Repeats all that was asked and told.

    Args:
        searcher: new, from the problem, settings and seed that the log was made with.
        log: from its beginning.

    Raises:
        ReplayError: an ask does not give the recorded proposals again.
        ValueError: an entry tells what was not proposed before, or was told before.
    """
    for number, entry in enumerate(log):
        match entry:
            case Asked(proposals):
                ask_again(searcher, proposals, number)
            case Told(observations):
                searcher.tell(observations)

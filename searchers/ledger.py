"""The book that a searcher keeps: what it proposed, what came back, what is still new."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from search_space.operators import MAX_ENUMERABLE, enumerate_genes, genes_at, sample_evenly
from search_space.outcomes import Measured
from search_space.space import Architecture, Genes, Option, SearchSpace
from searchers.protocol import Observation, Problem, Proposal

PATIENCE = 10
"""Draws in a row without anything new after which a policy's proposals are completed by chance."""
MAX_ENUMERATED = 65_536
"""Spaces up to this size are listed in full to find what is left of them."""
MAX_DRAWN = 65_536
"""Most rows that are drawn at once from a larger space."""

_Number = TypeVar("_Number", np.int64, np.float64)


class GrowingRows(Generic[_Number]):
    """Rows of one shape that only ever become more; all of them at any time, without a copy.

    A search asks for all of its losses again and again: to put them together anew each time would
    take a time that grows with the square of the search's length.

    Args:
        width: numbers of a row.
        kind: of the numbers.
    """

    def __init__(self, width: int, kind: type[_Number]) -> None:
        self._rows: npt.NDArray[_Number] = np.empty((16, width), dtype=kind)
        self._count = 0

    @property
    def rows(self) -> npt.NDArray[_Number]:
        """Shape (count, width); not to be written to."""
        rows = self._rows[: self._count]
        rows.flags.writeable = False
        return rows

    def add(self, rows: npt.NDArray[_Number]) -> None:
        """Adds rows of shape (n, width)."""
        end = self._count + len(rows)
        if end > len(self._rows):
            grown = np.empty((max(end, 2 * len(self._rows)), self._rows.shape[1]), self._rows.dtype)
            grown[: self._count] = self._rows[: self._count]
            self._rows = grown
        self._rows[self._count : end] = rows
        self._count = end


class Ledger:
    """Guards what the protocol promises: new architectures only, each outcome noted once.

    Equal canonical gene rows are equal architectures and so equal digests: rows are what is
    remembered, since only what is proposed need then be decoded and hashed.

    Args:
        problem: whose space is proposed from and whose metrics must be reported.
        first: architectures that are proposed before any other, in this order, each once.

    Raises:
        InvalidArchitectureError: one of them is not of the space.
    """

    def __init__(self, problem: Problem, first: Sequence[Mapping[str, Option]] = ()) -> None:
        self._problem = problem
        self._first = [problem.space.encode(Architecture(values)) for values in first]
        self._space: SearchSpace = problem.space
        self._rows = GrowingRows(problem.space.num_choices, np.int64)  # by proposal number
        self._proposals: list[Proposal] = []
        self._seen: set[bytes] = set()
        self._told: set[int] = set()
        # What was measured, in the order of telling.
        self._genes = GrowingRows(problem.space.num_choices, np.int64)
        self._losses = GrowingRows(len(problem.objectives), np.float64)
        self._violations = GrowingRows(1, np.float64)

    @property
    def num_proposed(self) -> int:
        """How many proposals were made."""
        return len(self._proposals)

    @property
    def genes(self) -> Genes:
        """The measured architectures in the order of telling, shape (count, num_choices)."""
        return self._genes.rows

    @property
    def losses(self) -> npt.NDArray[np.float64]:
        """Their losses, shape (count, num_objectives)."""
        return self._losses.rows

    @property
    def violations(self) -> npt.NDArray[np.float64]:
        """Their violations, shape (count,)."""
        return self._violations.rows[:, 0]

    def rows(self, numbers: Sequence[int]) -> Genes:
        """Returns the architectures of proposals by number, shape (len(numbers), num_choices)."""
        return self._rows.rows[np.array(numbers, dtype=np.int64)]

    def is_new(self, genes: Genes) -> npt.NDArray[np.bool_]:
        """Returns which canonical rows were never proposed, shape (count,)."""
        return np.array([row.tobytes() not in self._seen for row in genes], dtype=np.bool_)

    def propose(
        self, count: int, draw: Callable[[int], Genes], rng: np.random.Generator
    ) -> list[Proposal]:
        """Makes proposals that were never made before.

        Args:
            count: how many.
            draw: gives about the wanted number of canonical rows, shape (n, num_choices), from the
                policy; it is called again for those that are not new. When it keeps giving nothing
                new, the remaining proposals are drawn uniformly from what is left of the space.
            rng: for that last resort.

        What the ledger was given to propose first goes before all that is drawn.

        Returns:
            `count` proposals, or as many as the space has left.

        Raises:
            ValueError: count is negative.
        """
        if count < 0:
            raise ValueError(f"count must be at least 0, got {count}")
        count = min(count, self._space.size - len(self._seen))
        fresh: list[Genes] = []
        while self._first and len(fresh) < count:
            fresh += self._keep_new(self._first.pop(0)[np.newaxis], 1)
        fruitless = 0
        while len(fresh) < count and fruitless < PATIENCE:
            new = self._keep_new(draw(count - len(fresh)), count - len(fresh))
            fruitless = 0 if new else fruitless + 1
            fresh += new
        fresh += self._complete(count - len(fresh), rng)
        return [self._enter(row) for row in fresh]

    def _keep_new(self, rows: Genes, count: int) -> list[Genes]:
        """Remembers and returns the first `count` rows not seen before."""
        new: list[Genes] = []
        for row in rows:
            if len(new) == count:
                break
            key = row.tobytes()
            if key not in self._seen:
                self._seen.add(key)
                new.append(row)
        return new

    def _complete(self, count: int, rng: np.random.Generator) -> list[Genes]:
        """Returns `count` new rows, each drawn uniformly from the architectures that are left."""
        fresh: list[Genes] = []
        size = self._space.size
        if count and size <= MAX_ENUMERATED:
            everything = np.concatenate(list(enumerate_genes(self._space)))
            return self._keep_new(rng.permutation(everything), count)
        num_drawn = count
        while len(fresh) < count:
            if size <= MAX_ENUMERABLE:
                rows = genes_at(self._space, rng.integers(0, size, num_drawn))
            else:
                rows = sample_evenly(self._space, num_drawn, rng)
            fresh += self._keep_new(rows, count - len(fresh))
            num_drawn = min(2 * num_drawn, MAX_DRAWN)
        return fresh

    def _enter(self, row: Genes) -> Proposal:
        proposal = Proposal(len(self._proposals), self._space.decode(row))
        self._rows.add(row[np.newaxis])
        self._proposals.append(proposal)
        return proposal

    def record(self, observations: Sequence[Observation]) -> None:
        """Notes the observations, all or none; see `Searcher.tell`."""
        numbers = [observation.proposal.number for observation in observations]
        for observation in observations:
            self._check(observation.proposal)
        if len(set(numbers)) != len(numbers):
            raise ValueError(f"proposals must be told once each, got numbers {numbers}")
        measured = [
            (o.proposal.number, o.outcome.metrics)
            for o in observations
            if isinstance(o.outcome, Measured)
        ]
        losses = self._problem.loss_matrix([metrics for _, metrics in measured])
        violations = [self._problem.violation(metrics) for _, metrics in measured]
        self._told.update(numbers)
        self._genes.add(self.rows([number for number, _ in measured]))
        self._losses.add(losses)
        self._violations.add(np.array(violations).reshape(-1, 1))

    def _check(self, proposal: Proposal) -> None:
        number = proposal.number
        if not 0 <= number < self.num_proposed or self._proposals[number] != proposal:
            raise ValueError(f"observations must be of this searcher's proposals, got {proposal}")
        if number in self._told:
            raise ValueError(f"proposals must be told once, got number {number} again")

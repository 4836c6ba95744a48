"""Local search: measure the neighbours of the best, move when one is better.

One objective: White et al. 2021, "Exploring the loss landscape in neural architecture search" (UAI,
arXiv 2005.02960), algorithm 1, with the variants of its public code (naszilla): start at the best
of some random architectures; move to the first better neighbour, or measure all of them first; at a
local optimum begin anew, or go on from the next best.

Several objectives: Pareto local search (Paquete et al. 2004, "Pareto local optimum sets in the
biobjective traveling salesman problem", algorithm 1): neighbours of the members of the archive, the
front of what was found so far, until the neighbourhoods of all are measured. It takes the member at
random; here it is the loneliest (by crowding distance), and where all are done, the next front's.

Both are one rule here: an architecture is *open* while it has a neighbour that was never proposed;
neighbours are proposed of the best open one, by constraint domination, then by crowding distance.

Differences from the papers: what is known of a neighbour is used and not measured again; several
proposals of one neighbourhood, in random order, may be out together, and when all of them are, the
next best open architecture is in turn. Nothing waits.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from search_space.operators import neighbours
from search_space.space import Genes
from searchers.ledger import Ledger
from searchers.nsga2 import Contenders
from searchers.pareto import non_dominated
from searchers.protocol import Observation, Problem, Proposal, Searcher, WarmStart

NUM_RANKED = 16
"""Architectures that are ranked at first to find an open one."""


class LocalSearchSettings(BaseModel):
    """Local search; the defaults suit searches of 60 to some hundred evaluations.

    The public code of White et al. has 10 initial architectures, and by default moves to the first
    better neighbour and restarts at local optima.
    A warm start takes the place of the first random proposals, and may go on beyond them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["local_search"] = "local_search"
    num_initial: int = Field(
        default=20, ge=1, le=10_000, description="Random proposals at first, and at a restart."
    )
    neighbourhood: Literal["full", "until_better"] = Field(
        default="until_better",
        description="Whether all neighbours of an architecture are proposed before those of "
        "another, or only until something better is known.",
    )
    at_optimum: Literal["continue", "restart"] = Field(
        default="continue",
        description="What follows when all neighbourhoods of the best are measured: those of the "
        "next best, or new random architectures, whose neighbours then count alone.",
    )
    batch_size: int = Field(
        default=10, ge=1, le=10_000, description="Proposals between two barriers."
    )
    warm_start: WarmStart = ()

    def build(self, problem: Problem, seed: int) -> "LocalSearcher":
        """Returns the searcher; equal problems, settings, seeds and logs give equal proposals."""
        return LocalSearcher(problem, self, seed)


class LocalSearcher(Searcher):
    """Proposes neighbours of the best architecture that has any left."""

    def __init__(self, problem: Problem, settings: LocalSearchSettings, seed: int) -> None:
        self._space = problem.space
        self._settings = settings
        self._rng = np.random.default_rng(seed)
        self._ledger = Ledger(problem, settings.warm_start)
        self._num_told = 0
        self._num_before_descent = settings.num_initial  # proposals up to this number are random
        self._closed: set[bytes] = set()  # rows all of whose neighbours were proposed
        self._centre: Genes | None = None  # the row whose neighbours were proposed last
        self._run: set[bytes] | None = None  # rows that count since a restart; None: all
        self._places: dict[bytes, int] = {}  # of rows among the measurements
        self._counted = Contenders()  # measurements that count

    @property
    def batch_size(self) -> int:  # noqa: D102 - as in Searcher
        return self._settings.batch_size

    def ask(self, count: int) -> Sequence[Proposal]:  # noqa: D102 - as in Searcher
        if self._is_at_optimum():
            self._num_before_descent = self._ledger.num_proposed + self._settings.num_initial
            self._centre, self._run, self._counted = None, set(), Contenders()
        num_random = max(0, self._num_before_descent - self._ledger.num_proposed)
        proposals = self._ledger.propose(min(count, num_random), self._sample, self._rng)
        if len(proposals) < count:
            proposals += self._ledger.propose(count - len(proposals), self._descend, self._rng)
        self._count_in(self._ledger.rows([proposal.number for proposal in proposals]))
        return proposals

    def tell(self, observations: Sequence[Observation]) -> None:  # noqa: D102 - as in Searcher
        num_measured = len(self._ledger.losses)
        self._ledger.record(observations)
        self._num_told += len(observations)
        for place, row in enumerate(self._ledger.genes[num_measured:], num_measured):
            self._places[row.tobytes()] = place
            if self._run is None or row.tobytes() in self._run:
                self._counted.add([place])

    def _count_in(self, rows: Genes) -> None:
        """Makes rows count in a run; what is known of them does from now on."""
        if self._run is None:
            return
        new = [key for key in (row.tobytes() for row in rows) if key not in self._run]
        self._run.update(new)
        self._counted.add([self._places[key] for key in new if key in self._places])

    def _sample(self, count: int) -> Genes:
        return self._space.sample(count, self._rng)

    def _is_at_optimum(self) -> bool:
        """Returns whether a new run is due: nothing is out, and the best have no neighbours left.

        While something is out, it may be better, and proposals go on as if there were no restarts.
        """
        if (
            self._settings.at_optimum == "continue"
            or self._num_told < self._ledger.num_proposed
            or self._counted.num_added == 0
        ):
            return False
        ledger = self._ledger
        order = self._counted.order(NUM_RANKED, ledger.losses, ledger.violations)
        losses, violations = ledger.losses[order], ledger.violations[order]
        # What breaks limits is as good as what breaks them as much.
        best = violations == violations[0]
        if violations[0] == 0:
            best[best] = non_dominated(losses[best])
        return not any(self._is_open(row) for row in ledger.genes[order[best]])

    def _is_open(self, row: Genes) -> bool:
        return row.tobytes() not in self._closed and len(self._new_neighbours(row)) > 0

    def _new_neighbours(self, row: Genes) -> Genes:
        """Returns the neighbours that were never proposed; closes a row that has none."""
        around = neighbours(self._space, row)
        new = around[self._ledger.is_new(around)]
        if len(new) == 0:
            self._closed.add(row.tobytes())
        return new

    def _centres(self) -> Iterator[Genes]:
        """Yields rows whose neighbours are in turn: the last centre, if to the end; then the best.

        Only the best are ranked, and more of them where those are not enough.
        """
        if self._settings.neighbourhood == "full" and self._centre is not None:
            yield self._centre
        ledger, num_yielded, num_ranked = self._ledger, 0, NUM_RANKED
        while num_yielded < self._counted.num_added:
            order = self._counted.order(num_ranked, ledger.losses, ledger.violations)
            ranked = order[num_yielded:num_ranked]
            yield from ledger.genes[ranked]
            num_yielded += len(ranked)
            num_ranked *= 2

    def _descend(self, count: int) -> Genes:
        """Returns new neighbours of the best open architectures; without any, random rows."""
        drawn: dict[bytes, Genes] = {}
        chosen: list[Genes] = []
        for centre in self._centres():
            if len(drawn) == count:
                break
            if centre.tobytes() not in self._closed:
                chosen.append(centre)
                new = self._rng.permutation(self._new_neighbours(centre))[: count - len(drawn)]
                drawn |= {row.tobytes(): row for row in new}
        if chosen:
            self._centre = chosen[-1]
        if self._run is not None:  # what is known of the neighbourhoods is used as well
            for centre in chosen:
                self._count_in(neighbours(self._space, centre))
        chance = self._sample(count - len(drawn))
        return np.concatenate([*(row[np.newaxis] for row in drawn.values()), chance])

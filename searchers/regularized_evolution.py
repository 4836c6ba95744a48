"""Regularized (ageing) evolution (Real et al. 2019, AAAI, arXiv 1802.01548, algorithm 1).

The population is a queue: a random sample of it holds a tournament, a mutant of the winner enters,
the oldest dies, however good it was. So a network stays in the game only through descendants that
are good as well, and a lucky measurement is forgotten.

As in the paper, nothing waits: each outcome enters the queue when it is told, and each proposal is
bred from the queue of that moment. The queue is thus the last `population_size` measurements.

Differences from the paper:

- One measure of fitness there; here the winner of a tournament is the first by constraint
  domination, then by crowding distance within the population (Deb et al. 2002, as in `nsga2`).
  With one objective and no limits that is the paper's tournament.
- A mutant differs from its parent in one choice (the paper changes a wiring or an operation, and
  with probability 0.05 nothing; measuring the same again is of no use here). A mutant that was
  proposed before is replaced by that of another tournament.
- What could not be measured enters the queue in no place, and so kills nobody.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from search_space.operators import mutate
from search_space.space import Genes
from searchers.ledger import Ledger
from searchers.nsga2 import constrained_order
from searchers.protocol import Observation, Problem, Proposal, Searcher, WarmStart


class RegularizedEvolutionSettings(BaseModel):
    """Regularized evolution; the defaults suit searches of 60 to some hundred evaluations.

    The paper has a population of 100 and tournaments of 25, for 20,000 evaluations.
    A warm start takes the place of the first random proposals, and may go on beyond them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["regularized_evolution"] = "regularized_evolution"
    population_size: int = Field(
        default=50,
        ge=2,
        le=10_000,
        description="How many measurements an architecture lives: the younger ones are parents.",
    )
    num_initial: int = Field(default=20, ge=1, le=10_000, description="Random proposals at first.")
    tournament_size: int = Field(
        default=10,
        ge=1,
        le=10_000,
        description="Draws from the population, with repetition; the best becomes a parent.",
    )
    mutation_rate: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Chance of each active choice to change; where none does, one is changed.",
    )
    batch_size: int = Field(
        default=10, ge=1, le=10_000, description="Proposals between two barriers."
    )
    warm_start: WarmStart = ()

    def build(self, problem: Problem, seed: int) -> "RegularizedEvolutionSearcher":
        """Returns the searcher; equal problems, settings, seeds and logs give equal proposals."""
        return RegularizedEvolutionSearcher(problem, self, seed)


class RegularizedEvolutionSearcher(Searcher):
    """Proposes mutants of tournaments' winners among the youngest."""

    def __init__(self, problem: Problem, settings: RegularizedEvolutionSettings, seed: int) -> None:
        self._space = problem.space
        self._settings = settings
        self._rng = np.random.default_rng(seed)
        self._ledger = Ledger(problem, settings.warm_start)

    @property
    def batch_size(self) -> int:  # noqa: D102 - as in Searcher
        return self._settings.batch_size

    def ask(self, count: int) -> Sequence[Proposal]:  # noqa: D102 - as in Searcher
        num_initial = max(0, self._settings.num_initial - self._ledger.num_proposed)
        initial = self._ledger.propose(
            min(count, num_initial), lambda n: self._space.sample(n, self._rng), self._rng
        )
        if len(initial) == count:
            return initial
        parents = self._population()
        return initial + self._ledger.propose(
            count - len(initial), lambda missing: self._breed(parents, missing), self._rng
        )

    def tell(self, observations: Sequence[Observation]) -> None:  # noqa: D102 - as in Searcher
        self._ledger.record(observations)

    def _population(self) -> Genes:
        """Returns the youngest architectures, best first, shape (count, num_choices)."""
        youngest = slice(-self._settings.population_size, None)
        ledger = self._ledger
        order = constrained_order(ledger.losses[youngest], ledger.violations[youngest])
        return ledger.genes[youngest][order]

    def _breed(self, parents: Genes, count: int) -> Genes:
        """Returns mutants of the parents; random architectures as long as there are none."""
        if len(parents) == 0:
            return self._space.sample(count, self._rng)
        shape = (count, self._settings.tournament_size)
        winners = self._rng.integers(0, len(parents), shape).min(axis=1)
        return mutate(self._space, parents[winners], self._settings.mutation_rate, self._rng)

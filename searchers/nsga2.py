"""NSGA-II (Deb et al. 2002, IEEE TEVC 6(2)) on integer genes, asynchronous, without repetition.

Differences from the paper:

- Survivors are the best `population_size` of everything told so far, not of the last two
  generations: nothing good is ever forgotten, and it does not matter in what portions outcomes are
  told. Nothing waits for a generation to be complete; where evaluations run in batches of
  `population_size` with a barrier between them, these are the paper's generations.
- Genes are integers: each option owns a cell of width 1, [option - 0.5, option + 0.5], of the real
  line on which the paper's operators vary a gene, and the child takes the option whose cell it
  falls in. (Rounding within [0, num_options - 1] would give the outer options half the chance.)
- Genes may be inactive. What is inactive in one parent only is inherited from the other, what is
  inactive in both is drawn, so that a child that grows deeper than its parents is not filled with
  first options.
- A child that was proposed before is replaced by another.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from pymoo.operators.crossover.sbx import cross_sbx
from pymoo.operators.mutation.pm import mut_pm

from search_space.space import Genes, SearchSpace
from searchers.ledger import Ledger
from searchers.pareto import Losses, crowding_by_front, fronts
from searchers.protocol import Observation, Problem, Proposal, Searcher, WarmStart

Positions = npt.NDArray[np.int64]
ROWS_AT_ONCE = 128
"""Rows that are compared with all others at once; bounds the memory that it takes."""


class NSGA2Settings(BaseModel):
    """NSGA-II; the defaults suit searches of 60 to some hundred evaluations.

    The first `population_size` proposals are random: 20 of 60 leave two thirds to what is learned.
    A warm start takes the place of the first ones, and may go on beyond them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["nsga2"] = "nsga2"
    population_size: int = Field(
        default=20, ge=2, le=10_000, description="Random proposals at first; survivors later."
    )
    batch_size: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        exclude_if=lambda size: size is None,  # settings without it stay what they were
        description="Proposals between two barriers; `population_size` where it is null. More than "
        "that share more work where they are evaluated together, and learn less often.",
    )
    crossover_probability: float = Field(
        default=0.9, ge=0, le=1, description="Chance that a child has two parents."
    )
    crossover_eta: float = Field(
        default=15, ge=1, le=100, description="The larger, the closer to a parent's option."
    )
    mutations_per_child: float = Field(
        default=3,
        gt=0,
        le=100,
        description="Expected number of active genes that mutate, if only within an option's cell.",
    )
    mutation_eta: float = Field(
        default=3, ge=1, le=100, description="The larger, the smaller a mutation's step."
    )
    warm_start: WarmStart = ()

    def build(self, problem: Problem, seed: int) -> "NSGA2Searcher":
        """Returns the searcher; equal problems, settings, seeds and logs give equal proposals."""
        return NSGA2Searcher(problem, self, seed)


class NSGA2Searcher(Searcher):
    """Proposes children of the best measured architectures."""

    def __init__(self, problem: Problem, settings: NSGA2Settings, seed: int) -> None:
        self._problem = problem
        self._settings = settings
        self._rng = np.random.default_rng(seed)
        self._ledger = Ledger(problem, settings.warm_start)
        self._contenders = Contenders()

    @property
    def batch_size(self) -> int:  # noqa: D102 - as in Searcher
        return self._settings.batch_size or self._settings.population_size

    def ask(self, count: int) -> Sequence[Proposal]:  # noqa: D102 - as in Searcher
        num_initial = max(0, self._settings.population_size - self._ledger.num_proposed)
        initial = self._ledger.propose(min(count, num_initial), self._sample, self._rng)
        if len(initial) == count:
            return initial
        survivors = self._survivors()
        return initial + self._ledger.propose(
            count - len(initial), lambda missing: self._breed(survivors, missing), self._rng
        )

    def tell(self, observations: Sequence[Observation]) -> None:  # noqa: D102 - as in Searcher
        num_measured = len(self._ledger.losses)
        self._ledger.record(observations)
        self._contenders.add(range(num_measured, len(self._ledger.losses)))

    def _sample(self, count: int) -> Genes:
        return self._problem.space.sample(count, self._rng)

    def _survivors(self) -> Genes:
        """Returns the best measured architectures, best first, shape (count, num_choices)."""
        size = self._settings.population_size
        order = self._contenders.order(size, self._ledger.losses, self._ledger.violations)
        return self._ledger.genes[order[:size]]

    def _breed(self, survivors: Genes, count: int) -> Genes:
        """Returns children of the survivors; random architectures as long as there are none."""
        if len(survivors) == 0:
            return self._sample(count)
        num_pairs = -(-count // 2)
        # Survivors are in the order of the crowded comparison: of two rivals the first one wins.
        rivals = self._rng.integers(0, len(survivors), (2, num_pairs, 2))
        first, second = survivors[rivals.min(axis=2)]
        return vary(self._problem.space, first, second, self._settings, self._rng)[:count]


def constrained_order(
    losses: npt.NDArray[np.float64], violations: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Returns positions from best to worst by constraint domination (section VI of the paper).

    Feasible before infeasible; feasible ones by front, then by descending crowding distance;
    infeasible ones by violation; what still ties keeps its order.

    Args:
        losses: shape (count, num_objectives).
        violations: shape (count,); 0 where feasible.
    """
    feasible = np.flatnonzero(violations == 0)
    ranks = np.full(len(losses), len(losses), dtype=np.int64)
    ranks[feasible] = fronts(losses[feasible])
    distances = np.zeros(len(losses))
    distances[feasible] = crowding_by_front(losses[feasible], ranks[feasible])
    return np.lexsort((-distances, violations, ranks))


class Contenders:
    """Ranks more and more measurements without ranking them all again each time.

    What as many rows dominate as are wanted is never among the best of that number, whatever
    follows, and nothing that may be is ranked by it: the rows that dominate it dominate all that it
    does. So it is left out, and the best are those that `constrained_order` finds among all.
    """

    def __init__(self) -> None:
        self._added: list[int] = []
        self._kept: list[int] = []
        self._count = 0  # the most that were wanted so far
        self._num_pruned = 0  # how many were left when that was last looked at
        self._order: Positions | None = None  # since the last addition

    @property
    def num_added(self) -> int:
        """How many rows were added."""
        return len(self._added)

    def add(self, positions: Iterable[int]) -> None:
        """Adds rows by position, each once."""
        before = len(self._added)
        self._added += positions
        self._kept += self._added[before:]
        self._order = None

    def order(self, count: int, losses: Losses, violations: Losses) -> Positions:
        """Returns positions from best to worst.

        Args:
            count: how many are wanted.
            losses: of all positions, shape (n, num_objectives), those that were added among them.
            violations: shape (n,).

        Returns:
            The best `count` of those that were added, and all that nothing is better than; behind
            them some others.
        """
        if count > self._count:
            self._count, self._num_pruned = max(count, 2 * self._count), 0
            self._kept, self._order = [*self._added], None
        if len(self._kept) > self._num_pruned + max(self._num_pruned // 4, 2 * self._count):
            kept = np.sort(np.array(self._kept, dtype=np.int64))
            beaten_by = num_better(losses[kept], violations[kept])
            self._kept = kept[beaten_by < self._count].tolist()
            self._num_pruned, self._order = len(self._kept), None
        if self._order is None:
            kept = np.sort(np.array(self._kept, dtype=np.int64))
            self._order = kept[constrained_order(losses[kept], violations[kept])]
        return self._order


def num_better(losses: Losses, violations: Losses) -> Positions:
    """Returns how many rows each row is dominated by, limits first; shape (count,).

    Args:
        losses: shape (count, num_objectives).
        violations: shape (count,); 0 where feasible.
    """
    counts = np.searchsorted(np.sort(violations), violations, side="left").astype(np.int64)
    feasible = np.flatnonzero(violations == 0)
    rows = losses[feasible]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        block = rows[start : start + ROWS_AT_ONCE, np.newaxis]
        dominates = (rows <= block).all(axis=2) & (rows < block).any(axis=2)
        counts[feasible[start : start + ROWS_AT_ONCE]] = dominates.sum(axis=1)
    return counts


def vary(
    space: SearchSpace,
    first: Genes,
    second: Genes,
    settings: NSGA2Settings,
    rng: np.random.Generator,
) -> Genes:
    """Returns two children of each pair: simulated binary crossover, then polynomial mutation.

    Args:
        space: the space of the genes.
        first: canonical genes of shape (count, num_choices).
        second: the other parents, same shape.
        settings: probabilities and distribution indices.
        rng: the only source of randomness.

    Returns:
        Canonical genes of shape (2 count, num_choices), the children of one pair beside each other.
    """
    shape = first.shape
    lower = np.full(shape[1], -0.5)
    upper = space.num_options - 0.5
    children = cross_sbx(
        _completed(space, first, second, rng),
        lower,
        upper,
        eta=np.full((shape[0], 1), settings.crossover_eta),
        prob_var=np.where(rng.random((shape[0], 1)) < settings.crossover_probability, 0.5, 0.0),
        prob_bin=np.full((shape[0], 1), 0.5),
        random_state=rng,
    )
    children = np.swapaxes(children, 0, 1).reshape(-1, shape[1])
    num_active = space.active(_nearest(space, children)).sum(axis=1)
    mutants = mut_pm(
        children,
        lower,
        upper,
        eta=np.full(len(children), settings.mutation_eta),
        prob=np.minimum(settings.mutations_per_child / num_active, 1.0),
        at_least_once=False,
        random_state=rng,
    )
    return space.canonical(_nearest(space, mutants))


def _completed(
    space: SearchSpace, first: Genes, second: Genes, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Returns both parents, shape (2, count, num_choices), with every gene meaningful."""
    in_first, in_second = space.active(first), space.active(second)
    drawn = rng.integers(0, space.num_options, first.shape)
    return np.stack(
        [
            np.where(in_first, first, np.where(in_second, second, drawn)),
            np.where(in_second, second, np.where(in_first, first, drawn)),
        ]
    ).astype(np.float64)


def _nearest(space: SearchSpace, points: npt.NDArray[np.float64]) -> Genes:
    """Returns the options in whose cells the points lie."""
    return np.clip(np.floor(points + 0.5).astype(np.int64), 0, space.num_options - 1)

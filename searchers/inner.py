"""The search inside a search: what is best of a space by a function that costs next to nothing.

Batch-first: a generation is one matrix of genes, scored by one call. Public systems score
candidates one by one, and spend as much time there as on their predictors.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search_space.operators import crossover, enumerate_genes, mutate
from search_space.space import Genes, SearchSpace
from searchers.nsga2 import constrained_order
from searchers.pareto import Losses, non_dominated

MAX_LISTED = 50_000
"""Spaces up to this size are scored in full."""
MAX_LISTED_NUMBERS = 50_000_000
"""... unless their architectures have so many features in all."""
MAX_SCORED_AT_ONCE = 8192
"""Bounds the memory that a scoring function needs."""
PATIENCE = 5
"""Generations without a new child after which a search ends."""
MUTATED_SHARE = 0.7
"""Of the children; the others only cross."""
MUTATIONS_PER_CHILD = 2.0
"""Expected number of changed genes of a mutated child."""

Violations = npt.NDArray[np.float64]
Score = Callable[[Genes], tuple[Losses, Violations]]
"""Maps canonical genes of shape (count, num_choices) to their losses, shape (count,
num_objectives), and violations, shape (count,), 0 where every limit is kept."""


@dataclass(frozen=True)
class Candidates:
    """Different architectures with their scores.

    Attributes:
        genes: canonical, shape (count, num_choices).
        losses: shape (count, num_objectives).
        violations: shape (count,).
    """

    genes: Genes
    losses: Losses
    violations: Violations

    def where(self, kept: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Candidates":
        """Returns those that a mask keeps, or those at some positions."""
        return Candidates(self.genes[kept], self.losses[kept], self.violations[kept])

    def best(self, count: int) -> "Candidates":
        """Returns the `count` best ones, or all where there are fewer.

        By constraint domination: front after front of the feasible ones; what of the last front is
        too much goes by `spread`. Then the infeasible ones by their violation.
        """
        feasible = np.flatnonzero(self.violations == 0)
        chosen = feasible[_best_of(self.losses[feasible], count)]
        if len(chosen) < count:
            broken = np.flatnonzero(self.violations > 0)
            order = np.argsort(self.violations[broken], kind="stable")
            chosen = np.concatenate([chosen, broken[order[: count - len(chosen)]]])
        return self.where(chosen)


def _best_of(losses: Losses, count: int) -> npt.NDArray[np.int64]:
    """Returns positions of the `count` best rows, front after front."""
    if losses.shape[1] == 1:
        return np.argsort(losses[:, 0], kind="stable")[:count]
    chosen = np.empty(0, dtype=np.int64)
    rest = np.arange(len(losses))
    while len(rest) and len(chosen) < count:
        on_front = non_dominated(losses[rest])
        front = rest[on_front]
        if len(front) > count - len(chosen):
            front = front[spread(losses[front], count - len(chosen))]
        chosen = np.concatenate([chosen, front])
        rest = rest[~on_front]
    return chosen


def spread(losses: Losses, count: int) -> npt.NDArray[np.int64]:
    """Returns positions of `count` rows that lie far apart; first each objective's best.

    Farthest-first traversal (Gonzalez 1985) of losses scaled to their ranges: each next row is the
    one farthest from those chosen. Unlike crowding distances it takes no two neighbours.

    Args:
        losses: finite, at least `count` rows.
        count: how many.
    """
    low, high = losses.min(axis=0), losses.max(axis=0)
    scaled = np.divide(losses - low, high - low, out=np.zeros(losses.shape), where=high > low)
    nearest = np.full(len(losses), np.inf)
    chosen: list[int] = []
    starts = iter(scaled.argmin(axis=0).tolist())
    while len(chosen) < count:
        position = next(starts, None)
        if position is None:
            position = int(nearest.argmax())
        if nearest[position] < 0:  # one row is best in two objectives
            continue
        chosen.append(position)
        nearest = np.minimum(nearest, ((scaled - scaled[position]) ** 2).sum(axis=1))
        nearest[position] = -1.0  # below all distances, and so it stays
    return np.array(chosen, dtype=np.int64)


def scored(genes: Genes, score: Score) -> Candidates:
    """Returns different architectures with their scores, found some thousands at a time."""
    starts = range(0, max(1, len(genes)), MAX_SCORED_AT_ONCE)
    parts = [score(genes[start : start + MAX_SCORED_AT_ONCE]) for start in starts]
    losses = np.concatenate([part for part, _ in parts])
    return Candidates(genes, losses, np.concatenate([part for _, part in parts]))


def is_listed(space: SearchSpace) -> bool:
    """Whether a space is small enough to be scored in full."""
    num_features = max(1, int(space.num_options.sum()))
    return space.size <= min(MAX_LISTED, MAX_LISTED_NUMBERS // num_features)


def inner_search(
    space: SearchSpace,
    score: Score,
    parents: Genes,
    *,
    population_size: int,
    num_evaluations: int,
    rng: np.random.Generator,
) -> Candidates:
    """Returns what a genetic search has scored; all of a space that `is_listed`.

    As NSGA-II (Deb et al. 2002): parents by binary tournaments, survivors of parents and children
    by constraint domination and crowding. Children cross uniformly, as options of a network have
    little order that is worth keeping, and nothing is scored twice.

    Args:
        space: what is searched.
        score: of candidates; quick.
        parents: where to begin, canonical, different; what is missing of a population is drawn.
        population_size: survivors, and children of a generation; two at least.
        num_evaluations: candidates to score, about; one population at least.
        rng: the only source of randomness.
    """
    if is_listed(space):
        return scored(np.concatenate(list(enumerate_genes(space))), score)
    seen: set[bytes] = set()
    drawn = space.sample(max(0, population_size - len(parents)), rng)
    population = scored(_unseen(np.concatenate([parents, drawn]), seen), score)
    generations = [population]
    num_scored, fruitless = len(population.genes), 0
    while num_scored < num_evaluations and fruitless < PATIENCE:
        order = constrained_order(population.losses, population.violations)
        population = population.where(order[:population_size])
        children = _unseen(_breed(space, population.genes, population_size, rng), seen)
        fruitless = fruitless + 1 if len(children) == 0 else 0
        if len(children):
            generations.append(scored(children, score))
            num_scored += len(children)
            population = _joined([population, generations[-1]])
    return _joined(generations)


def _breed(space: SearchSpace, survivors: Genes, count: int, rng: np.random.Generator) -> Genes:
    """Returns children of survivors, which are in the order of the crowded comparison."""
    rivals = rng.integers(0, len(survivors), (2, count, 2))
    first, second = survivors[rivals.min(axis=2)]
    children = crossover(space, first, second, rng)
    mutated = rng.random(count) < MUTATED_SHARE
    rate = min(1.0, MUTATIONS_PER_CHILD / max(1, space.num_choices))
    children[mutated] = mutate(space, children[mutated], rate, rng)
    return children


def _unseen(genes: Genes, seen: set[bytes]) -> Genes:
    """Returns the rows that were not seen before, and remembers them."""
    new = []
    for position, row in enumerate(genes):
        key = row.tobytes()
        if key not in seen:
            seen.add(key)
            new.append(position)
    return genes[new]


def _joined(parts: list[Candidates]) -> Candidates:
    return Candidates(
        np.concatenate([part.genes for part in parts]),
        np.concatenate([part.losses for part in parts]),
        np.concatenate([part.violations for part in parts]),
    )

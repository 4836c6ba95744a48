"""Searches whose objectives and limits are all known on paper: computed first, then proposed.

Where a family computes its metrics for many networks at once (`NetworkSettings.compute`), 100,000
candidates and more are looked at in a second, before anything is proposed. What is proposed then is
the best of them, best first: the front, then what comes next. Tells change nothing: what an
evaluation of kind `computed` says was known before.

`exhaustive` looks at the whole space, so its front is exact. `greedy` sets out from the smallest
and the largest network and looks at all neighbours of what is kept, the best first, until nothing
better is found: with one objective a beam search that keeps the best `population_size`, with
several a Pareto local search (Paquete et al. 2004), which keeps the front. `evolutionary` is
DeepMAD's search (Shen et al. 2023, arXiv 2303.02165; released code): a population of the best,
uniform parents, mutation only. Unlike there the population begins at random and may begin outside
of the limits, which count by constraint domination; half of the children take steps to the next
options instead of jumping; of equal networks one is kept; a space that holds no more than
`candidates` is looked at as a whole instead. `scaling` looks at larger and smaller
versions of the first architecture of the warm start, or of the smallest
(`search_space.compound_scaling`): one curve through the space.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from search_space.compound_scaling import MAX_DOUBLINGS, scaled_genes
from search_space.families import space_settings
from search_space.family import Figures, NetworkSettings
from search_space.operators import enumerate_genes, mutate, neighbours, step
from search_space.space import Genes, SearchSpace
from searchers.ledger import Ledger
from searchers.nsga2 import constrained_order
from searchers.pareto import non_dominated
from searchers.protocol import (
    Limit,
    Observation,
    Problem,
    Proposal,
    Searcher,
    UnsuitableProblemError,
    WarmStart,
)

Array = npt.NDArray[np.float64]
Compute = Callable[[Genes], Figures]
"""Metrics of many networks by canonical genes, shape (count, num_choices) to (count,)."""

MAX_EXPANDED = 4
"""Architectures whose neighbours the greedy strategy looks at together."""


SCALES = 1025
"""Versions of a network that scaling looks at, evenly spread over powers of two; many are equal."""


class AnalyticSettings(BaseModel):
    """Search by computation, for problems that are known on paper (evaluator `computed`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["analytic"] = "analytic"
    strategy: Literal["evolutionary", "greedy", "exhaustive", "scaling"] = "evolutionary"
    candidates: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="Architectures to look at before the first is proposed, at most; an exhaustive "
        "search needs a space no larger.",
    )
    population_size: int = Field(
        default=128, ge=2, le=10_000, description="The best that are kept."
    )
    num_children: int = Field(
        default=512, ge=1, le=100_000, description="Of the population, computed together."
    )
    mutations_per_child: float = Field(
        default=2, gt=0, le=100, description="Expected number of genes that change."
    )
    batch_size: int = Field(
        default=100, ge=1, le=10_000, description="Proposals between two barriers."
    )
    warm_start: WarmStart = ()

    def build(self, problem: Problem, seed: int) -> "AnalyticSearcher":
        """Returns the searcher; equal problems, settings and seeds give equal proposals.

        Raises:
            UnsuitableProblemError: as `check`; the rule names the searchers that can do it.
        """
        from searchers.settings import check_problem  # it knows all searchers, and so this one

        check_problem(self, problem)
        return AnalyticSearcher(problem, self, seed, family_of(problem).compute)

    def check(self, problem: Problem) -> None:
        """Returns if all objectives and limits are known on paper, and the space is not too large.

        Raises:
            UnsuitableProblemError: they are not, or it is too large for an exhaustive search.
        """
        known = family_of(problem).computed_metrics
        unknown = [metric for metric in problem.metrics if metric not in known]
        if unknown:
            rule = f"must not be {self.kind} unless all metrics are among {', '.join(known)}"
            raise UnsuitableProblemError("", rule, unknown)
        if self.strategy == "exhaustive" and problem.space.size > self.candidates:
            rule = f"must be at least {problem.space.size}, the size of the space, to exhaust it"
            raise UnsuitableProblemError("candidates", rule, self.candidates)


def family_of(problem: Problem) -> NetworkSettings:
    """Returns the family of networks whose whole space a problem is about.

    Raises:
        UnsuitableProblemError: it is about another space.
    """
    space = problem.space
    try:
        family = space_settings(dict(space.fixed))
    except ValidationError:
        family = None
    if not isinstance(family, NetworkSettings) or family.build().digest != space.digest:
        rule = "must not be analytic unless the space is all of a family of networks"
        raise UnsuitableProblemError("", rule, space.name)
    return family


class AnalyticSearcher(Searcher):
    """Proposes the best that it computed, best first, then at random what is left.

    Args:
        problem: what is best.
        settings: how to look for it.
        seed: of all that is drawn.
        compute: gives all metrics of the problem.
    """

    def __init__(
        self, problem: Problem, settings: AnalyticSettings, seed: int, compute: Compute
    ) -> None:
        self._settings = settings
        self._rng = np.random.default_rng(seed)
        self._ledger = Ledger(problem, settings.warm_start)
        self._look = Look(problem, compute)
        self._best: Genes | None = None
        self._num_drawn = 0

    @property
    def batch_size(self) -> int:  # noqa: D102 - as in Searcher
        return self._settings.batch_size

    def ask(self, count: int) -> Sequence[Proposal]:  # noqa: D102 - as in Searcher
        return self._ledger.propose(count, self._draw, self._rng)

    def tell(self, observations: Sequence[Observation]) -> None:  # noqa: D102 - as in Searcher
        self._ledger.record(observations)

    def _draw(self, count: int) -> Genes:
        """Returns the next best; nothing when all that was kept is drawn."""
        if self._best is None:
            self._best = find_best(self._look, self._settings, self._rng)
        rows = self._best[self._num_drawn : self._num_drawn + count]
        self._num_drawn += len(rows)
        return rows


@dataclass(frozen=True)
class Pool:
    """Architectures that were looked at.

    Attributes:
        genes: canonical, shape (count, num_choices).
        losses: shape (count, num_objectives), finite.
        violations: shape (count,); infinite where a metric is not finite.
    """

    genes: Genes
    losses: Array
    violations: Array

    def __len__(self) -> int:
        return len(self.genes)

    def take(self, chosen: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Pool":
        """Returns some of them, in the given order."""
        return Pool(self.genes[chosen], self.losses[chosen], self.violations[chosen])

    def join(self, other: "Pool") -> "Pool":
        """Returns these and then the others."""
        return Pool(
            np.concatenate([self.genes, other.genes]),
            np.concatenate([self.losses, other.losses]),
            np.concatenate([self.violations, other.violations]),
        )

    def best(self, count: int) -> "Pool":
        """Returns the best ones, best first, by constraint domination."""
        if self.losses.shape[1] > 1:
            return self.take(constrained_order(self.losses, self.violations)[:count])
        return self.take(np.lexsort((self.losses[:, 0], self.violations))[:count])

    def front(self) -> npt.NDArray[np.int64]:
        """Returns positions of what nothing beats; the least violating if nothing is feasible."""
        feasible = np.flatnonzero(self.violations == 0)
        if len(feasible) == 0:
            return np.flatnonzero(self.violations == self.violations.min())
        return feasible[non_dominated(self.losses[feasible])]


class Look:
    """Looks at architectures by a problem's eyes."""

    def __init__(self, problem: Problem, compute: Compute) -> None:
        self.space: SearchSpace = problem.space
        self._problem = problem
        self._compute = compute
        # Rows are told apart by a 64-bit hash: of a million, two collide with chance 3e-8.
        rng = np.random.default_rng(0)
        self._factors = rng.integers(1, 2**61, problem.space.num_choices) * 2 + 1

    def at(self, genes: Genes) -> Pool:
        """Returns architectures with what they are worth."""
        figures = self._compute(genes)
        columns = [
            figures[objective.metric] * (-1.0 if objective.goal == "maximize" else 1.0)
            for objective in self._problem.objectives
        ]
        losses = np.stack(columns, axis=1)
        total = np.zeros(len(genes))
        for limit in self._problem.limits:
            total += excess(limit, figures[limit.metric])
        unknown = ~np.isfinite(losses).all(axis=1)
        losses[unknown], total[unknown] = 0.0, np.inf
        return Pool(genes, losses, total)

    def unlike(self, genes: Genes, known: Genes) -> Genes:
        """Returns the distinct rows that are not among the known ones."""
        hashes = np.concatenate([self._hashes(known), self._hashes(genes)])
        _, first = np.unique(hashes, return_index=True)
        return genes[np.sort(first[first >= len(known)]) - len(known)]

    def _hashes(self, genes: Genes) -> npt.NDArray[np.int64]:
        hashed: npt.NDArray[np.int64] = (genes + 1) @ self._factors  # wraps around
        return hashed ^ (hashed >> 29)


def excess(limit: Limit, values: Array) -> Array:
    """Returns `Limit.violations`, shape (count,); infinite where a value is not finite."""
    return np.where(np.isfinite(values), limit.violations(values), np.inf)


def find_best(look: Look, settings: AnalyticSettings, rng: np.random.Generator) -> Genes:
    """Returns the best architectures of those looked at, best first, shape (count, num_choices)."""
    strategies = {
        "exhaustive": _exhaustive,
        "greedy": _greedy,
        "evolutionary": _evolutionary,
        "scaling": _scaling,
    }
    pool = strategies[settings.strategy](look, settings, rng)
    return pool.best(len(pool)).genes


def _exhaustive(look: Look, settings: AnalyticSettings, rng: np.random.Generator) -> Pool:  # noqa: ARG001 - draws nothing
    """Looks at the whole space."""
    pool = look.at(_none(look.space))
    for genes in enumerate_genes(look.space):
        pool = _trimmed(pool.join(look.at(genes)), settings)
    return pool


def _trimmed(pool: Pool, settings: AnalyticSettings) -> Pool:
    """Returns the whole front; with one objective, the best `population_size`."""
    if pool.losses.shape[1] == 1:
        return pool.best(settings.population_size)
    return pool.take(pool.front())


def _starts(look: Look, settings: AnalyticSettings) -> list[Genes]:
    """Returns the rows that a search starts from: those it was given, and both extremes."""
    given = [look.space.encode(values) for values in settings.warm_start]
    extremes = look.space.smallest(), look.space.largest()
    return given + [look.space.encode(architecture) for architecture in extremes]


def _greedy(look: Look, settings: AnalyticSettings, rng: np.random.Generator) -> Pool:  # noqa: ARG001 - draws nothing
    """Looks at the neighbours of what is kept until it has no others."""
    pool = look.at(look.unlike(np.stack(_starts(look, settings)), _none(look.space)))
    expanded = _none(look.space)
    num_seen = len(pool)
    while num_seen < settings.candidates:
        best = look.unlike(pool.genes, expanded)[:MAX_EXPANDED]
        if len(best) == 0:
            return pool
        expanded = np.concatenate([expanded, best])
        around = np.concatenate([neighbours(look.space, row) for row in best])
        new = look.unlike(around, pool.genes)[: settings.candidates - num_seen]
        num_seen += len(new)
        pool = _trimmed(pool.join(look.at(new)), settings)
    return pool


def _evolutionary(look: Look, settings: AnalyticSettings, rng: np.random.Generator) -> Pool:
    """Keeps the best of the population and its mutants; in a small space, the best of all."""
    space, size = look.space, settings.population_size
    if space.size <= settings.candidates:  # mutants would be looked at again and again
        pool = look.at(_none(space))
        for genes in enumerate_genes(space, settings.num_children):
            pool = pool.join(look.at(genes)).best(size)
        return pool
    rows = np.concatenate([np.stack(_starts(look, settings)), space.sample(size, rng)])
    pool = look.at(look.unlike(rows[: settings.candidates], _none(space))).best(size)
    rate = min(1.0, settings.mutations_per_child / max(space.num_choices, 1))
    num_seen = min(len(rows), settings.candidates)
    while num_seen < settings.candidates:
        count = min(settings.num_children, settings.candidates - num_seen)
        parents = pool.genes[rng.integers(0, len(pool), count)]
        half = count // 2
        children = np.concatenate(
            [step(space, parents[:half], rate, rng), mutate(space, parents[half:], rate, rng)]
        )
        pool = pool.join(look.at(look.unlike(children, pool.genes))).best(size)
        num_seen += count
    return pool


def _scaling(look: Look, settings: AnalyticSettings, rng: np.random.Generator) -> Pool:  # noqa: ARG001 - draws nothing
    """Looks at versions of one architecture, at most `candidates` of them."""
    base = settings.warm_start[0] if settings.warm_start else look.space.smallest()
    steps = np.linspace(-MAX_DOUBLINGS, MAX_DOUBLINGS, SCALES)
    versions = scaled_genes(look.space, base, [float(2**step) for step in steps])
    distinct = look.unlike(versions, _none(look.space))[: settings.candidates]
    return _trimmed(look.at(distinct), settings)


def _none(space: SearchSpace) -> Genes:
    return np.empty((0, space.num_choices), dtype=np.int64)

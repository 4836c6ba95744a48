"""Espalier: Gaussian processes that choose by expected hypervolume improvement.

Each batch is chosen one by one: processes are fitted to what was measured (`surrogates.py`), each
candidate's expected improvement of the front is computed exactly (`improvement.py`), and the best
one is then assumed to turn out as expected, so that the next one is of use beside it (Ginsbourger
et al. 2010, "kriging believer"). What was proposed and is still out is assumed likewise. What it
adds to that:

- The first measurements are not all random: networks that take the first, a middle or the last
  option everywhere lie at the ends of most fronts, and tell what options do.
- Processes see how often each option is taken (`space_columns.py`), and share scales between
  choices that have the same options.
- Of losses worse than the median only the order is learned, so that a few broken networks do not
  spoil the fit; volumes are still measured in the metrics' own units.
- The reference point lies beyond the front by the front's own size, so that its ends can grow.
- A space of up to 50,000 architectures is scored in full. Of a larger one random architectures,
  and over some rounds children of the measured and of the most promising ones.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from search_space.operators import crossover, enumerate_genes, mutate
from search_space.space import Genes
from searchers.improvement import OpenBoxes, open_boxes
from searchers.inner import is_listed
from searchers.ledger import Ledger
from searchers.nsga2 import constrained_order
from searchers.pareto import Losses, non_dominated
from searchers.prediction_log import PredictionLog
from searchers.predictors.base import Vector
from searchers.predictors.gaussian_process import GaussianProcessSettings
from searchers.predictors.targets import LossScaleKind
from searchers.protocol import (
    Observation,
    PredictionQuality,
    Problem,
    Proposal,
    Searcher,
    WarmStart,
)
from searchers.surrogates import Beliefs, Surrogates

NUM_UNIFORM = 5
"""Initial architectures that take options of one place everywhere."""
NUM_DRAWN = 1000
"""Random candidates of a space that is too large to be scored in full."""
NUM_CHILDREN = 1500
"""Candidates of each round there."""
NUM_ROUNDS = 3
NUM_PARENTS = 50
NUM_KEPT = 1500
"""Candidates, best first, among which a batch is chosen one by one."""
MAX_PENDING = 100
"""Proposals still out that are assumed to turn out as expected; the newest."""
DIGITS = 9
"""Improvements are told apart to so many digits, so that rounding errors, which differ from machine
to machine, choose nothing: a search is replayed from its log."""


class EspalierSettings(BaseModel):
    """Gaussian processes and expected hypervolume improvement; the same for every space."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["espalier"] = "espalier"
    num_initial: int = Field(
        default=16, ge=1, le=10_000, description="Proposals before the first that is learned."
    )
    initial: Literal["uniform", "random"] = Field(
        default="uniform",
        description="Whether some of these take the first, middle or last option everywhere.",
    )
    batch_size: int = Field(
        default=8, ge=1, le=1000, description="Proposals of one fit, where batches have a barrier."
    )
    losses: LossScaleKind = Field(
        default="half_rank", description="The scale on which losses are learned."
    )
    counts: bool = Field(
        default=True, description="Whether models see how often each option is taken."
    )
    reach: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description="How far beyond the front volumes begin, as a fraction of the front's range.",
    )
    max_learned: int = Field(
        default=300, ge=2, le=2000, description="Measurements that a fit learns from, at most."
    )
    process: GaussianProcessSettings = Field(
        default=GaussianProcessSettings(), description="Of the models."
    )
    warm_start: WarmStart = ()

    def build(self, problem: Problem, seed: int) -> "EspalierSearcher":
        """Returns the searcher; equal problems, settings, seeds and logs give equal proposals."""
        return EspalierSearcher(problem, self, seed)


class EspalierSearcher(Searcher):
    """Proposes what is expected to improve the front most."""

    def __init__(self, problem: Problem, settings: EspalierSettings, seed: int) -> None:
        self._problem = problem
        self._space = problem.space
        self._settings = settings
        self._rng = np.random.default_rng(seed)
        self._ledger = Ledger(problem, settings.warm_start)
        self._surrogates = Surrogates(
            problem, settings.process, settings.losses, counts=settings.counts
        )
        self._log = PredictionLog()
        self._first = self._uniform() if settings.initial == "uniform" else self._sample(0)
        self._pending: dict[int, Genes] = {}
        self._num_told = 0
        self._num_learned = -1  # how many were told when the processes were fitted

    @property
    def batch_size(self) -> int:  # noqa: D102 - as in Searcher
        return self._settings.batch_size

    def ask(self, count: int) -> Sequence[Proposal]:  # noqa: D102 - as in Searcher
        num_initial = max(0, self._settings.num_initial - self._ledger.num_proposed)
        proposals = self._ledger.propose(min(count, num_initial), self._draw_first, self._rng)
        missing = count - len(proposals)
        if missing and self._surrogates.num_measured == 0:
            proposals += self._ledger.propose(missing, self._draw_first, self._rng)
        elif missing:
            proposals += self._propose_learned(missing)
        numbers = [proposal.number for proposal in proposals]
        self._pending.update(zip(numbers, self._ledger.rows(numbers), strict=True))
        return proposals

    def tell(self, observations: Sequence[Observation]) -> None:  # noqa: D102 - as in Searcher
        self._ledger.record(observations)
        self._log.compare(observations)
        self._surrogates.note(observations)
        self._num_told += len(observations)
        for observation in observations:
            del self._pending[observation.proposal.number]

    def prediction_quality(self) -> Sequence[PredictionQuality]:  # noqa: D102 - as in Searcher
        return self._log.quality()

    def _uniform(self) -> Genes:
        """Returns architectures that take the same place among the options of every choice."""
        places = np.linspace(0, 1, NUM_UNIFORM)[:, None]
        rows = self._space.canonical(np.round(places * (self._space.num_options - 1)).astype(int))
        return np.unique(rows, axis=0)

    def _sample(self, count: int) -> Genes:
        return self._space.sample(count, self._rng)

    def _draw_first(self, count: int) -> Genes:
        rows, self._first = self._first[:count], self._first[count:]
        return np.concatenate([rows, self._sample(count - len(rows))])

    def _propose_learned(self, count: int) -> list[Proposal]:
        if self._num_learned != self._num_told:
            self._surrogates.fit(self._learned())
            self._num_learned = self._num_told
        pending = np.array(list(self._pending.values())[-MAX_PENDING:], dtype=np.int64)
        pending = pending.reshape(-1, self._space.num_choices)
        boxes = open_boxes(*self._front())
        chosen = self._choose(self._candidates(boxes), pending, count)
        proposals = self._ledger.propose(count, _one_by_one(chosen, self._sample), self._rng)
        if proposals:
            rows = self._ledger.rows([proposal.number for proposal in proposals])
            columns = self._surrogates.beliefs(rows).metrics()
            self._log.remember(self._num_learned, proposals, columns)
        return proposals

    def _learned(self) -> list[int]:
        """Returns positions of what a fit learns from: of too many the best, and every other."""
        most, count = self._settings.max_learned, self._surrogates.num_measured
        if count <= most:
            return list(range(count))
        order = constrained_order(self._ledger.losses, self._ledger.violations)
        best, others = order[: most // 2], order[most // 2 :]
        spread = np.linspace(0, len(others) - 1, most - len(best)).round().astype(int)
        return sorted([*best.tolist(), *others[spread].tolist()])

    def _front(self) -> tuple[Losses, Vector]:
        """Returns the front of what keeps the limits, and the point from which volumes count.

        Both are shares of the range of what was measured. As long as nothing keeps the limits, the
        front is empty, below the worst that was measured.
        """
        losses = self._surrogates.shares(self._ledger.losses)
        feasible = self._ledger.violations == 0
        front = losses[feasible]
        front = front[non_dominated(front)]
        basis = front if len(front) else losses
        low, high = basis.min(axis=0), basis.max(axis=0)
        spans = np.where(high > low, high - low, np.std(losses, axis=0))
        spans = np.where(spans > 0, spans, 1.0)
        return front, high + self._settings.reach * spans

    def _candidates(self, boxes: OpenBoxes) -> Genes:
        """Returns new architectures to choose from, shape (count, num_choices)."""
        if is_listed(self._space):
            return self._new(np.concatenate(list(enumerate_genes(self._space))))
        order = constrained_order(self._ledger.losses, self._ledger.violations)
        parents = self._ledger.genes[order[:NUM_PARENTS]]
        found = self._new(np.concatenate([self._sample(NUM_DRAWN), self._breed(parents)]))
        for _ in range(NUM_ROUNDS):
            gains = self._gains(self._surrogates.beliefs(found), boxes)
            parents = found[_best_first(gains)[:NUM_PARENTS]]
            found = self._new(np.concatenate([found, self._breed(parents)]))
        return found

    def _breed(self, parents: Genes) -> Genes:
        """Returns children: neighbours of the parents, and of what becomes of two of them."""
        if len(parents) == 0:
            return parents
        first, second = parents[self._rng.integers(0, len(parents), (2, NUM_CHILDREN))]
        crossed = crossover(self._space, first, second, self._rng)
        alone = self._rng.random(NUM_CHILDREN) < 0.5
        children = np.where(alone[:, None], first, crossed)
        rate = min(1.0, 1.5 / max(1, self._space.num_choices))
        return mutate(self._space, children, rate, self._rng)

    def _new(self, genes: Genes) -> Genes:
        """Returns those rows that were not proposed, each once, in order."""
        _, first = np.unique(genes, axis=0, return_index=True)
        distinct = genes[np.sort(first)]
        return distinct[self._ledger.is_new(distinct)]

    def _choose(self, candidates: Genes, pending: Genes, count: int) -> Genes:
        """Returns up to `count` candidates that together are expected to improve the front most."""
        if len(candidates) == 0:
            return candidates
        beliefs = self._surrogates.beliefs(np.concatenate([pending, candidates]))
        num_pending = len(pending)
        front, reference = self._front()
        gains = self._gains(beliefs, open_boxes(front, reference))
        gains[:num_pending] = -1
        best = num_pending + _best_first(gains[num_pending:])[:NUM_KEPT]
        beliefs.keep(np.concatenate([np.arange(num_pending), best]))
        expected = beliefs.losses()  # stays, whatever is assumed
        for position in range(num_pending):
            beliefs.assume(position)
            front = _joined(front, expected[position], reference)
        free = np.arange(len(expected)) >= num_pending
        chosen: list[int] = []
        while len(chosen) < count and free.any():
            gains = self._gains(beliefs, open_boxes(front, reference))
            position = int(np.where(free, gains, -1).argmax())
            free[position] = False
            chosen.append(int(best[position - num_pending]) - num_pending)
            beliefs.assume(position)
            front = _joined(front, expected[position], reference)
        return candidates[chosen]

    def _gains(self, beliefs: Beliefs, boxes: OpenBoxes) -> Vector:
        """Returns expected improvements; where nothing keeps the limits, how likely that is."""
        if (self._ledger.violations == 0).any():
            gains = beliefs.improvements(boxes)
        else:
            gains = beliefs.feasibility()
        largest = float(gains.max(initial=0))
        if not (np.isfinite(largest) and largest > 0):
            return np.zeros(len(gains))
        return np.round(gains / largest, DIGITS)


def _joined(front: Losses, point: Vector, reference: Vector) -> Losses:
    """Returns the front with a further point, if that is below the reference."""
    if not (point < reference).all():
        return front
    joined = np.vstack([front, point])
    return joined[non_dominated(joined)]


def _best_first(gains: Vector) -> npt.NDArray[np.int64]:
    return np.argsort(-gains, kind="stable")


def _one_by_one(chosen: Genes, sample: Callable[[int], Genes]) -> Callable[[int], Genes]:
    """Returns a `draw` for the ledger: the chosen rows in order, then random ones."""
    rest = [chosen]

    def draw(count: int) -> Genes:
        rows, rest[0] = rest[0][:count], rest[0][count:]
        return rows if len(rows) else sample(count)

    return draw

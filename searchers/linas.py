"""LINAS: an inner search on predictors proposes each next batch.

Lightweight iterative neural architecture search (Cummings et al. 2022, arXiv 2205.10358). The
public system (DyNAS-T) measures a population, fits predictors to everything measured, runs NSGA-II
on them from random architectures, and takes its last population as the next one. We differ:

- What was measured, or is being measured, is never proposed again. The next batch are the best
  *other* architectures that the inner search has met: of its front, then of the fronts behind it,
  spread over the objectives. The system measures its last population again and again as it
  converges, and returns one that was never measured.
- The inner search begins with the best measured architectures and is scored in matrices; a space
  of up to 50,000 architectures is scored in full.
- Limits count, by constraint domination of predicted values; the system knows none. What was
  infeasible is learned as well.
- Genes that are inactive say nothing to a predictor; the system encodes them.
- Any number of objectives and limits, each metric with a predictor of its own.
- Asks need not wait: a plan of `population_size` proposals is made by one fit and handed out as
  asked for. With batches of that size and a barrier between them these are the system's loops.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from search_space.features import features
from search_space.space import Genes
from searchers.inner import inner_search
from searchers.ledger import Ledger
from searchers.metric_models import MetricModels, Scores
from searchers.nsga2 import constrained_order
from searchers.prediction_log import PredictionLog
from searchers.predictors.auto import AutoSettings
from searchers.predictors.settings import PredictorSettings
from searchers.predictors.targets import TargetScaleKind
from searchers.protocol import (
    Observation,
    PredictionQuality,
    Problem,
    Proposal,
    Searcher,
    WarmStart,
)


class LINASSettings(BaseModel):
    """LINAS.

    The system's own values are a population of 50, 20,000 inner evaluations (5,000 for ResNet-50)
    by an inner population of 50, `power_of_ten` targets, and the better of ridge and support
    vectors. With 20 and `rank_normal` more of NAS-Bench-201's front was found by as many
    evaluations (docs/searchers.md).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["linas"] = "linas"
    population_size: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="Random proposals at first; then as many of each fit.",
    )
    predictor: PredictorSettings = Field(
        default=AutoSettings(), description="What each metric is predicted by."
    )
    targets: TargetScaleKind = Field(
        default="rank_normal", description="The scale on which predictors learn a metric."
    )
    inner_population_size: int = Field(
        default=100, ge=2, le=10_000, description="Survivors of a generation of the inner search."
    )
    inner_evaluations: int = Field(
        default=10_000, ge=2, le=1_000_000, description="Candidates that predictors score per fit."
    )
    warm_start: WarmStart = ()

    def build(self, problem: Problem, seed: int) -> "LINASSearcher":
        """Returns the searcher; equal problems, settings, seeds and logs give equal proposals."""
        return LINASSearcher(problem, self, seed)


class LINASSearcher(Searcher):
    """Proposes what predictors say is best of what is not measured yet."""

    def __init__(self, problem: Problem, settings: LINASSettings, seed: int) -> None:
        self._space = problem.space
        self._settings = settings
        self._rng = np.random.default_rng(seed)
        self._ledger = Ledger(problem, settings.warm_start)
        self._models = MetricModels(problem, settings.predictor, settings.targets, seed)
        self._log = PredictionLog()
        self._num_told = 0
        self._num_learned = -1  # how many were told when the predictors were fitted
        self._plan: Genes = np.empty((0, self._space.num_choices), dtype=np.int64)

    @property
    def batch_size(self) -> int:  # noqa: D102 - as in Searcher
        return self._settings.population_size

    def ask(self, count: int) -> Sequence[Proposal]:  # noqa: D102 - as in Searcher
        num_initial = max(0, self._settings.population_size - self._ledger.num_proposed)
        proposals = self._ledger.propose(min(count, num_initial), self._sample, self._rng)
        while len(proposals) < count:
            if self._models.num_measured == 0:
                more = self._ledger.propose(count - len(proposals), self._sample, self._rng)
            else:
                more = self._propose_planned(count - len(proposals))
            if not more:  # the space is exhausted
                break
            proposals += more
        return proposals

    def tell(self, observations: Sequence[Observation]) -> None:  # noqa: D102 - as in Searcher
        self._ledger.record(observations)
        self._log.compare(observations)
        self._models.note(observations)
        self._num_told += len(observations)

    def prediction_quality(self) -> Sequence[PredictionQuality]:  # noqa: D102 - as in Searcher
        return self._log.quality()

    def _propose_planned(self, count: int) -> list[Proposal]:
        """Returns up to `count` proposals of one plan, with what is predicted of them on record."""
        if len(self._plan) == 0:
            self._make_plan()
        room = len(self._plan) or self._settings.population_size
        proposals = self._ledger.propose(min(count, room), self._draw, self._rng)
        if proposals:
            rows = self._ledger.rows([proposal.number for proposal in proposals])
            columns = self._models.predict(features(self._space, rows))
            self._log.remember(self._num_learned, proposals, columns)
        return proposals

    def _draw(self, count: int) -> Genes:
        """Returns the next rows of the plan; random ones where it has none left."""
        if len(self._plan) == 0:
            return self._sample(count)
        rows, self._plan = self._plan[:count], self._plan[count:]
        return rows

    def _sample(self, count: int) -> Genes:
        return self._space.sample(count, self._rng)

    def _make_plan(self) -> None:
        """Fits the predictors to what is new and plans the next batch."""
        if self._num_learned != self._num_told:
            self._models.fit()
            self._num_learned = self._num_told
        found = inner_search(
            self._space,
            self._score,
            self._parents(),
            population_size=self._settings.inner_population_size,
            num_evaluations=self._settings.inner_evaluations,
            rng=self._rng,
        )
        unmeasured = found.where(self._ledger.is_new(found.genes))
        self._plan = unmeasured.best(self._settings.population_size).genes

    def _score(self, genes: Genes) -> Scores:
        return self._models.scores(features(self._space, genes))

    def _parents(self) -> Genes:
        """Returns the best measured architectures: half of the first inner population."""
        order = constrained_order(self._ledger.losses, self._ledger.violations)
        return self._ledger.genes[order[: self._settings.inner_population_size // 2]]

"""Random search: the baseline that every other searcher must beat."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from searchers.ledger import Ledger
from searchers.protocol import Observation, Problem, Proposal, Searcher, WarmStart


class RandomSettings(BaseModel):
    """Random search: each active choice is uniform over its options, without repetition.

    What a warm start names goes first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["random"] = "random"
    batch_size: int = Field(
        default=20, ge=1, le=10_000, description="Proposals between two barriers."
    )
    warm_start: WarmStart = ()

    def build(self, problem: Problem, seed: int) -> "RandomSearcher":
        """Returns the searcher; equal problems, settings and seeds propose equal architectures."""
        return RandomSearcher(problem, self, seed)


class RandomSearcher(Searcher):
    """Proposes at random, whatever it is told."""

    def __init__(self, problem: Problem, settings: RandomSettings, seed: int) -> None:
        self._space = problem.space
        self._settings = settings
        self._rng = np.random.default_rng(seed)
        self._ledger = Ledger(problem, settings.warm_start)

    @property
    def batch_size(self) -> int:  # noqa: D102 - as in Searcher
        return self._settings.batch_size

    def ask(self, count: int) -> Sequence[Proposal]:  # noqa: D102 - as in Searcher
        return self._ledger.propose(
            count, lambda missing: self._space.sample(missing, self._rng), self._rng
        )

    def tell(self, observations: Sequence[Observation]) -> None:  # noqa: D102 - as in Searcher
        self._ledger.record(observations)

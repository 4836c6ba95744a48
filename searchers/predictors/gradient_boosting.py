"""Gradient boosting of small trees (Friedman 2001, Annals of Statistics 29(5)), several of them."""

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from searchers.predictors.base import Matrix, StandardizedPredictor, Vector
from searchers.predictors.folds import bootstrap_counts, out_of_bag_error


class GradientBoostingSettings(BaseModel):
    """Boosted trees; the defaults suit some dozen to some hundred rows.

    Public predictors boost 500 trees of depth 6 and learn from thousands of rows; on so few they
    repeat the noise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["gradient_boosting"] = "gradient_boosting"
    num_members: int = Field(
        default=4, ge=2, le=100, description="Models, each of a bootstrap sample of the rows."
    )
    num_trees: int = Field(default=100, ge=1, le=10_000, description="Of each member.")
    max_depth: int = Field(default=3, ge=1, le=20, description="Of each tree, in splits.")
    learning_rate: float = Field(
        default=0.1, gt=0, le=1, description="What each tree's correction is multiplied by."
    )
    row_share: float = Field(
        default=0.8, gt=0, le=1, description="Share of the rows that each tree is fitted to."
    )

    def build(self, seed: int) -> "GradientBoostingPredictor":
        """Returns the predictor; the seed draws samples and trees."""
        return GradientBoostingPredictor(self, seed)


class GradientBoostingPredictor(StandardizedPredictor):
    """The mean of members; its deviation is their spread and their out-of-bag error.

    The error is the same everywhere, and beyond the outermost rows trees are constant.
    """

    def __init__(self, settings: GradientBoostingSettings, seed: int) -> None:
        super().__init__()
        self._settings = settings
        self._seed = seed

    def _fit(self, rows: Matrix, targets: Vector) -> None:
        rng = np.random.default_rng(self._seed)
        counts = bootstrap_counts(len(rows), self._settings.num_members, rng)
        self._members = [
            self._boost(rows.repeat(count, axis=0), targets.repeat(count), int(seed))
            for count, seed in zip(counts, rng.integers(0, 2**32, len(counts)), strict=True)
        ]
        self._error = out_of_bag_error(self._outputs(rows), counts, targets)

    def _boost(self, rows: Matrix, targets: Vector, seed: int) -> Any:
        from sklearn.ensemble import GradientBoostingRegressor  # heavy: only what fits needs it

        member = GradientBoostingRegressor(
            n_estimators=self._settings.num_trees,
            max_depth=self._settings.max_depth,
            learning_rate=self._settings.learning_rate,
            subsample=self._settings.row_share,
            random_state=np.random.RandomState(seed),
        )
        return member.fit(rows, targets)

    def _outputs(self, rows: Matrix) -> Matrix:
        return np.stack([member.predict(rows) for member in self._members])

    def _predict(self, rows: Matrix) -> tuple[Vector, Vector]:
        outputs = self._outputs(rows)
        return outputs.mean(axis=0), np.sqrt(outputs.var(axis=0, ddof=1) + self._error**2)

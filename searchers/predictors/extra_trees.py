"""Extremely randomized trees (Geurts, Ernst and Wehenkel 2006, Machine Learning 63)."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from searchers.predictors.base import Matrix, StandardizedPredictor, Vector


class ExtraTreesSettings(BaseModel):
    """A forest whose splits are drawn; good with interactions, and with features of any scale."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["extra_trees"] = "extra_trees"
    num_trees: int = Field(default=100, ge=2, le=10_000, description="Size of the forest.")
    min_rows_per_leaf: int = Field(
        default=1, ge=1, le=1000, description="A split that leaves fewer on a side is not made."
    )
    max_features: float = Field(
        default=1.0, gt=0, le=1, description="Share of the features that a split chooses among."
    )

    def build(self, seed: int) -> "ExtraTreesPredictor":
        """Returns the predictor; the seed draws the trees."""
        return ExtraTreesPredictor(self, seed)


class ExtraTreesPredictor(StandardizedPredictor):
    """The mean of the trees; its deviation is their spread (Hutter et al. 2014, AIJ 206, 4.3.2).

    Each tree sees all rows, so that trees of one row per leaf agree on what was measured and
    disagree between; beyond the outermost rows trees are constant and so is the deviation.
    """

    def __init__(self, settings: ExtraTreesSettings, seed: int) -> None:
        super().__init__()
        self._settings = settings
        self._seed = seed

    def _fit(self, rows: Matrix, targets: Vector) -> None:
        from sklearn.ensemble import ExtraTreesRegressor  # heavy: only what fits needs it

        self._forest = ExtraTreesRegressor(
            n_estimators=self._settings.num_trees,
            min_samples_leaf=self._settings.min_rows_per_leaf,
            max_features=self._settings.max_features,
            random_state=np.random.RandomState(self._seed % 2**32),
            n_jobs=1,
        )
        self._forest.fit(rows, targets)

    def _predict(self, rows: Matrix) -> tuple[Vector, Vector]:
        narrow = rows.astype(np.float32)  # what trees compare
        outputs = np.stack(
            [tree.predict(narrow, check_input=False) for tree in self._forest.estimators_]
        )
        return outputs.mean(axis=0), outputs.std(axis=0, ddof=1)

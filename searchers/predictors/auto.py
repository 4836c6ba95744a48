"""The predictor that ranks best, chosen anew at every fit."""

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from searchers.predictors.base import (
    Matrix,
    Prediction,
    Predictor,
    Vector,
    checked_training,
)
from searchers.predictors.extra_trees import ExtraTreesSettings
from searchers.predictors.folds import folds
from searchers.predictors.gaussian_process import GaussianProcessSettings
from searchers.predictors.gradient_boosting import GradientBoostingSettings
from searchers.predictors.mlp import MLPSettings
from searchers.predictors.ridge import RidgeSettings
from searchers.predictors.svr import SVRSettings
from searchers.trust import kendall_tau_b

SinglePredictorSettings = Annotated[
    RidgeSettings
    | SVRSettings
    | ExtraTreesSettings
    | GaussianProcessSettings
    | GradientBoostingSettings
    | MLPSettings,
    Field(discriminator="kind"),
]
"""Every predictor but the one that chooses among them."""


class AutoSettings(BaseModel):
    """The candidate whose held-out predictions rank the rows best, by Kendall's tau-b.

    The default is that of the hardware-aware systems (LINAS): ridge or support vectors. The latter
    come by held-out predictions while they fit; other candidates are fitted once more for each
    fold. Folds are the same for all that have `num_folds` of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["auto"] = "auto"
    candidates: tuple[SinglePredictorSettings, ...] = Field(
        default=(RidgeSettings(), SVRSettings()),
        min_length=1,
        max_length=10,
        description="Of equally good ones the first is taken.",
    )
    num_folds: int = Field(default=5, ge=2, le=20, description="Of the cross-validation.")

    def build(self, seed: int) -> "AutoPredictor":
        """Returns the predictor; the seed draws folds, and is that of the candidates."""
        return AutoPredictor(self, seed)


class AutoPredictor(Predictor):
    """Fits all candidates, keeps the one that ranks best.

    Attributes:
        chosen: its kind; empty before a fit.
        scores: the tau-b of each candidate in order; None where it is not defined, which is worse
            than any that is. With one candidate, nothing is compared.
    """

    def __init__(self, settings: AutoSettings, seed: int) -> None:
        self._settings = settings
        self._seed = seed
        self._model: Predictor | None = None
        self.chosen = ""
        self.scores: tuple[float | None, ...] = ()

    def fit(self, features: npt.ArrayLike, targets: npt.ArrayLike) -> None:  # noqa: D102 - as above
        rows, values = checked_training(features, targets)
        candidates = self._settings.candidates
        models: list[Predictor] = [candidate.build(self._seed) for candidate in candidates]
        for model in models:
            model.fit(rows, values)
        position, self.scores = 0, ()
        if len(models) > 1:
            self.scores = tuple(
                self._score(number, model, rows, values) for number, model in enumerate(models)
            )
            ranks = [-2.0 if score is None else score for score in self.scores]
            position = ranks.index(max(ranks))
        self._model, self.chosen = models[position], candidates[position].kind

    def _score(self, number: int, model: Predictor, rows: Matrix, targets: Vector) -> float | None:
        predicted = model.held_out()
        if predicted is None:
            predicted = self._cross_validate(number, rows, targets)
        tau = kendall_tau_b(predicted, targets)
        # To digits that do not depend on the order in which a machine adds.
        return None if np.isnan(tau) else round(tau, 9)

    def _cross_validate(self, number: int, rows: Matrix, targets: Vector) -> Vector:
        if len(rows) < 2:
            return targets
        predicted = np.empty(len(rows))
        rng = np.random.default_rng(self._seed)
        for seen, held in folds(len(rows), self._settings.num_folds, rng):
            model = self._settings.candidates[number].build(self._seed)
            model.fit(rows[seen], targets[seen])
            predicted[held] = model.mean(rows[held])
        return predicted

    def predict(self, features: npt.ArrayLike) -> Prediction:  # noqa: D102 - as above
        return self._fitted().predict(features)

    def mean(self, features: npt.ArrayLike) -> Vector:  # noqa: D102 - as above
        return self._fitted().mean(features)

    def held_out(self) -> Vector | None:  # noqa: D102 - as above
        return self._fitted().held_out()

    def _fitted(self) -> Predictor:
        if self._model is None:
            raise RuntimeError("fit must come before predict")
        return self._model

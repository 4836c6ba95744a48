"""The predictors that a user may choose, as one discriminated union.

A new predictor is one file with its settings class, one more name in the unions of `auto.py` and
here, and one subclass in `tests/searchers/test_predictor_contract.py`.
"""

from typing import Annotated

from pydantic import Field

from searchers.predictors.auto import AutoSettings
from searchers.predictors.extra_trees import ExtraTreesSettings
from searchers.predictors.gaussian_process import GaussianProcessSettings
from searchers.predictors.gradient_boosting import GradientBoostingSettings
from searchers.predictors.mlp import MLPSettings
from searchers.predictors.ridge import RidgeSettings
from searchers.predictors.svr import SVRSettings

PredictorSettings = Annotated[
    AutoSettings
    | ExtraTreesSettings
    | GaussianProcessSettings
    | GradientBoostingSettings
    | MLPSettings
    | RidgeSettings
    | SVRSettings,
    Field(discriminator="kind"),
]
"""Everything that has `build(seed) -> Predictor`."""

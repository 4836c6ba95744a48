"""Tree-structured Parzen estimators (Bergstra et al. 2011, NIPS; Watanabe 2023, arXiv 2304.11127).

Two densities over the choices are estimated, one of the best architectures told so far and one of
all others; proposed is the draw from the first one that is likeliest against the second. With
several objectives the best are those of the first fronts (Ozaki et al. 2022, JAIR 73); what breaks
a limit comes after all that keeps them. The sampler is Optuna's; this file chooses how it is used.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from searchers.protocol import Problem, Searcher, WarmStart


class TPESettings(BaseModel):
    """TPE; proposals that are out count as bad, so that others keep away from them.

    Time per proposal grows with the number of choices times that of observations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["tpe"] = "tpe"
    batch_size: int = Field(
        default=10, ge=1, le=10_000, description="Proposals between two barriers."
    )
    num_initial: int = Field(
        default=20, ge=1, le=10_000, description="Measurements before which proposals are random."
    )
    num_candidates: int = Field(
        default=24, ge=1, le=10_000, description="Draws of which the likeliest is proposed."
    )
    joint: bool = Field(
        default=True,
        description="Whether the choices that are always active are drawn together, so that what "
        "goes with what is learned (Falkner et al. 2018, BOHB); otherwise each by itself.",
    )
    ordered: bool = Field(
        default=False,
        description="Whether options that are numbers in order are close to their neighbours for "
        "the model; otherwise all options are equally far from each other, as codes are.",
    )
    warm_start: WarmStart = ()

    def build(self, problem: Problem, seed: int) -> Searcher:
        """Returns the searcher; equal problems, settings, seeds and logs give equal proposals."""
        # Settings are validated where Optuna is not wanted: it takes most of a second to import.
        from optuna.samplers import TPESampler

        from searchers.optuna_search import OptunaSearcher

        sampler = TPESampler(
            n_startup_trials=1,
            n_ei_candidates=self.num_candidates,
            multivariate=self.joint,
            constant_liar=True,
            seed=seed % 2**32,
        )
        return OptunaSearcher(
            problem,
            sampler,
            seed,
            batch_size=self.batch_size,
            warm_start=self.warm_start,
            ordered=self.ordered,
            num_random=self.num_initial,
        )

"""Bayesian optimization with Gaussian processes (Watanabe 2023 and 2025, Optuna's GPSampler).

A Gaussian process per objective and limit (Matern 5/2, a length scale per choice); proposed is what
promises most: the logarithm of expected improvement (Ament et al. 2023, arXiv 2310.20708), with
several objectives that of the hypervolume (Daulton et al. 2020, arXiv 2006.05078), times the
probability that the limits are kept (Gardner et al. 2014, ICML). What is out is integrated over.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from searchers.protocol import Problem, Searcher, WarmStart


class GPSettings(BaseModel):
    """Gaussian processes; for evaluations that take minutes, as a proposal takes up to a second."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["gp"] = "gp"
    batch_size: int = Field(
        default=5, ge=1, le=10_000, description="Proposals between two barriers."
    )
    num_initial: int = Field(
        default=20, ge=1, le=10_000, description="Measurements before which proposals are random."
    )
    num_candidates: int = Field(
        default=1500,
        ge=30,
        le=100_000,
        description="New architectures of which the one that promises most is proposed.",
    )
    max_observations: int = Field(
        default=250,
        ge=10,
        le=2000,
        description="The most measurements that the processes are fitted to, as their time grows "
        "with the cube of that: the best by constraint domination when there are more.",
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
        from searchers.gp_sampler import ArchitectureGPSampler
        from searchers.optuna_search import OptunaSearcher

        sampler = ArchitectureGPSampler(problem.space, self.num_candidates, seed % 2**32)
        searcher = OptunaSearcher(
            problem,
            sampler,
            seed,
            batch_size=self.batch_size,
            warm_start=self.warm_start,
            ordered=self.ordered,
            num_random=self.num_initial,
            conditional=False,  # only what all trials have in common is modelled
            retries=0,  # it suggests nothing twice, unless it finds nothing else
            max_trials=self.max_observations,
        )
        sampler.is_new = searcher.is_new
        return searcher

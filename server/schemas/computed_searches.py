"""Searches whose evaluations are computed from the architecture alone: bodies."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from searchers.analytic import AnalyticSettings
from searchers.protocol import Limits, Objectives
from searchers.settings import SearcherSettings
from server.schemas.job_options import DEFAULT_OPTIONS, JobOptions
from server.schemas.requests import MAX_EVALUATIONS, Body, Name, Seed, SpaceReference


class ComputedEvaluator(BaseModel):
    """What is known of a network on paper: costs, and scores that need no training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["computed"]


class ComputedSearchBody(Body):
    """A search whose metrics are all computed from architectures: no supernet, no data, no workers.

    Metrics are those that the family of the space knows on paper; scores need a `goal`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "as deep as it may be",
                    "space": {"kind": "deepmad", "preset": "imagenet"},
                    "searcher": {"kind": "analytic"},
                    "objectives": [{"metric": "deepmad_score", "goal": "maximize"}],
                    "limits": [
                        {"metric": "macs", "upper": 1.82e9},
                        {"metric": "effectiveness", "upper": 0.3},
                        {"metric": "shape_violation", "upper": 0},
                    ],
                    "evaluations": 20,
                    "evaluator": {"kind": "computed"},
                    "seed": 0,
                }
            ]
        },
    )

    name: Name
    space: SpaceReference = Field(description="A space's id, or its settings; one of networks.")
    searcher: SearcherSettings = AnalyticSettings()
    objectives: Objectives
    limits: Limits = ()
    evaluations: int = Field(ge=1, le=MAX_EVALUATIONS)
    evaluator: ComputedEvaluator
    seed: Seed = 0
    job: JobOptions = DEFAULT_OPTIONS

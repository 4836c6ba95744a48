"""Searches whose evaluations are a table's: bodies."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from searchers.nsga2 import NSGA2Settings
from searchers.protocol import Limits, MetricName, Objectives
from searchers.settings import SearcherSettings
from server.schemas.job_options import DEFAULT_OPTIONS, JobOptions
from server.schemas.requests import MAX_EVALUATIONS, Body, Name, Seed, SpaceReference
from supernet.datasets.sources import Located

MAX_COLUMNS = 1000


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("must be distinct")
    return names


Column = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.\-]+$")]


class TableEvaluator(Located):
    """A table evaluates: a CSV (also gzip), an `.npz` or a parquet file, a row of figures each.

    Architectures without a row, or whose row lacks a figure, are infeasible.
    """

    kind: Literal["table"]
    choices: Annotated[
        tuple[Column, ...], Field(min_length=1, max_length=MAX_COLUMNS), AfterValidator(_distinct)
    ] = Field(
        description="The columns that tell architectures apart. In an .npz a matrix `ops` of six "
        "columns is the choices `ops.0` to `ops.5`."
    )
    metrics: Annotated[
        tuple[MetricName, ...], Field(max_length=MAX_COLUMNS), AfterValidator(_distinct)
    ] = Field(
        default=(),
        description="Columns of figures to record beside those that objectives and limits name.",
    )


class TableSearchBody(Body):
    """A search whose architectures are evaluated by a table.

    Metrics are the table's columns; those that the service does not measure itself need a `goal`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "nasbench201",
                    "searcher": {"kind": "nsga2"},
                    "objectives": [
                        {"metric": "accuracy", "goal": "maximize"},
                        {"metric": "latency_ms"},
                    ],
                    "evaluations": 300,
                    "evaluator": {"kind": "table", "path": "nasbench201.npz", "choices": ["ops"]},
                    "seed": 0,
                }
            ]
        },
    )

    name: Name
    space: SpaceReference | None = Field(
        default=None,
        description="A space's id, or its settings; its choices are columns of the table. Without "
        "one it is all combinations of what the table holds.",
    )
    searcher: SearcherSettings = NSGA2Settings()
    objectives: Objectives
    limits: Limits = ()
    evaluations: int = Field(ge=1, le=MAX_EVALUATIONS)
    evaluator: TableEvaluator
    seed: Seed = 0
    job: JobOptions = DEFAULT_OPTIONS

    @property
    def metrics(self) -> tuple[str, ...]:
        """All columns of figures that are recorded, each once, in order of their names."""
        named = [part.metric for part in (*self.objectives, *self.limits)]
        return tuple(sorted({*named, *self.evaluator.metrics}))

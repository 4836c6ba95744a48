"""Problems whose outcomes are known at once: the rows of a table, or what is known on paper."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from search_space.families import AnySpace, SpaceSettings
from search_space.family import NetworkSettings
from search_space.operators import enumerate_genes
from search_space.outcomes import Infeasible, Measured, Outcome
from search_space.space import Architecture, Genes, InvalidArchitectureError
from search_space.table import InvalidTableError, Table
from search_space.table_files import read_table
from searchers.comparison.errors import ComparisonError
from searchers.protocol import Limits, Objectives, Problem

MAX_COMPUTED = 10_000
"""Spaces up to this size are computed in full, for their exact front: some seconds."""

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class KnownProblem:
    """A problem, and what is known of its architectures.

    Attributes:
        problem: what searchers are built for.
        outcome: of an architecture of its space, at once.
        everything: gives the metrics of all architectures that have them; None where the space is
            too large for that.
    """

    problem: Problem
    outcome: Callable[[Architecture], Outcome]
    everything: Callable[[], Sequence[Metrics]] | None


class _ProblemSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    objectives: Objectives
    limits: Limits = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """What an evaluation must report, each once."""
        parts = (*self.objectives, *self.limits)
        return tuple(dict.fromkeys(part.metric for part in parts))


class TableProblem(_ProblemSettings):
    """A table is searched; an architecture without a row, or a figure, is infeasible."""

    kind: Literal["table"] = "table"
    path: Path | None = Field(
        default=None, exclude=True, description="Where the file lies; its digest is what counts."
    )
    sha256: str = Field(description="Of the file.")
    columns: tuple[str, ...] = Field(description="Those that tell architectures apart.")
    space: SpaceSettings

    def build(self) -> KnownProblem:
        """Reads the table.

        Raises:
            ComparisonError: the file is not there, or another.
            InvalidTableError: it cannot be read.
        """
        if self.path is None or sha256_of(self.path) != self.sha256:
            found = "none" if self.path is None else self.path.name
            raise ComparisonError("table", f"must have the digest {self.sha256}", found)
        table = read_table(self.path, self.columns, self.metrics)
        problem = Problem(self.space.build(), self.objectives, self.limits)
        return KnownProblem(
            problem,
            lambda architecture: table.outcome(architecture, {}),
            lambda: _rows(table, problem),
        )


class CostProblem(_ProblemSettings):
    """What is known of networks on paper is searched (`NetworkSettings.compute`).

    An architecture with a figure that is not finite is infeasible.
    """

    kind: Literal["costs"] = "costs"
    space: SpaceSettings

    def build(self) -> KnownProblem:
        """Returns the problem.

        Raises:
            ComparisonError: the space has no networks, or a metric of them is not known on paper.
        """
        family = self.space
        if not isinstance(family, NetworkSettings):
            raise ComparisonError("family", "must be a family of networks", family.kind)
        for field, parts in (("objective", self.objectives), ("limit", self.limits)):
            for part in parts:
                if part.metric not in family.computed_metrics:
                    rule = f"must name one of {list(family.computed_metrics)}"
                    raise ComparisonError(field, rule, part.metric)
        problem = Problem(family.build(), self.objectives, self.limits)

        def known_of(genes: Genes) -> list[Metrics]:
            figures = family.compute(genes)
            return [
                {name: float(figures[name][row]) for name in self.metrics}
                for row in range(len(genes))
            ]

        def outcome(architecture: Architecture) -> Outcome:
            (metrics,) = known_of(problem.space.encode(architecture)[np.newaxis])
            if _is_finite(metrics):
                return Measured(metrics)
            return Infeasible("a figure of it is not finite")

        def everything() -> list[Metrics]:
            rows = np.concatenate(list(enumerate_genes(problem.space)))
            return [metrics for metrics in known_of(rows) if _is_finite(metrics)]

        is_small = problem.space.size <= MAX_COMPUTED
        return KnownProblem(problem, outcome, everything if is_small else None)


ProblemSettings = Annotated[TableProblem | CostProblem, Field(discriminator="kind")]
"""What is searched, by value."""


def table_problem(
    path: Path,
    columns: Sequence[str],
    parts: Mapping[str, Any],
    space: AnySpace | None = None,
) -> TableProblem:
    """Returns the problem of a table's file.

    Args:
        path: of the file.
        columns: those that tell architectures apart.
        parts: `objectives` and `limits`.
        space: which architectures are searched; all combinations of what the table holds by
            default.

    Raises:
        InvalidTableError: the file is no such table; or it is not about the space.
        ComparisonError: it cannot be opened, or does not say anything of a metric.
    """
    sha256 = sha256_of(path)
    wanted = _ProblemSettings(**parts)
    table = read_table(path, columns, wanted.metrics)
    for field, some in (("objective", wanted.objectives), ("limit", wanted.limits)):
        for part in some:
            if not np.isfinite(table.metrics[part.metric]).any():
                raise ComparisonError(field, "must have a number in a row at least", part.metric)
    settings = table.space_settings(f"table {sha256[:12]}") if space is None else space
    if set(table.names) != {choice.name for choice in settings.build().choices}:
        rule = f"must be the choices of the space, {[c.name for c in settings.build().choices]}"
        raise InvalidTableError("choices", rule, list(table.names))
    return TableProblem(path=path, sha256=sha256, columns=tuple(columns), space=settings, **parts)


def sha256_of(path: Path) -> str:
    """Returns the digest of a file's content.

    Raises:
        ComparisonError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ComparisonError("table", f"must be a file ({error.strerror})", str(path)) from None


def _rows(table: Table, problem: Problem) -> list[Metrics]:
    """Returns the metrics of the rows that are of the space and have all of them."""
    columns = table.metrics
    known = np.all([np.isfinite(column) for column in columns.values()], axis=0)
    rows: list[Metrics] = []
    for row, architecture in enumerate(table.architectures()):
        if known[row] and _is_of(problem, architecture):
            rows.append({name: float(column[row]) for name, column in columns.items()})
    return rows


def _is_finite(metrics: Metrics) -> bool:
    return bool(np.isfinite(list(metrics.values())).all())


def _is_of(problem: Problem, architecture: Mapping[str, Any]) -> bool:
    try:
        problem.space.encode(architecture)
    except InvalidArchitectureError:
        return False
    return True

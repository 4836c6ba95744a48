"""A table small enough to compute by hand, and runs on it.

Feasible by `accuracy >= 15` are (20, 2), (30, 4), (25, 5) and (40, 8); the third is dominated.
"""

import os
from pathlib import Path

from search_space.outcomes import Infeasible
from searchers.comparison.exact import exact_front
from searchers.comparison.folder import RunFolder
from searchers.comparison.manifest import Entry, Manifest
from searchers.comparison.playing import Run, Trial
from searchers.comparison.problems import TableProblem, table_problem
from searchers.protocol import Limit, Objective

TEXT = """kernel,width,accuracy,latency
3,8,10,1
3,16,20,2
5,8,30,4
5,16,25,5
7,8,40,8
"""
MISSING = Infeasible("the table has no such architecture").reason


def small_problem(folder: Path) -> TableProblem:
    """Six architectures, of which one has no row."""
    path = folder / "table.csv"
    path.write_text(TEXT, encoding="utf-8")
    parts = {
        "objectives": (
            Objective(metric="accuracy", goal="maximize"),
            Objective(metric="latency", goal="minimize"),
        ),
        "limits": (Limit(metric="accuracy", lower=15.0),),
    }
    return table_problem(path, ["kernel", "width"], parts)


def trial(kernel: int, width: int, accuracy: float, latency: float) -> Trial:
    return Trial((kernel, width), {"accuracy": accuracy, "latency": latency})


RUN = Run(
    (
        trial(0, 0, 10, 1),  # breaks the limit
        trial(1, 1, 25, 5),
        Trial((2, 1), None, MISSING),
        trial(0, 1, 20, 2),
        trial(2, 0, 40, 8),
        trial(1, 0, 30, 4),
    ),
    exhausted=False,
    ask_seconds=1.5,
    tell_seconds=0.25,
)


def small_manifest(problem: TableProblem, *names: str, num_seeds: int = 1) -> Manifest:
    return Manifest(
        problem=problem,
        evaluations=6,
        searchers={name: Entry(settings={"kind": "random"}, num_seeds=num_seeds) for name in names},
        exact=exact_front(problem.build()),
    )


def written(folder: Path, run: Run = RUN) -> tuple[RunFolder, Manifest]:
    """A folder with one run."""
    runs = RunFolder(folder / "runs")
    manifest = runs.open_for(small_manifest(small_problem(folder), "by-hand"))
    runs.write("by-hand", 0, run)
    return runs, manifest


def inverse(number: int) -> float:
    """A task that fails at 0, and whose process dies of what is less."""
    if number < 0:
        os._exit(3)
    return 1 / number

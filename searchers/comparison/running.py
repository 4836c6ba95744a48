"""All runs of a comparison, over the cores, each written when it is done."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from searchers.comparison.errors import ComparisonError
from searchers.comparison.folder import RunFolder
from searchers.comparison.playing import play
from searchers.comparison.problems import KnownProblem, ProblemSettings
from searchers.comparison.processes import in_processes
from searchers.protocol import Problem, UnsuitableProblemError
from searchers.settings import SearcherSettings


@dataclass(frozen=True)
class RunTask:
    """One run that is to be made."""

    name: str
    seed: int
    settings: SearcherSettings = field(repr=False)
    problem: ProblemSettings = field(repr=False)
    evaluations: int = field(repr=False)
    folder: Path = field(repr=False)


def tasks_left(
    folder: RunFolder,
    problem: ProblemSettings,
    searchers: Mapping[str, SearcherSettings],
    evaluations: int,
    num_seeds: int,
) -> list[RunTask]:
    """Returns the runs that the folder lacks, seed by seed, so that seeds become complete early.

    Args:
        folder: of these searchers' runs.
        problem: what is searched.
        searchers: settings by name.
        evaluations: the budget.
        num_seeds: of each searcher, from 0 on.
    """
    return [
        RunTask(name, seed, settings, problem, evaluations, folder.path)
        for seed in range(num_seeds)
        for name, settings in searchers.items()
        if not folder.has(name, seed)
    ]


def run_all(tasks: Sequence[RunTask], num_processes: int) -> Iterator[RunTask]:
    """Makes runs; yields each when it is written.

    Raises:
        TaskFailedError: a searcher failed.
    """
    for task, _ in in_processes(run_one, tasks, num_processes):
        yield task


def run_one(task: RunTask) -> None:
    """Makes a run and writes it."""
    known = known_problem(task.problem)
    searcher = task.settings.build(known.problem, task.seed)
    run = play(searcher, known, task.evaluations, time.perf_counter)
    RunFolder(task.folder).write(task.name, task.seed, run)


@lru_cache(maxsize=1)
def known_problem(problem: ProblemSettings) -> KnownProblem:
    """Returns a problem; a process reads its table once."""
    return problem.build()


def check_searchers(problem: Problem, searchers: Mapping[str, SearcherSettings]) -> None:
    """Returns if all searchers can be built for a problem.

    Raises:
        ComparisonError: one cannot: it does not take so many objectives, say, or is to start from
            architectures of another space.
    """
    for name, settings in searchers.items():
        try:
            settings.build(problem, seed=0)
        except UnsuitableProblemError as error:
            rule = f"must be able to search this problem; {name} is not: {error.field} {error.rule}"
            raise ComparisonError("searchers", " ".join(rule.split()), error.value) from None
        except ValueError as error:
            rule = f"must be able to search this problem; {name} is not: {error}"
            raise ComparisonError("searchers", rule, None) from None

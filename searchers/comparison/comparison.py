"""A comparison from what is asked for to the runs that are left to be made."""

from collections.abc import Mapping
from dataclasses import dataclass

from searchers.comparison.exact import exact_front
from searchers.comparison.folder import RunFolder
from searchers.comparison.manifest import Entry, Machine, Manifest
from searchers.comparison.problems import ProblemSettings
from searchers.comparison.running import RunTask, check_searchers, tasks_left
from searchers.comparison.whole import whole_of
from searchers.settings import SearcherSettings


@dataclass(frozen=True)
class Comparison:
    """What is asked for.

    Attributes:
        problem: what is searched.
        searchers: settings by name.
        evaluations: the budget of each run.
        num_seeds: runs of each searcher, with the seeds from 0 on.
        reference: the point that hypervolumes are measured from, in natural units; None for nadir.
    """

    problem: ProblemSettings
    searchers: Mapping[str, SearcherSettings]
    evaluations: int
    num_seeds: int
    reference: Mapping[str, float] | None = None


def begin(
    comparison: Comparison, folder: RunFolder, machine: Machine
) -> tuple[Manifest, list[RunTask]]:
    """Checks all that can be checked beforehand, and says in the folder what it is about.

    Args:
        comparison: what is asked for.
        folder: of its runs; those that are complete are not made again.
        machine: that this runs on.

    Returns:
        What figures are to be computed of, and the runs that are left.

    Raises:
        ComparisonError: it cannot be made, or the folder is about something else.
        InvalidTableError: the table cannot be read.
    """
    known = comparison.problem.build()
    exact = exact_front(known)
    whole_of(known.problem, exact, [], comparison.reference)  # refuses a reference that is amiss
    check_searchers(known.problem, comparison.searchers)
    manifest = Manifest(
        problem=comparison.problem,
        evaluations=comparison.evaluations,
        searchers={
            name: Entry(settings=settings.model_dump(mode="json"), num_seeds=comparison.num_seeds)
            for name, settings in comparison.searchers.items()
        },
        exact=exact,
        reference=None if comparison.reference is None else dict(comparison.reference),
        machines=(machine,),
    )
    stored = folder.open_for(manifest)
    tasks = tasks_left(
        folder,
        comparison.problem,
        comparison.searchers,
        comparison.evaluations,
        comparison.num_seeds,
    )
    return manifest.model_copy(update={"machines": stored.machines}), tasks

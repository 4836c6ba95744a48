"""Whether a logged run is what its settings and seed lead to."""

import time
from dataclasses import dataclass

from searchers.comparison.folder import RunFolder
from searchers.comparison.playing import Run, play
from searchers.comparison.running import RunTask, known_problem


@dataclass(frozen=True)
class Deviation:
    """Where a log first says something else than a replay.

    Attributes:
        number: of the proposal.
        what: `choices`, `metrics` or `length`.
        logged: what the log says; None where it has ended.
        replayed: what comes of the settings; None where the replay has ended.
    """

    number: int
    what: str
    logged: object
    replayed: object


def deviation(logged: Run, replayed: Run) -> Deviation | None:
    """Returns the first difference between two runs; None if they have the same proposals."""
    for number, (there, here) in enumerate(zip(logged.trials, replayed.trials, strict=False)):
        if there.choices != here.choices:
            return Deviation(number, "choices", list(there.choices), list(here.choices))
        if there.metrics != here.metrics:
            return Deviation(number, "metrics", there.metrics, here.metrics)
    lengths = len(logged.trials), len(replayed.trials)
    return None if lengths[0] == lengths[1] else Deviation(min(lengths), "length", *lengths)


def replay_one(task: RunTask) -> Deviation | None:
    """Makes a run again and compares it with the one that the folder has.

    Raises:
        ComparisonError: the log is damaged.
    """
    known = known_problem(task.problem)
    searcher = task.settings.build(known.problem, task.seed)
    replayed = play(searcher, known, task.evaluations, time.perf_counter)
    logged = RunFolder(task.folder).read(task.name, task.seed, known.problem.space)
    return deviation(logged, replayed)

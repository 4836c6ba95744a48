"""All figures of a comparison, computed from the logs of its runs and from nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from searchers.comparison.errors import ComparisonError
from searchers.comparison.folder import RunFolder
from searchers.comparison.manifest import Machine, Manifest
from searchers.comparison.measures import (
    TARGETS_PERCENT,
    Quartiles,
    Values,
    checkpoints,
    extended,
    igd_plus,
    quartiles,
    run_losses,
)
from searchers.comparison.playing import Run
from searchers.comparison.problems import ProblemSettings
from searchers.comparison.rank_tests import PairTest, pair_tests
from searchers.comparison.whole import Kind, Whole, natural, whole_of
from searchers.history import evaluations_to_reach, hypervolume_history
from searchers.pareto import Losses
from searchers.protocol import Problem


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunFigures(_Part):
    """One run. Shares and distances are by the number of evaluations."""

    seed: int
    evaluations: int
    exhausted: bool
    num_infeasible: int
    share: dict[int, float | None]
    igd_plus: dict[int, float | None]
    evaluations_to: dict[str, int | None]
    ask_seconds: float
    tell_seconds: float


class Reached(_Part):
    """After how many evaluations a share was reached; a run that never did counts as infinity."""

    quartiles: Quartiles
    num_reached: int


class SearcherFigures(_Part):
    """A searcher: quartiles over its runs, and the runs."""

    settings: dict[str, object]
    num_runs: int
    num_exhausted: int
    share: dict[int, Quartiles | None]
    igd_plus: dict[int, Quartiles | None]
    evaluations_to: dict[str, Reached | None]
    searcher_seconds: Quartiles
    runs: tuple[RunFigures, ...]


class FrontFigures(_Part):
    """What 100 % is: see `searchers.comparison.whole.Whole`."""

    kind: Kind
    points: tuple[dict[str, float], ...]
    hypervolume: float
    reference: dict[str, float] | None
    reference_source: str


class Report(_Part):
    """All figures; `tests` are by the number of evaluations."""

    problem: ProblemSettings
    num_architectures: str
    num_feasible: int | None
    evaluations: int
    front: FrontFigures
    searchers: dict[str, SearcherFigures]
    tests: dict[int, tuple[PairTest, ...]]
    notes: tuple[str, ...]
    machines: tuple[Machine, ...]


@dataclass(frozen=True)
class Analysis:
    """What comes of a comparison.

    Attributes:
        report: its figures.
        curves: the share after each evaluation by searcher, shape (num_runs, evaluations); empty
            where there is no whole.
    """

    report: Report
    curves: Mapping[str, Values]


def analyse(
    folder: RunFolder, manifest: Manifest, reference: Mapping[str, float] | None
) -> Analysis:
    """Computes all figures of the runs of some searchers.

    Args:
        folder: where they are; runs that are not there are left out, and a note says so.
        manifest: which runs.
        reference: the point that hypervolumes are measured from, in natural units; None for nadir.

    Raises:
        ComparisonError: a run is damaged, none is there, or the reference is amiss.
    """
    space = manifest.problem.space.build()
    problem = Problem(space, manifest.problem.objectives, manifest.problem.limits)
    runs = {
        name: {
            seed: folder.read(name, seed, space)
            for seed in range(entry.num_seeds)
            if folder.has(name, seed)
        }
        for name, entry in manifest.searchers.items()
    }
    if not any(runs.values()):
        raise ComparisonError("log", "must hold a complete run", str(folder.path))
    losses = {
        name: {seed: run_losses(problem, run) for seed, run in of_seeds.items()}
        for name, of_seeds in runs.items()
    }
    everything = [rows for of_seeds in losses.values() for rows in of_seeds.values()]
    whole = whole_of(problem, manifest.exact, everything, reference)
    played = {
        name: [
            _Played(seed, run, losses[name][seed], _shares(losses[name][seed], whole, manifest))
            for seed, run in of_seeds.items()
        ]
        for name, of_seeds in runs.items()
        if of_seeds
    }
    counts = checkpoints(manifest.evaluations)
    figures = {
        name: _searcher_figures(manifest.searchers[name].settings, some, counts, whole)
        for name, some in played.items()
    }
    report = Report(
        problem=manifest.problem,
        num_architectures=str(space.size),
        num_feasible=None if manifest.exact is None else manifest.exact.num_feasible,
        evaluations=manifest.evaluations,
        front=_front_figures(problem, whole),
        searchers=figures,
        tests=_tests(played, counts),
        notes=tuple(_notes(manifest, figures, whole)),
        machines=manifest.machines,
    )
    curves = {
        name: np.stack([one.shares for one in some if one.shares is not None])
        for name, some in played.items()
        if whole.volume > 0
    }
    return Analysis(report, curves)


@dataclass(frozen=True)
class _Played:
    """A run and what was computed of it; shares after each evaluation, None without a whole."""

    seed: int
    run: Run
    losses: Losses
    shares: Values | None


def _shares(losses: Losses, whole: Whole, manifest: Manifest) -> Values | None:
    if whole.reference is None or whole.volume == 0:
        return None
    volumes = hypervolume_history(losses, whole.reference) / whole.volume
    return np.minimum(extended(volumes, manifest.evaluations), 1.0)  # sums are rounded


def _searcher_figures(
    settings: Mapping[str, object], played: Sequence[_Played], counts: Sequence[int], whole: Whole
) -> SearcherFigures:
    runs = tuple(_run_figures(one, counts, whole) for one in played)
    reached = {
        target: [run.evaluations_to[target] for run in runs] for target in runs[0].evaluations_to
    }
    has_whole = whole.volume > 0
    return SearcherFigures(
        settings=dict(settings),
        num_runs=len(runs),
        num_exhausted=sum(run.exhausted for run in runs),
        share={n: _quartiles([run.share[n] for run in runs], has_whole) for n in counts},
        igd_plus={
            n: _quartiles([run.igd_plus[n] for run in runs], len(whole.front) > 0) for n in counts
        },
        evaluations_to={
            target: None
            if (some := _quartiles(values, has_whole)) is None
            else Reached(quartiles=some, num_reached=sum(value is not None for value in values))
            for target, values in reached.items()
        },
        searcher_seconds=quartiles([one.run.searcher_seconds for one in played]),
        runs=runs,
    )


def _run_figures(played: _Played, counts: Sequence[int], whole: Whole) -> RunFigures:
    run, shares = played.run, played.shares
    distances = {n: _distance(played.losses[:n], whole) for n in counts}
    return RunFigures(
        seed=played.seed,
        evaluations=len(run.trials),
        exhausted=run.exhausted,
        num_infeasible=int(np.isinf(played.losses).any(axis=1).sum()),
        share={n: None if shares is None else float(shares[n - 1]) for n in counts},
        igd_plus={n: d if np.isfinite(d) else None for n, d in distances.items()},
        evaluations_to={
            f"{target:g}": None
            if shares is None
            else evaluations_to_reach(shares.tolist(), target / 100)
            for target in TARGETS_PERCENT
        },
        ask_seconds=run.ask_seconds,
        tell_seconds=run.tell_seconds,
    )


def _distance(losses: Losses, whole: Whole) -> float:
    if whole.reference is None:  # nothing feasible is known
        return np.inf
    return igd_plus(losses, whole.front, whole.reference) if len(whole.front) else np.inf


def _quartiles(values: Sequence[float | None], exists: bool) -> Quartiles | None:
    """Returns quartiles, None among the values being infinity; None where nothing was measured."""
    if not exists:
        return None
    return quartiles([np.inf if value is None else value for value in values])


def _front_figures(problem: Problem, whole: Whole) -> FrontFigures:
    ordered = whole.front[np.lexsort(whole.front.T[::-1])]
    distinct = dict.fromkeys(tuple(row) for row in ordered.tolist())
    return FrontFigures(
        kind=whole.kind,
        points=tuple(natural(problem, np.array(row)) for row in distinct),
        hypervolume=whole.volume,
        reference=None if whole.reference is None else natural(problem, whole.reference),
        reference_source=whole.source,
    )


def _tests(
    played: Mapping[str, Sequence[_Played]], counts: Sequence[int]
) -> dict[int, tuple[PairTest, ...]]:
    """Tests shares at each count; nothing without a whole, or with one searcher."""
    found = {}
    for count in counts:
        shares = {
            name: {one.seed: float(one.shares[count - 1]) for one in some if one.shares is not None}
            for name, some in played.items()
        }
        found[count] = tuple(pair_tests(shares))
    return {count: tests for count, tests in found.items() if tests}


def _notes(manifest: Manifest, figures: Mapping[str, SearcherFigures], whole: Whole) -> list[str]:
    """Returns sentences that belong below the figures."""
    notes = []
    if whole.reference is None:
        notes.append("no run found anything feasible: there are no shares")
    elif whole.kind == "joint":
        notes.append(
            "the space is too large for its exact front: shares and IGD+ refer to the joint front "
            "of all runs here, so they change with the runs"
        )
    if whole.reference is not None and whole.volume == 0:
        notes.append("nothing beats the reference in every objective: there are no shares")
    for name, entry in manifest.searchers.items():
        some = figures.get(name)
        if (found := some.num_runs if some else 0) < entry.num_seeds:
            notes.append(f"{name}: only {found} of {entry.num_seeds} runs are complete")
        if some is not None and some.num_exhausted:
            most = max(run.evaluations for run in some.runs if run.exhausted)
            notes.append(
                f"{name}: {some.num_exhausted} of {some.num_runs} runs stopped early, after "
                f"{most} evaluations: the space has no further architecture"
            )
    if len(manifest.machines) > 1:
        notes.append(f"runs were made on {len(manifest.machines)} machines: seconds differ by that")
    return notes

"""The figures of a comparison, for people."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from searchers.comparison.measures import Quartiles
from searchers.comparison.rank_tests import PairTest
from searchers.comparison.report import Report, SearcherFigures
from server.cli.tables import new_table

MAX_PAIRS = 15
"""Of more pairs than these, those with the best searcher are shown."""


def report_parts(report: Report) -> Iterator[RenderableType]:
    """Yields tables and notes, in the order in which they are read."""
    yield Text(_heading(report))
    yield Text(f"\nHypervolume, % of the {report.front.kind} front's: median (quartiles)")
    yield _shares(report)
    yield Text(
        f"\nEvaluations to reach a share: median (quartiles) or - if never; IGD+ and seconds "
        f"in the searcher after {report.evaluations}"
    )
    yield _efforts(report)
    if report.tests:
        yield Text(f"\nShare after {report.evaluations} evaluations, seed by seed")
        yield _tests(report)
        yield Text(
            "p: Wilcoxon's signed-rank test, two-sided; p (Holm): corrected for "
            f"{len(report.tests[report.evaluations])} pairs of searchers",
            style="dim",
        )
    for note in report.notes:
        yield Text(f"note: {note}")


def _heading(report: Report) -> str:
    front = report.front
    of = f"{report.num_architectures} architectures"
    if report.num_feasible is not None:
        of += f", {report.num_feasible} of them feasible"
    if front.reference is None:
        return of
    point = ", ".join(f"{metric} {value:.6g}" for metric, value in front.reference.items())
    num_points = len(front.points)
    return (
        f"{of}; {front.kind} front: {num_points} point{'' if num_points == 1 else 's'}\n"
        f"reference: {point} ({front.reference_source})"
    )


def _shares(report: Report) -> Table:
    counts = list(next(iter(report.searchers.values())).share)
    titles = [f"at {count}" for count in counts]
    table = new_table("searcher", "runs", *titles, right=("runs", *titles))
    for name, figures in report.searchers.items():
        cells = [_percent(figures.share[count]) for count in counts]
        table.add_row(name, str(figures.num_runs), *cells)
    return table


def _efforts(report: Report) -> Table:
    targets = list(next(iter(report.searchers.values())).evaluations_to)
    titles = [f"to {target} %" for target in targets]
    table = new_table("searcher", *titles, "IGD+", "seconds", right=(*titles, "IGD+", "seconds"))
    for name, figures in report.searchers.items():
        efforts = [_effort(figures, target) for target in targets]
        distance = _quartiles(figures.igd_plus[report.evaluations], "{:.4f}")
        seconds = _quartiles(figures.searcher_seconds, "{:.3g}")
        table.add_row(name, *efforts, distance, seconds)
    return table


def _effort(figures: SearcherFigures, target: str) -> str:
    reached = figures.evaluations_to[target]
    if reached is None:
        return "-"
    return _quartiles(reached.quartiles, "{:.0f}")


def _tests(report: Report) -> Table:
    right = ("median difference %", "wins", "losses", "p", "p (Holm)")
    table = new_table("searcher", "against", *right, right=right)
    for test in _shown(report, report.tests[report.evaluations]):
        table.add_row(
            test.first,
            test.second,
            f"{100 * test.median_difference:+.2f}",
            str(test.wins),
            str(test.losses),
            f"{test.p_value:.2g}",
            f"{test.p_adjusted:.2g}",
        )
    return table


def _shown(report: Report, tests: Sequence[PairTest]) -> Sequence[PairTest]:
    if len(tests) <= MAX_PAIRS:
        return tests

    def median(name: str) -> float:
        share = report.searchers[name].share[report.evaluations]
        return share.median or 0.0 if share is not None else 0.0

    best = max(report.searchers, key=median)
    return [test for test in tests if best in (test.first, test.second)]


def _percent(share: Quartiles | None) -> str:
    if share is None or share.median is None or share.lower is None or share.upper is None:
        return "-"
    low, median, high = 100 * share.lower, 100 * share.median, 100 * share.upper
    return f"{median:.2f}\n({low:.1f}-{high:.1f})"


def _quartiles(found: Quartiles | None, form: str) -> str:
    if found is None:
        return "-"
    low, median, high = (
        "-" if value is None else form.format(value)
        for value in (found.lower, found.median, found.upper)
    )
    return median if low == median == high else f"{median} ({low} to {high})"

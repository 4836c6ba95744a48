"""Every searcher on public tables, beside native peers: what is found in how many evaluations.

Medians over seeds of the share of the exact front's hypervolume, with `nadir` as the reference
point; then the median over the pairs of data set and device, and the worst pair:

- NAS-Bench-201, six pairs of data set and device; networks of at least 20 % accuracy;
- NATS-Bench's size space and NAS-Bench-Macro, accuracy against multiply-accumulates.

Peers are Optuna's NSGA-II and TPE and pymoo's NSGA-II on the same tables, see `_native_peers.py`.
The folder that ESPALIER_BENCH_DATA names holds `nasbench201.npz`,
`nats_bench_size_cifar10.csv.gz` and `nasbench_macro_cifar10.csv.gz`. All of it takes hours: with
`--log DIR` it goes on where it was stopped. With --quick: three seeds of 60 evaluations on two
tables, without `gp`.
"""

import json
import math
import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
from _native_peers import PEERS
from _table_runs import Case, Size, data_folder, macro_case, pairs_of, run_cases, size_case
from harness import Figure, argument_parser, machine
from rich.console import Console
from rich.table import Table

from searchers.comparison.report import Analysis
from searchers.settings import SearcherSettings, able_searchers

KINDS: Mapping[str, Callable[[], Any]] = {
    settings.model_fields["kind"].default: settings
    for settings in get_args(get_args(SearcherSettings)[0])
}
COUNTS = (50, 60, 100, 150, 300, 500)
TARGETS_PERCENT = ("95", "99")
NUM_SEEDS, NUM_SEEDS_QUICK = 20, 3
BUDGET, BUDGET_QUICK = 500, 60
SLOW = "gp"
"""What does not fit into a quick run."""


def main() -> None:
    """Runs what is left to be run, and prints."""
    parser = argument_parser(__doc__)
    parser.add_argument("--log", type=Path, metavar="DIR", help="keep all runs there")
    parser.add_argument("--searchers", help="some only; by default all that can search tables")
    parser.add_argument("--evaluations", type=int, default=BUDGET, help="%(default)s by default")
    parser.add_argument("--seeds", type=int, default=NUM_SEEDS, help="%(default)s by default")
    given = parser.parse_args()
    size = (
        Size(BUDGET_QUICK, NUM_SEEDS_QUICK) if given.quick else Size(given.evaluations, given.seeds)
    )
    names = given.searchers.split(",") if given.searchers else []
    if unknown := sorted(set(names) - {*KINDS, *PEERS}):
        parser.error(f"--searchers must be among {[*KINDS, *PEERS]}, got {unknown}")
    folder = data_folder()
    if folder is None:
        return
    with tempfile.TemporaryDirectory() as temporary:
        cases = cases_of(folder, Path(temporary), quick=given.quick)
        names = names or [*searchers_of(cases), *PEERS]
        ours = {name: KINDS[name]() for name in names if name in KINDS}
        if given.quick:
            ours.pop(SLOW, None)
        peers = [name for name in names if name in PEERS]
        place = given.log or Path(temporary) / "runs"
        analyses = run_cases(cases, ours, peers, place, size)
    figures = list(show(cases, analyses))
    Console().print(machine(), highlight=False)
    if given.json is not None:
        text = json.dumps([asdict(figure) for figure in figures], indent=2)
        given.json.write_text(text + "\n", encoding="utf-8")


def cases_of(data: Path, temporary: Path, *, quick: bool) -> list[Case]:
    """Returns the problems; some tables are put into columns first."""
    if quick:
        return [pairs_of(data)[0], size_case(data, temporary)]
    return [*pairs_of(data), size_case(data, temporary), macro_case(data, temporary)]


def searchers_of(cases: Sequence[Case]) -> list[str]:
    """Returns the kinds of searchers that can do all cases with their default settings."""
    able = [able_searchers(case.problem.build().problem) for case in cases]
    return [kind for kind in able[0] if all(kind in others for others in able)]


def show(cases: Sequence[Case], analyses: Sequence[Analysis]) -> Iterable[Figure]:
    """Prints a table for each group; yields its figures."""
    for group in dict.fromkeys(case.group for case in cases):
        members = [a for case, a in zip(cases, analyses, strict=True) if case.group == group]
        names = [case.name for case in cases if case.group == group]
        budget = members[0].report.evaluations
        counts = [count for count in COUNTS if count <= budget]
        table = Table(title=f"{group}: {'; '.join(names)}", title_justify="left")
        table.add_column("searcher")
        for count in counts:
            table.add_column(f"% at {count}", justify="right")
        for target in TARGETS_PERCENT:
            table.add_column(f"to {target} %", justify="right")
        table.add_column("seconds", justify="right")
        for name in members[0].report.searchers:
            row = _row(members, name, counts)
            shown = [values[:1] if len(members) == 1 else values for values in row.values()]
            table.add_row(name, *[_cell(values) for values in shown])
            for (what, unit), (middle, worst) in row.items():
                for which, value in (("median pair", middle), ("worst pair", worst)):
                    if math.isfinite(value):
                        yield Figure(f"{group}, {name}: {what}, {which}", value, unit)
        Console(width=160).print(table)
    print("median over pairs / worst pair, of medians over seeds; seconds spent in the searcher")


def _row(
    analyses: Sequence[Analysis], name: str, counts: Sequence[int]
) -> dict[tuple[str, str], tuple[float, float]]:
    """Returns (median over cases, worst case) of the median over seeds, by figure and unit."""
    row = {}
    for count in counts:
        shares = [100 * float(np.median(a.curves[name][:, count - 1])) for a in analyses]
        row[f"share at {count}", "%"] = (statistics.median(shares), min(shares))
    for target in TARGETS_PERCENT:
        efforts = [_effort(analysis, name, target) for analysis in analyses]
        row[f"evaluations to {target} %", "evaluations"] = (
            statistics.median(efforts),
            max(efforts),
        )
    seconds = [a.report.searchers[name].searcher_seconds.median or 0.0 for a in analyses]
    row["searcher", "s"] = (statistics.median(seconds), max(seconds))
    return row


def _effort(analysis: Analysis, name: str, target: str) -> float:
    reached = analysis.report.searchers[name].evaluations_to[target]
    if reached is None or reached.quartiles.median is None:
        return math.inf
    return reached.quartiles.median


def _cell(values: Sequence[float]) -> str:
    return " / ".join("-" if math.isinf(value) else f"{value:.3g}" for value in values)


if __name__ == "__main__":
    main()

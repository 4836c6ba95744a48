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

import csv
import gzip
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from _native_peers import PEERS
from harness import Figure, argument_parser, machine
from rich.console import Console
from rich.table import Table

from searchers.comparison.comparison import Comparison, begin
from searchers.comparison.folder import RunFolder
from searchers.comparison.manifest import Entry, Manifest, this_machine
from searchers.comparison.problems import TableProblem, table_problem
from searchers.comparison.processes import in_processes
from searchers.comparison.report import Analysis, analyse
from searchers.comparison.running import RunTask, known_problem, run_one
from searchers.protocol import Limit, Objective
from searchers.settings import SearcherSettings, able_searchers

DATA_VARIABLE = "ESPALIER_BENCH_DATA"
FILES = ("nasbench201.npz", "nats_bench_size_cifar10.csv.gz", "nasbench_macro_cifar10.csv.gz")
PAIRS = (
    ("valid_acc_cifar10_200ep_mean", "lat_ms_pixel3"),
    ("valid_acc_cifar10_200ep_mean", "lat_ms_raspi4"),
    ("valid_acc_cifar10_200ep_mean", "lat_ms_fpga"),
    ("valtest_acc_cifar100_200ep_mean", "lat_ms_samsung_s7"),
    ("valtest_acc_cifar100_200ep_mean", "lat_ms_1080ti_32"),
    ("valtest_acc_cifar100_200ep_mean", "lat_ms_gold_6226"),
)
COUNTS = (50, 60, 100, 150, 300, 500)
TARGETS_PERCENT = ("95", "99")
NUM_SEEDS, NUM_SEEDS_QUICK = 20, 3
BUDGET, BUDGET_QUICK = 500, 60
SLOW = "gp"
"""What does not fit into a quick run."""


@dataclass(frozen=True)
class Case:
    """A table, what is wanted of it, and the table of figures that it belongs to."""

    group: str
    name: str
    problem: TableProblem


@dataclass(frozen=True)
class Size:
    """How much is run."""

    evaluations: int
    num_seeds: int


@dataclass(frozen=True)
class NativeTask:
    """A run of a peer."""

    name: str
    seed: int
    problem: TableProblem
    evaluations: int
    folder: Path


def main() -> None:
    """Runs what is left to be run, and prints."""
    parser = argument_parser(__doc__)
    kinds = [s.model_fields["kind"].default for s in get_args(get_args(SearcherSettings)[0])]
    parser.add_argument("--log", type=Path, metavar="DIR", help="keep all runs there")
    parser.add_argument("--searchers", help="some only; by default all that can search tables")
    parser.add_argument("--evaluations", type=int, default=BUDGET, help="%(default)s by default")
    parser.add_argument("--seeds", type=int, default=NUM_SEEDS, help="%(default)s by default")
    given = parser.parse_args()
    size = (
        Size(BUDGET_QUICK, NUM_SEEDS_QUICK) if given.quick else Size(given.evaluations, given.seeds)
    )
    folder = Path(os.environ.get(DATA_VARIABLE, ""))
    missing = [name for name in FILES if not (folder / name).is_file()]
    if DATA_VARIABLE not in os.environ or missing:
        print(f"skipped: {DATA_VARIABLE} must name a folder with {', '.join(FILES)}")
        return
    names = given.searchers.split(",") if given.searchers else []
    unknown = sorted(set(names) - {*kinds, *PEERS})
    if unknown:
        parser.error(f"--searchers must be among {[*kinds, *PEERS]}, got {unknown}")
    with tempfile.TemporaryDirectory() as temporary:
        cases = cases_of(folder, Path(temporary), quick=given.quick)
        names = names or [*searchers_of(cases), *PEERS]
        if given.quick:
            names = [name for name in names if name != SLOW]
        place = given.log or Path(temporary) / "runs"
        analyses = run_cases(cases, names, place, size)
    figures = list(show(cases, analyses))
    Console().print(machine(), highlight=False)
    if given.json is not None:
        text = json.dumps([asdict(figure) for figure in figures], indent=2)
        given.json.write_text(text + "\n", encoding="utf-8")


# --- tables ------------------------------------------------------------------------------------


def cases_of(data: Path, temporary: Path, *, quick: bool) -> list[Case]:
    """Returns the problems; some tables are put into columns first."""
    cases = [
        Case(
            "NAS-Bench-201",
            f"{'cifar100' if 'cifar100' in accuracy else 'cifar10'}, {latency[len('lat_ms_') :]}",
            _problem(data / FILES[0], ["ops"], accuracy, latency, at_least=20.0),
        )
        for accuracy, latency in (PAIRS[:1] if quick else PAIRS)
    ]
    size = temporary / "nats_size.npz"
    _write_sizes(data / FILES[1], size)
    cases.append(Case("NATS-Bench size", "macs", _problem(size, ["channels"], "acc", "macs")))
    if not quick:
        macro = temporary / "macro.npz"
        _write_macro(data / FILES[2], macro)
        problem = _problem(macro, ["ops"], "mean_acc", "flops")
        cases.append(Case("NAS-Bench-Macro", "flops", problem))
    return cases


def _problem(
    path: Path, columns: Sequence[str], better: str, cheaper: str, at_least: float | None = None
) -> TableProblem:
    objectives = (
        Objective(metric=better, goal="maximize"),
        Objective(metric=cheaper, goal="minimize"),
    )
    limits = () if at_least is None else (Limit(metric=better, lower=at_least),)
    return table_problem(path, columns, {"objectives": objectives, "limits": limits})


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write_sizes(source: Path, target: Path) -> None:
    rows = _rows(source)
    channels = np.array([[int(row[f"c{i}"]) for i in range(5)] for row in rows])
    accuracy = np.array([float(row["acc"]) for row in rows])
    np.savez(target, channels=channels, acc=accuracy, macs=size_macs(channels))


def size_macs(channels: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Returns multiply-accumulates of networks of NATS-Bench's size space at 32 x 32.

    A stem, and three cells at 32, 16 and 8 pixels with two residual blocks of stride 2 between; a
    cell's edges are five 3 x 3 convolutions and a shortcut, which is 1 x 1 where channels change
    (Dong et al. 2021, arXiv 2009.00437; its published code).
    """
    c0, c1, c2, c3, c4 = channels.T.astype(np.float64)

    def cell(before: Any, after: Any, pixels: int) -> Any:
        shortcut = np.where(before == after, 0, before * after)
        return pixels * (9 * (2 * before * after + 3 * after**2) + shortcut)

    def block(before: Any, after: Any, pixels: int) -> Any:
        return pixels * (9 * before * after + 9 * after**2 + before * after)

    stem = 1024 * 27 * c0
    body = cell(c0, c0, 1024) + block(c0, c1, 256) + cell(c1, c2, 256) + block(c2, c3, 64)
    total: npt.NDArray[np.float64] = stem + body + cell(c3, c4, 64) + 10 * c4
    return total


def _write_macro(source: Path, target: Path) -> None:
    rows = _rows(source)
    ops = np.array([[int(digit) for digit in row["arch"]] for row in rows])
    columns = {name: np.array([float(row[name]) for row in rows]) for name in ("mean_acc", "flops")}
    np.savez(target, ops=ops, **columns)


def searchers_of(cases: Sequence[Case]) -> list[str]:
    """Returns the kinds of searchers that can do all cases with their default settings."""
    able = [able_searchers(case.problem.build().problem) for case in cases]
    return [kind for kind in able[0] if all(kind in others for others in able)]


# --- runs --------------------------------------------------------------------------------------


def run_cases(
    cases: Sequence[Case], names: Sequence[str], place: Path, size: Size
) -> list[Analysis]:
    """Makes all runs that are missing; returns the figures of each case."""
    folders, manifests, tasks = [], [], []
    for case in cases:
        folder = RunFolder(place / f"{case.group}-{case.name}".replace(" ", "-").replace(",", ""))
        manifest, left = _begin(case, names, folder, size)
        folders.append(folder)
        manifests.append(manifest)
        tasks += left
    for done, _ in enumerate(in_processes(run_any, tasks, len(os.sched_getaffinity(0))), 1):
        if done % max(1, len(tasks) // 10) == 0:
            print(f"{done} of {len(tasks)} runs", flush=True)
    pairs = zip(folders, manifests, strict=True)
    return [analyse(folder, manifest, None) for folder, manifest in pairs]


def _begin(
    case: Case, names: Sequence[str], folder: RunFolder, size: Size
) -> tuple[Manifest, list[Any]]:
    of_kind: Mapping[str, Callable[[], Any]] = {
        s.model_fields["kind"].default: s for s in get_args(get_args(SearcherSettings)[0])
    }
    settings = {name: of_kind[name]() for name in names if name in of_kind}
    here = this_machine(len(os.sched_getaffinity(0)), version("espalier"))
    comparison = Comparison(case.problem, settings, size.evaluations, size.num_seeds)
    manifest, tasks = begin(comparison, folder, here)
    peers = [name for name in names if name in PEERS]
    entries = {name: _peer_entry(name, size.num_seeds) for name in peers}
    manifest = manifest.model_copy(update={"searchers": {**manifest.searchers, **entries}})
    folder.open_for(manifest)
    native = [
        NativeTask(name, seed, case.problem, size.evaluations, folder.path)
        for seed in range(size.num_seeds)
        for name in peers
        if not folder.has(name, seed)
    ]
    return manifest, [*tasks, *native]


def _peer_entry(name: str, num_seeds: int) -> Entry:
    package = name.partition("-")[0]
    settings = {"kind": "native", "name": name, "version": version(package)}
    return Entry(settings=settings, num_seeds=num_seeds)


def run_any(task: RunTask | NativeTask) -> None:
    """Makes a run of ours or of a peer, and writes it."""
    if isinstance(task, RunTask):
        run_one(task)
        return
    known = known_problem(task.problem)
    run = PEERS[task.name](known, task.seed, task.evaluations, time.perf_counter)
    RunFolder(task.folder).write(task.name, task.seed, run)


# --- figures -----------------------------------------------------------------------------------


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

"""Public tables as problems, and runs of searchers and of native peers on them.

Tables come from the folder that the environment variable ESPALIER_BENCH_DATA names. Runs are kept
in a folder for each problem, as `espalier compare --log` keeps them; those that are there are not
made again.
"""

import csv
import gzip
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _native_peers import PEERS

from searchers.comparison.comparison import Comparison, begin
from searchers.comparison.folder import RunFolder
from searchers.comparison.manifest import Entry, Manifest, this_machine
from searchers.comparison.problems import TableProblem, table_problem
from searchers.comparison.processes import in_processes
from searchers.comparison.report import Analysis, analyse
from searchers.comparison.running import RunTask, known_problem, run_one
from searchers.protocol import Limit, Objective

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


@dataclass(frozen=True)
class Case:
    """A table, what is wanted of it, and the table of figures that it belongs to."""

    group: str
    name: str
    problem: TableProblem


@dataclass(frozen=True)
class Size:
    """How much is run, of each searcher on each problem."""

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


def data_folder() -> Path | None:
    """Returns the folder with the tables; None, and says why, where they are not there."""
    folder = Path(os.environ.get(DATA_VARIABLE, ""))
    missing = [name for name in FILES if not (folder / name).is_file()]
    if DATA_VARIABLE in os.environ and not missing:
        return folder
    print(f"skipped: {DATA_VARIABLE} must name a folder with {', '.join(FILES)}")
    return None


def pairs_of(data: Path) -> list[Case]:
    """Returns NAS-Bench-201's problems: networks of at least 20 % accuracy."""
    return [
        Case(
            "NAS-Bench-201",
            f"{'cifar100' if 'cifar100' in accuracy else 'cifar10'}, {latency[len('lat_ms_') :]}",
            _problem(data / FILES[0], ["ops"], accuracy, latency, at_least=20.0),
        )
        for accuracy, latency in PAIRS
    ]


def size_case(data: Path, temporary: Path) -> Case:
    """Returns NATS-Bench's size space, accuracy against multiply-accumulates."""
    path = temporary / "nats_size.npz"
    _write_sizes(data / FILES[1], path)
    return Case("NATS-Bench size", "macs", _problem(path, ["channels"], "acc", "macs"))


def macro_case(data: Path, temporary: Path) -> Case:
    """Returns NAS-Bench-Macro, accuracy against multiply-accumulates."""
    path = temporary / "macro.npz"
    _write_macro(data / FILES[2], path)
    return Case("NAS-Bench-Macro", "flops", _problem(path, ["ops"], "mean_acc", "flops"))


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


def run_cases(
    cases: Sequence[Case],
    searchers: Mapping[str, Any],
    peers: Sequence[str],
    place: Path,
    size: Size,
) -> list[Analysis]:
    """Makes all runs that are missing; returns the figures of each case.

    Args:
        cases: the problems.
        searchers: settings of ours, by name.
        peers: names of natively run ones.
        place: where runs are kept.
        size: how much is run.
    """
    folders, manifests, tasks = [], [], []
    for case in cases:
        folder = RunFolder(place / f"{case.group}-{case.name}".replace(" ", "-").replace(",", ""))
        manifest, left = _begin(case, searchers, peers, folder, size)
        folders.append(folder)
        manifests.append(manifest)
        tasks += left
    for done, _ in enumerate(in_processes(run_any, tasks, len(os.sched_getaffinity(0))), 1):
        if done % max(1, len(tasks) // 10) == 0:
            print(f"{done} of {len(tasks)} runs", flush=True)
    pairs = zip(folders, manifests, strict=True)
    return [analyse(folder, manifest, None) for folder, manifest in pairs]


def _begin(
    case: Case,
    searchers: Mapping[str, Any],
    peers: Sequence[str],
    folder: RunFolder,
    size: Size,
) -> tuple[Manifest, list[Any]]:
    here = this_machine(len(os.sched_getaffinity(0)), version("espalier"))
    comparison = Comparison(case.problem, searchers, size.evaluations, size.num_seeds)
    manifest, tasks = begin(comparison, folder, here)
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

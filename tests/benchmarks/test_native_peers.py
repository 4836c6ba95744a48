"""Native peers on a small table: distinct architectures, the same for the same seed."""

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from search_space.outcomes import Infeasible, Measured, Outcome
from search_space.space import Architecture, Choice, Condition, SearchSpace
from searchers.comparison.problems import KnownProblem, table_problem
from searchers.comparison.running import check_searchers
from searchers.protocol import Limit, Objective, Problem
from server.cli.compare_options import KINDS

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("_native_peers")


def evaluate(architecture: Architecture) -> Outcome:
    depth, *widths = (int(value) for value in architecture.values())
    if depth == 3 and widths[0] == 1:
        return Infeasible("does not fit")
    return Measured({"macs": float(depth * sum(widths)), "num_params": float(widths[-1] - depth)})


def problem() -> KnownProblem:
    choices = [
        Choice(name="depth", options=(1, 2, 3)),
        Choice(name="width1", options=(1, 2, 4)),
        Choice(name="width2", options=(1, 2), when=Condition(parent="depth", options=(2, 3))),
    ]
    objectives = (Objective(metric="macs"), Objective(metric="num_params", goal="maximize"))
    limits = (Limit(metric="macs", upper=12.0),)
    return KnownProblem(Problem(SearchSpace("s", choices), objectives, limits), evaluate, None)


@pytest.mark.parametrize("name", ["optuna-nsga2", "optuna-tpe", "pymoo-nsga2"])
def test_a_peer_is_told_all_and_charged_once(
    peers: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = problem()
    assert known.problem.space.size == 15
    first, again, other = (
        peers.PEERS[name](known, seed, 8, time.perf_counter) for seed in (1, 1, 2)
    )
    assert first.trials == again.trials != other.trials
    assert len({one.choices for one in first.trials}) == len(first.trials) == 8
    assert not first.exhausted
    monkeypatch.setattr(peers, "PATIENCE", 4)
    everything = peers.PEERS[name](known, 0, 16, time.perf_counter)
    assert everything.exhausted  # it is stopped, however often it repeats itself
    assert len(everything.trials) <= 15
    assert {one.choices[2] for one in everything.trials if one.choices[0] == 0} == {-1}


def test_without_data_it_says_what_is_missing() -> None:
    script = BENCHMARKS / "searcher_comparison.py"
    variables = {name: os.environ[name] for name in os.environ if name != "ESPALIER_BENCH_DATA"}
    done = subprocess.run(
        [sys.executable, script, "--quick"], capture_output=True, text=True, env=variables
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("skipped: ESPALIER_BENCH_DATA must name a folder with nasbench")


def test_sizes_have_the_macs_of_their_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    benchmark = importlib.import_module("_table_runs")
    # Of one channel each: 27 in the stem; 45 in a cell; 19 in a block; 10 in the classifier.
    expected = 1024 * 27 + 1024 * 45 + 256 * 19 + 256 * 45 + 64 * 19 + 64 * 45 + 10
    assert benchmark.size_macs(np.ones((1, 5), dtype=np.int64)).tolist() == [expected]
    # A cell from one channel to two: 2 edges of 1 x 2, 3 of 2 x 2, and a shortcut of 1 x 2.
    wider = benchmark.size_macs(np.array([[1, 1, 2, 2, 2]]))[0]
    cell, block, last = 9 * (2 * 2 + 3 * 4) + 2, 9 * 4 * 2 + 4, 9 * 5 * 4
    assert wider == 1024 * 72 + 256 * 19 + 256 * cell + 64 * block + 64 * last + 20


def test_by_default_all_searchers_take_part_that_can_search_tables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    benchmark = importlib.import_module("searcher_comparison")
    (tmp_path / "t.csv").write_text("a,acc,macs\n1,90,1\n2,91,2\n3,92,3\n", encoding="utf-8")
    objectives = (Objective(metric="acc", goal="maximize"), Objective(metric="macs"))
    table = table_problem(tmp_path / "t.csv", ["a"], {"objectives": objectives})
    names = benchmark.searchers_of([benchmark.Case("small", "macs", table)])
    check_searchers(table.build().problem, {name: KINDS[name]() for name in names})
    assert {*KINDS} - {*names} == {"analytic"}  # costs of networks only

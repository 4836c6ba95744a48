"""Runs of comparisons: how they are played, written, read, resumed and made again."""

import json
import os
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from comparison_examples import MISSING, RUN, inverse, small_manifest, small_problem, written
from hypothesis import given
from hypothesis import strategies as st
from strategies import spaces

from search_space.cnn import MobileNetV3Settings
from search_space.custom import CustomSettings
from search_space.deepmad import DeepMADSettings
from search_space.outcomes import Measured
from search_space.space import Choice, Condition, SearchSpace
from searchers.comparison.comparison import Comparison, begin
from searchers.comparison.errors import ComparisonError
from searchers.comparison.exact import exact_front
from searchers.comparison.folder import RunFolder
from searchers.comparison.manifest import Machine, Manifest, this_machine
from searchers.comparison.playing import BrokenPromiseError, Run, Trial, play
from searchers.comparison.problems import CostProblem, KnownProblem, TableProblem, table_problem
from searchers.comparison.processes import TaskFailedError, in_processes
from searchers.comparison.replay import deviation
from searchers.comparison.running import RunTask, run_one
from searchers.nsga2 import NSGA2Settings
from searchers.protocol import Limit, Objective, Problem, Proposal
from searchers.random import RandomSearcher, RandomSettings

HERE = this_machine(2, "0")


def test_a_run_is_the_searchers_proposals_in_order(tmp_path: Path) -> None:
    known = small_problem(tmp_path).build()
    ticks = count()
    searcher = RandomSettings(batch_size=2).build(known.problem, seed=4)
    run = play(searcher, known, 5, lambda: float(next(ticks)))
    again = RandomSettings(batch_size=2).build(known.problem, seed=4)
    expected = [*again.ask(2), *again.ask(2), *again.ask(1)]
    space = known.problem.space
    assert [list(one.choices) for one in run.trials] == [
        space.encode(proposal.architecture).tolist() for proposal in expected
    ]
    assert (run.exhausted, run.ask_seconds, run.tell_seconds) == (False, 3, 3)


def test_a_space_is_exhausted_early(tmp_path: Path) -> None:
    known = small_problem(tmp_path).build()
    run = play(RandomSettings().build(known.problem, 0), known, 100, time.perf_counter)
    assert run.exhausted
    assert len(run.trials) == known.problem.space.size == 6
    (missing,) = [one for one in run.trials if one.metrics is None]
    assert (missing.choices, missing.reason) == ((2, 1), MISSING)
    exactly = play(RandomSettings().build(known.problem, 0), known, 6, time.perf_counter)
    assert (exactly.exhausted, exactly.trials) == (False, run.trials)


class _Repeating(RandomSearcher):
    def ask(self, count: int) -> list[Proposal]:
        first, *others = super().ask(count)
        return [first, *[Proposal(one.number, first.architecture) for one in others]]


def test_a_searcher_that_repeats_itself_is_found_out(tmp_path: Path) -> None:
    known = small_problem(tmp_path).build()
    with pytest.raises(BrokenPromiseError, match="proposals must be new"):
        play(_Repeating(known.problem, RandomSettings(), 0), known, 4, time.perf_counter)


@given(spaces(), st.integers(0, 3))
def test_choices_are_option_indices_and_inactive_ones_are_minus_one(
    tmp_path_factory: pytest.TempPathFactory, space: SearchSpace, seed: int
) -> None:
    problem = Problem(space, (Objective(metric="macs"),))
    known = KnownProblem(problem, lambda a: Measured({"macs": float(len(a))}), None)
    run = play(RandomSettings().build(problem, seed), known, 10, time.perf_counter)
    for one in run.trials:
        row = np.array(one.choices)
        active = space.active(np.maximum(row, 0)[None])[0]
        assert ((row == -1) == ~active).all()
        assert one.metrics == {"macs": float(active.sum())}
    folder = RunFolder(tmp_path_factory.mktemp("runs"))
    folder.write("some", 1, run)
    assert folder.read("some", 1, space) == run


def test_a_log_has_a_line_for_each_proposal(tmp_path: Path) -> None:
    folder, manifest = written(tmp_path)
    lines = (folder.path / "by-hand-0.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines[1:3]] == [
        {
            "searcher": "by-hand",
            "seed": 0,
            "number": 1,
            "choices": [1, 1],
            "metrics": {"accuracy": 25, "latency": 5},
        },
        {
            "searcher": "by-hand",
            "seed": 0,
            "number": 2,
            "choices": [2, 1],
            "metrics": None,
            "reason": MISSING,
        },
    ]
    assert folder.read("by-hand", 0, manifest.problem.space.build()) == RUN
    assert [path.name for path in sorted(folder.path.iterdir())] == [
        "by-hand-0.json",
        "by-hand-0.jsonl",
        "manifest.json",
    ]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('"choices": [1, 1]', '"choices": [1, 2]', "line 2, must be a new architecture"),
        ('"choices": [1, 1]', '"choices": [1, -1]', "line 2, must be a new architecture"),
        ('"choices": [1, 1]', '"choices": [0, 0]', "line 2, must be a new architecture"),
        ('"choices": [1, 1]', '"choices": [1]', "line 2, must be a new architecture"),
        ('"accuracy": 25', '"accuracy": NaN', r"line 2, must be as .*metrics\.accuracy"),
        ('"number": 3', '"number": 4', "line 4, must be of by-hand, seed 0, number 3"),
        ('{"searcher": "by-hand", "seed": 0, "number": 5', "#", "line 6, must be as"),
    ],
)
def test_damaged_logs_are_refused_by_line(tmp_path: Path, old: str, new: str, rule: str) -> None:
    folder, manifest = written(tmp_path)
    place = folder.path / "by-hand-0.jsonl"
    place.write_text(place.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ComparisonError, match=rule) as refused:
        folder.read("by-hand", 0, manifest.problem.space.build())
    assert refused.value.field == "log"


def test_a_log_that_was_cut_is_refused(tmp_path: Path) -> None:
    folder, manifest = written(tmp_path)
    place = folder.path / "by-hand-0.jsonl"
    lines = place.read_text(encoding="utf-8").splitlines(keepends=True)
    place.write_text("".join(lines[:4]), encoding="utf-8")
    with pytest.raises(ComparisonError, match=r"must have 6 lines, .* got 4"):
        folder.read("by-hand", 0, manifest.problem.space.build())


def test_a_folder_takes_more_of_the_same_and_nothing_else(tmp_path: Path) -> None:
    folder, manifest = written(tmp_path)
    problem = manifest.problem
    assert isinstance(problem, TableProblem)
    more = small_manifest(problem, "by-hand", "another", num_seeds=3)
    merged = folder.open_for(more.model_copy(update={"machines": (HERE,)}))
    assert {name: one.num_seeds for name, one in merged.searchers.items()} == {
        "by-hand": 3,
        "another": 3,
    }
    fewer = folder.open_for(small_manifest(problem, "by-hand"))
    assert fewer.searchers["by-hand"].num_seeds == 3
    other_limit = problem.model_copy(update={"limits": (Limit(metric="accuracy", lower=20.0),)})
    changes: list[tuple[Manifest, str]] = [
        (more.model_copy(update={"evaluations": 7}), "evaluations: 6 there, 7 here"),
        (
            more.model_copy(update={"problem": other_limit}),
            "problem.limits.0.lower: 15.0 there, 20.0 here",
        ),
        (
            more.model_copy(update={"problem": problem.model_copy(update={"sha256": "0"})}),
            f"problem.sha256: {problem.sha256!r} there, '0' here",
        ),
    ]
    entry = more.searchers["another"].model_copy(update={"settings": {"kind": "nsga2"}})
    renamed = more.model_copy(update={"searchers": {"another": entry}})
    changes.append((renamed, "searchers.another.kind: 'random' there, 'nsga2' here"))
    for changed, expected in changes:
        with pytest.raises(ComparisonError, match="runs of the same comparison") as refused:
            folder.open_for(changed)
        assert refused.value.value == [expected]


def _comparison(problem: TableProblem | CostProblem, num_seeds: int = 2) -> Comparison:
    searchers = {"few": NSGA2Settings(population_size=2), "random": RandomSettings()}
    return Comparison(problem, searchers, 5, num_seeds)


def test_complete_runs_are_not_made_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs")
    comparison = _comparison(small_problem(tmp_path))
    _, tasks = begin(comparison, folder, HERE)
    assert [(task.name, task.seed) for task in tasks] == [
        ("few", 0),
        ("random", 0),
        ("few", 1),
        ("random", 1),
    ]
    run_one(tasks[1])
    before = (folder.path / "random-0.jsonl").read_bytes()
    there = Machine(**{**HERE.model_dump(), "processor": "another"})
    manifest, left = begin(comparison, folder, there)
    assert left == [tasks[0], *tasks[2:]]
    assert manifest.machines == (HERE, there)
    run_one(tasks[1])
    assert (folder.path / "random-0.jsonl").read_bytes() == before  # seeds decide everything


def test_a_replay_finds_the_first_proposal_that_differs(tmp_path: Path) -> None:
    known = small_problem(tmp_path).build()
    run = play(RandomSettings().build(known.problem, 3), known, 6, time.perf_counter)
    assert deviation(run, run) is None
    others = [Trial((9, 9), None), run.trials[2], *run.trials[3:]]
    other = Run((*run.trials[:1], *others), False, 0, 0)
    found = deviation(other, run)
    assert found is not None
    assert (found.number, found.what, found.logged) == (1, "choices", [9, 9])
    figures = Trial(run.trials[5].choices, {"accuracy": 1.0, "latency": 1.0})
    changed = Run((*run.trials[:5], figures), False, 0, 0)
    found = deviation(changed, run)
    assert found is not None
    assert (found.number, found.what) == (5, "metrics")
    found = deviation(Run(run.trials[:4], False, 0, 0), run)
    assert found is not None
    assert (found.number, found.what) == (4, "length")


def test_costs_on_paper_are_a_problem() -> None:
    objectives = (Objective(metric="macs"), Objective(metric="num_params", goal="maximize"))
    family = MobileNetV3Settings.from_preset("digits")
    known = CostProblem(space=family, objectives=objectives).build()
    assert known.everything is None
    assert exact_front(known) is None
    run = play(RandomSettings().build(known.problem, 0), known, 3, time.perf_counter)
    assert all(one.metrics and set(one.metrics) == {"macs", "num_params"} for one in run.trials)
    stage = {"widths": [8, 16], "depths": [1, 2], "kernel_sizes": [3], "expand_ratios": [2, 3]}
    few = MobileNetV3Settings.from_preset("tiny", stages=[stage], resolutions=[8])
    small = CostProblem(space=few, objectives=objectives).build()
    exact = exact_front(small)
    assert exact is not None
    assert exact.num_feasible == small.problem.space.size


def test_a_familys_own_figures_are_objectives_too() -> None:
    objectives = (Objective(metric="deepmad_score", goal="maximize"), Objective(metric="macs"))
    limits = (Limit(metric="shape_violation", upper=0),)
    family = DeepMADSettings.from_preset("tiny")
    known = CostProblem(space=family, objectives=objectives, limits=limits).build()
    run = play(RandomSettings().build(known.problem, 0), known, 5, time.perf_counter)
    genes = np.array([one.choices for one in run.trials])
    expected = family.compute(genes)
    for row, trial in enumerate(run.trials):
        assert trial.metrics is not None
        assert trial.metrics == {name: expected[name][row] for name in known.problem.metrics}
    with pytest.raises(ComparisonError, match=r"must name one of \['macs', "):
        CostProblem(space=MobileNetV3Settings.from_preset("digits"), objectives=objectives).build()


def test_a_table_of_a_space_with_inactive_choices(tmp_path: Path) -> None:
    choices = (
        Choice(name="depth", options=(1, 2)),
        Choice(name="deep_width", options=(8, 16), when=Condition(parent="depth", options=(2,))),
    )
    path = tmp_path / "table.csv"
    text = "depth,deep_width,top1_percent\n1,,80\n2,8,90\n2,16,95\n2,32,99\n"
    path.write_text(text, encoding="utf-8")
    parts = {"objectives": (Objective(metric="top1_percent"),)}
    space = CustomSettings(name="deep", choices=choices)
    known = table_problem(path, ["depth", "deep_width"], parts, space).build()
    exact = exact_front(known)
    assert exact is not None  # the row of width 32 is not of the space
    assert (exact.points, exact.num_known) == (({"top1_percent": 95.0},), 3)
    run = play(RandomSettings().build(known.problem, 0), known, 9, time.perf_counter)
    assert {one.choices for one in run.trials} == {(0, -1), (1, 0), (1, 1)}


def test_a_task_of_a_process_is_told_by_name_and_seed(tmp_path: Path) -> None:
    task = RunTask("few", 3, RandomSettings(), small_problem(tmp_path), 5, tmp_path)
    assert repr(task) == "RunTask(name='few', seed=3)"


def test_tasks_have_processes_with_one_thread() -> None:
    before = os.environ.get("OMP_NUM_THREADS")
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
    assert dict(in_processes(os.getenv, names, 2)) == dict.fromkeys(names, "1")
    assert os.environ.get("OMP_NUM_THREADS") == before
    assert list(in_processes(os.getenv, [], 2)) == []


def test_a_task_that_fails_or_kills_its_process_is_told() -> None:
    with pytest.raises(TaskFailedError, match="0 failed: ZeroDivisionError") as failed:
        list(in_processes(inverse, [0, 1], 1))
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    with pytest.raises(TaskFailedError, match="ended before its task"):
        list(in_processes(inverse, [-1], 1))

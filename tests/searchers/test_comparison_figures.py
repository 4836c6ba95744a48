"""Figures of comparisons against what pencil and paper give."""

import math
from pathlib import Path

import moocore
import numpy as np
import numpy.typing as npt
import pytest
from comparison_examples import RUN, small_manifest, small_problem, trial, written
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import loss_matrices

from searchers.comparison.errors import ComparisonError
from searchers.comparison.exact import exact_front
from searchers.comparison.folder import RunFolder
from searchers.comparison.measures import checkpoints, igd_plus, quartiles
from searchers.comparison.playing import Run
from searchers.comparison.problems import table_problem
from searchers.comparison.rank_tests import holm, pair_tests, signed_rank
from searchers.comparison.report import analyse
from searchers.comparison.whole import whole_of
from searchers.protocol import Objective

GIVEN = {"accuracy": 15.0, "latency": 10.0}


def test_the_exact_front_is_that_of_the_feasible_rows(tmp_path: Path) -> None:
    exact = exact_front(small_problem(tmp_path).build())
    assert exact is not None
    assert [(p["accuracy"], p["latency"]) for p in exact.points] == [(40, 8), (30, 4), (20, 2)]
    assert (exact.num_feasible, exact.num_known) == (4, 5)
    assert exact.worst == {"accuracy": 20, "latency": 8}


def test_shares_below_a_given_reference(tmp_path: Path) -> None:
    # From (15, 10) the front has the steps 2 x 5, 4 x 15 and 2 x 25: 120.
    analysis = analyse(*written(tmp_path), GIVEN)
    report = analysis.report
    assert report.front.hypervolume == 120
    (shares,) = analysis.curves["by-hand"]
    assert shares.tolist() == pytest.approx([0, 50 / 120, 50 / 120, 65 / 120, 95 / 120, 1])
    figures = report.searchers["by-hand"]
    assert figures.runs[0].evaluations_to == {"95": 6, "99": 6, "99.9": 6}
    assert figures.runs[0].num_infeasible == 2
    assert figures.searcher_seconds.median == 1.75
    assert figures.igd_plus[6] == quartiles([0.0])
    assert report.tests == {}
    assert report.notes == ()


def test_nadir_is_the_worst_of_the_front_and_its_extremes_add_nothing(tmp_path: Path) -> None:
    analysis = analyse(*written(tmp_path), None)
    front = analysis.report.front
    assert front.reference == {"accuracy": 20, "latency": 8}
    assert (front.hypervolume, front.reference_source) == (40, "nadir of the exact front")
    (shares,) = analysis.curves["by-hand"]
    assert shares.tolist() == pytest.approx([0, 15 / 40, 15 / 40, 15 / 40, 15 / 40, 1])


def test_where_one_point_beats_all_others_the_worst_values_are_the_reference(
    tmp_path: Path,
) -> None:
    (tmp_path / "t.csv").write_text("a,good,bad\n1,3,1\n2,2,5\n3,1,2\n", encoding="utf-8")
    objectives = (
        Objective(metric="good", goal="maximize"),
        Objective(metric="bad", goal="minimize"),
    )
    problem = table_problem(tmp_path / "t.csv", ["a"], {"objectives": objectives}).build()
    exact = exact_front(problem)
    for runs in ([], [problem.problem.loss_matrix([{"good": 2, "bad": 5}])]):
        whole = whole_of(problem.problem, exact, runs, None)
        assert (whole.front.tolist(), whole.source[:14]) == ([[-3, 1]], "worst feasible")
        assert whole.volume == (3 - 1) * (5 - 1)
    seen = problem.problem.loss_matrix([{"good": 3, "bad": 1}, {"good": 2, "bad": 2}])
    assert whole_of(problem.problem, None, [seen], None).volume == 1


def test_igd_plus_counts_only_what_is_worse_by_the_ranges_of_the_front() -> None:
    front = np.array([[-20.0, 2.0], [-30.0, 4.0], [-40.0, 8.0]])  # ranges 20 and 6
    found = np.array([[np.inf, np.inf], [-25.0, 5.0]])
    expected = (3 / 6 + math.hypot(5 / 20, 1 / 6) + 15 / 20) / 3
    nadir = front.max(axis=0)
    assert igd_plus(found, front, nadir) == pytest.approx(expected)
    assert igd_plus(np.vstack([found, front]), front, nadir) == 0
    assert igd_plus(found[:1], front, nadir) == math.inf


@given(loss_matrices(3), loss_matrices(3))
def test_igd_plus_is_that_of_moocore(
    found: npt.NDArray[np.float64], front: npt.NDArray[np.float64]
) -> None:
    assume(len(found) > 0)
    front = np.vstack([front, [[0.0, 9.0, 4.0], [9.0, 0.0, 0.0]]])
    span = front.max(axis=0) - front.min(axis=0)
    expected = moocore.igd_plus(found / span, ref=front / span)
    assert igd_plus(found, front, front.max(axis=0)) == pytest.approx(expected)


def test_igd_plus_of_a_front_without_a_range_is_by_the_reference() -> None:
    front, reference = np.array([[-40.0]]), np.array([-20.0])
    assert igd_plus(np.array([[-50.0]]), front, reference) == 0
    assert igd_plus(np.array([[-25.0]]), front, reference) == 0.75


def test_a_run_that_never_gets_there_is_infinitely_slow(tmp_path: Path) -> None:
    folder, _ = written(tmp_path)
    short = Run(RUN.trials[:4], exhausted=True, ask_seconds=0, tell_seconds=0)
    manifest = small_manifest(small_problem(tmp_path), "by-hand", num_seeds=3)
    for seed in (1, 2):
        folder.write("by-hand", seed, short)
    report = analyse(folder, manifest, GIVEN).report
    figures = report.searchers["by-hand"]
    reached = figures.evaluations_to["95"]
    assert reached is not None
    assert (reached.num_reached, reached.quartiles.median) == (1, None)
    assert figures.runs[1].share[6] == pytest.approx(65 / 120)  # its end stands for the rest
    assert figures.num_exhausted == 2
    (note,) = report.notes
    assert note.startswith("by-hand: 2 of 3 runs stopped early, after 4 evaluations: ")


def test_a_single_objective_is_measured_from_its_worst_feasible_value(tmp_path: Path) -> None:
    problem = small_problem(tmp_path)
    single = problem.model_copy(update={"objectives": problem.objectives[:1]})
    folder = RunFolder(tmp_path / "single")
    manifest = small_manifest(single, "by-hand")
    folder.open_for(manifest)
    folder.write("by-hand", 0, Run((trial(1, 1, 25, 5), trial(2, 0, 40, 8)), True, 0, 0))
    analysis = analyse(folder, manifest, None)
    assert analysis.report.front.reference == {"accuracy": 20}
    assert analysis.curves["by-hand"][0, :2].tolist() == [0.25, 1]


def test_without_an_exact_front_shares_are_of_all_runs_together(tmp_path: Path) -> None:
    folder, manifest = written(tmp_path)
    joint = manifest.model_copy(update={"exact": None})
    report = analyse(folder, joint, GIVEN).report
    assert (report.front.kind, report.front.hypervolume) == ("joint", 120)
    assert "joint front" in report.notes[0]
    nothing = Run(RUN.trials[:1], exhausted=False, ask_seconds=0, tell_seconds=0)
    folder.write("by-hand", 0, nothing)
    analysis = analyse(folder, joint, None)
    assert analysis.curves == {}
    assert analysis.report.searchers["by-hand"].share == {6: None}
    assert analysis.report.notes == ("no run found anything feasible: there are no shares",)


@pytest.mark.parametrize(
    ("reference", "rule"),
    [
        ({"accuracy": 15.0}, "must give a number for each of"),
        ({"accuracy": 40.0, "latency": 8.0}, "must be worse than a point of the exact front"),
    ],
)
def test_references_that_make_no_sense_are_refused(
    tmp_path: Path, reference: dict[str, float], rule: str
) -> None:
    with pytest.raises(ComparisonError, match=rule) as refused:
        analyse(*written(tmp_path), reference)
    assert refused.value.field == "reference"


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_quartiles_are_those_of_numpy(values: list[float]) -> None:
    found = quartiles(values)
    expected = np.quantile(values, [0.25, 0.5, 0.75])
    assert [found.lower, found.median, found.upper] == pytest.approx(expected.tolist())


def test_quartiles_with_infinite_values() -> None:
    found = quartiles([1.0, math.inf, 3.0, math.inf, 2.0])
    assert (found.lower, found.median, found.upper) == (2.0, 3.0, None)


@pytest.mark.parametrize(
    ("evaluations", "expected"), [(10, (10,)), (50, (25, 50)), (120, (25, 50, 75, 100, 120))]
)
def test_runs_are_looked_at_within_their_budget(
    evaluations: int, expected: tuple[int, ...]
) -> None:
    assert checkpoints(evaluations) == expected


def test_holm_adjusts_as_in_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_searchers_are_paired_by_seed() -> None:
    better = {seed: 0.9 + seed / 1000 for seed in range(10)}
    worse = {seed: 0.5 + seed / 500 for seed in range(8)}
    (test,) = pair_tests({"better": better, "worse": worse})
    # All 8 ranks have one sign: 2 of the 2^8 assignments are as extreme.
    assert (test.num_pairs, test.wins, test.losses) == (8, 8, 0)
    assert test.p_value == test.p_adjusted == pytest.approx(2 / 2**8)
    assert signed_rank(np.zeros(5)) == 1.0
    assert pair_tests({"one": {0: 1.0}, "two": {1: 1.0}}) == []

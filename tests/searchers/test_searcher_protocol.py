"""Problems: objectives, limits, signs, violations; and fronts as the result of a search."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from strategies import finite_numbers

from search_space.outcomes import METRIC_GOALS
from search_space.space import Choice, SearchSpace
from searchers.front import pareto_front
from searchers.protocol import (
    Limit,
    Limits,
    MissingMetricError,
    Objective,
    Objectives,
    Problem,
)

SPACE = SearchSpace("tiny", [Choice(name="depth", options=(1, 2))])


def accurate_and_fast(*limits: Limit) -> Problem:
    objectives = (Objective(metric="top1_percent"), Objective(metric="latency_ms"))
    return Problem(SPACE, objectives, limits)


@pytest.mark.parametrize("metric", METRIC_GOALS)
def test_known_metrics_have_their_natural_goal(metric: str) -> None:
    assert Objective(metric=metric).goal == METRIC_GOALS[metric]
    assert Objective.model_validate({"metric": metric}).goal == METRIC_GOALS[metric]


def test_unknown_metrics_must_state_their_goal() -> None:
    with pytest.raises(ValidationError, match=r"goal\n.*'minimize' or 'maximize'"):
        Objective(metric="profit")
    assert Objective(metric="profit", goal="maximize").goal == "maximize"


def test_a_stated_goal_wins_over_the_natural_one() -> None:
    assert Objective(metric="macs", goal="maximize").goal == "maximize"


def test_the_schema_does_not_require_a_goal() -> None:
    assert Objective.model_json_schema()["required"] == ["metric"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"metric": "latency_ms"}, "must have a lower or an upper, got neither"),
        ({"metric": "latency_ms", "upper": None}, "must have a lower or an upper"),
        ({"metric": "latency_ms", "lower": 3, "upper": 2}, "lower 3.0 and upper 2.0"),
        ({"metric": "latency_ms", "upper": math.nan}, "finite number"),
        ({"metric": "latency_ms", "upper": math.inf}, "finite number"),
        ({"metric": "latency_ms", "lower": -math.inf}, "finite number"),
        ({"metric": "latency_ms", "upper": "5"}, "valid number"),
        ({"metric": "latency_ms", "upper": True}, "valid number"),
        ({"metric": "", "upper": 1}, "at least 1 character"),
        ({"metric": "a b", "upper": 1}, "match pattern"),
        ({"metric": "latency_ms", "upper": 1, "max": 1}, "Extra inputs"),
    ],
)
def test_bad_limits_name_rule_and_value(document: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Limit.model_validate(document)


@pytest.mark.parametrize(
    "document", ['{"metric": "macs", "upper": NaN}', '{"metric": "\\u0000", "upper": 1}']
)
def test_bad_json_is_refused(document: str) -> None:
    with pytest.raises(ValidationError):
        Limit.model_validate_json(document)


def test_lists_of_objectives_and_limits_name_distinct_metrics() -> None:
    latency, macs = {"metric": "latency_ms"}, {"metric": "macs"}
    assert len(TypeAdapter(Objectives).validate_python([latency, macs])) == 2
    with pytest.raises(ValidationError, match="at least 1 item"):
        TypeAdapter(Objectives).validate_python([])
    with pytest.raises(ValidationError, match=r"distinct, got \['macs', 'macs'\]"):
        TypeAdapter(Objectives).validate_python([macs, macs])
    with pytest.raises(ValidationError, match="must be distinct"):
        TypeAdapter(Limits).validate_python([{**macs, "upper": 1}, {**macs, "lower": 0}])


def test_problems_check_the_same() -> None:
    with pytest.raises(ValueError, match="at least one objective"):
        Problem(SPACE, ())
    with pytest.raises(ValueError, match="distinct"):
        Problem(SPACE, (Objective(metric="macs"), Objective(metric="macs")))
    with pytest.raises(ValueError, match="distinct"):
        accurate_and_fast(Limit(metric="macs", upper=1), Limit(metric="macs", upper=2))


def test_losses_flip_what_is_maximized_and_nothing_else() -> None:
    losses = accurate_and_fast().losses({"latency_ms": 3.0, "top1_percent": 90.0, "macs": 7.0})
    assert losses.tolist() == [-90.0, 3.0]


def test_a_problem_lists_its_metrics_once() -> None:
    problem = accurate_and_fast(Limit(metric="latency_ms", upper=5), Limit(metric="macs", upper=9))
    assert problem.metrics == ("top1_percent", "latency_ms", "macs")


def test_a_missing_metric_is_named() -> None:
    problem = accurate_and_fast(Limit(metric="macs", upper=9))
    with pytest.raises(MissingMetricError, match=r"'latency_ms' must be measured, got \['top1"):
        problem.losses({"top1_percent": 90.0})
    with pytest.raises(MissingMetricError, match="'macs' must be measured"):
        problem.violation({"top1_percent": 90.0, "latency_ms": 3.0})


def test_violation_sums_relative_excesses() -> None:
    problem = accurate_and_fast(
        Limit(metric="latency_ms", upper=4), Limit(metric="top1_percent", lower=80, upper=95)
    )
    assert problem.violation({"latency_ms": 4.0, "top1_percent": 80.0}) == 0
    assert problem.violation({"latency_ms": 5.0, "top1_percent": 80.0}) == 0.25
    assert problem.violation({"latency_ms": 5.0, "top1_percent": 60.0}) == 0.5
    assert problem.violation({"latency_ms": 1.0, "top1_percent": 99.75}) == pytest.approx(0.05)


def test_a_limit_at_zero_counts_the_excess_itself() -> None:
    assert Limit(metric="margin", lower=0).violation(-3.0) == 3.0


@given(st.floats(allow_nan=False, allow_infinity=False), finite_numbers, finite_numbers)
def test_violation_is_zero_exactly_within_the_limit(value: float, a: float, b: float) -> None:
    limit = Limit(metric="m", lower=min(a, b), upper=max(a, b))
    violation = limit.violation(value)
    assert math.isfinite(violation)
    assert (violation == 0) == (min(a, b) <= value <= max(a, b))
    assert violation >= 0


@given(st.lists(st.tuples(finite_numbers, finite_numbers), max_size=6))
def test_columns_are_what_rows_are_one_by_one(rows: list[tuple[float, float]]) -> None:
    problem = accurate_and_fast(
        Limit(metric="latency_ms", upper=4.0, lower=-2.0), Limit(metric="top1_percent", lower=0)
    )
    measurements = [{"top1_percent": a, "latency_ms": b} for a, b in rows]
    columns = {
        "top1_percent": np.array([a for a, _ in rows]),
        "latency_ms": np.array([b for _, b in rows]),
    }
    assert problem.loss_columns(columns).tolist() == problem.loss_matrix(measurements).tolist()
    found = problem.violation_columns(columns, len(rows))
    assert found == pytest.approx([problem.violation(metrics) for metrics in measurements])
    assert columns["top1_percent"].tolist() == [a for a, _ in rows]  # signs flip in copies
    assert accurate_and_fast().violation_columns(columns, len(rows)).tolist() == [0.0] * len(rows)


def test_violations_stay_finite_at_the_ends_of_the_number_line() -> None:
    tight = tuple(Limit(metric=name, upper=5e-324) for name in ("a", "b"))
    problem = Problem(SPACE, (Objective(metric="macs"),), tight)
    assert math.isfinite(problem.violation({"a": 1e308, "b": 1e308}))


metrics = st.fixed_dictionaries(
    {
        "top1_percent": st.integers(0, 5).map(float),
        "latency_ms": st.integers(0, 5).map(float),
    }
)


@given(st.lists(metrics, max_size=20), st.integers(-1, 5))
def test_fronts_hold_feasible_undominated_points_only(
    measurements: list[dict[str, float]], upper: int
) -> None:
    problem = accurate_and_fast(Limit(metric="latency_ms", upper=upper))
    front = pareto_front(problem, measurements)
    feasible = {i for i, m in enumerate(measurements) if m["latency_ms"] <= upper}
    undominated = {
        i
        for i in feasible
        if not any(
            measurements[j] != measurements[i]
            and measurements[j]["latency_ms"] <= measurements[i]["latency_ms"]
            and measurements[j]["top1_percent"] >= measurements[i]["top1_percent"]
            for j in feasible
        )
    }
    assert set(front.points) == undominated
    assert front.feasible == bool(feasible)
    assert bool(front.least_violating) == (bool(measurements) and not feasible)


def test_fronts_are_in_the_order_of_the_first_objective() -> None:
    measurements = [
        {"top1_percent": accuracy, "latency_ms": accuracy} for accuracy in (2.0, 9.0, 4.0)
    ]
    assert pareto_front(accurate_and_fast(), measurements).points == (1, 2, 0)


def test_where_nothing_is_feasible_the_least_violating_come_in_order() -> None:
    problem = accurate_and_fast(Limit(metric="latency_ms", upper=1))
    measurements = [{"top1_percent": 50.0, "latency_ms": ms} for ms in (4.0, 2.0, 8.0, 3.0)]
    front = pareto_front(problem, measurements, num_least_violating=3)
    assert front.points == ()
    assert not front.feasible
    assert front.least_violating == (1, 3, 0)


def test_an_empty_history_has_an_empty_front() -> None:
    front = pareto_front(accurate_and_fast(), [])
    assert front.points == front.least_violating == ()


def test_losses_of_many_measurements_are_the_rows_of_a_matrix() -> None:
    problem = accurate_and_fast()
    measurements = [{"top1_percent": 90.0, "latency_ms": 3.0}] * 4
    expected = np.array([problem.losses(m) for m in measurements])
    assert np.array_equal(problem.loss_matrix(measurements), expected)
    assert problem.loss_matrix([]).shape == (0, 2)

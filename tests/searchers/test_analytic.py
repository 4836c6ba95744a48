"""Searches by computation: exact fronts, limits, order, and problems that are not for them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.cnn import MobileNetV3Settings
from search_space.deepmad import DeepMADSettings
from search_space.family import Figures
from search_space.operators import enumerate_genes
from search_space.outcomes import Measured
from search_space.space import Genes
from searchers.analytic import AnalyticSearcher, AnalyticSettings, excess
from searchers.front import pareto_front
from searchers.pareto import non_dominated
from searchers.protocol import (
    Limit,
    Objective,
    Observation,
    Problem,
    Proposal,
    UnsuitableProblemError,
)

FAMILY = DeepMADSettings.from_preset("tiny")
SPACE = FAMILY.build()
EVERYTHING = np.concatenate(list(enumerate_genes(SPACE)))
FIGURES = FAMILY.compute(EVERYTHING)
SCORE = Objective(metric="deepmad_score", goal="maximize")
FEW = 150_000
LIMITS = (
    Limit(metric="macs", upper=FEW),
    Limit(metric="shape_violation", upper=0),
    Limit(metric="effectiveness", upper=0.5),
)
FEASIBLE = (
    (FIGURES["macs"] <= FEW) & (FIGURES["shape_violation"] == 0) & (FIGURES["effectiveness"] <= 0.5)
)


PART = {"exhaustive": 5000, "greedy": 5000, "evolutionary": len(EVERYTHING) - 1}
"""Candidates by strategy: evolution looks at a small space as a whole if it may."""


def proposed(problem: Problem, count: int, seed: int = 0, **settings: object) -> list[Proposal]:
    searcher = AnalyticSettings.model_validate(settings).build(problem, seed)
    return list(searcher.ask(count))


def value(proposal: Proposal, metric: str) -> float:
    row = SPACE.encode(proposal.architecture)
    return float(FAMILY.compute(row[None])[metric][0])


def test_some_but_not_all_of_the_example_is_feasible() -> None:
    assert 10 < FEASIBLE.sum() < 0.7 * len(EVERYTHING)


@pytest.mark.parametrize("strategy", ["exhaustive", "evolutionary", "greedy"])
def test_the_best_within_limits_comes_first_and_then_the_next(strategy: str) -> None:
    problem = Problem(SPACE, (SCORE,), LIMITS)
    part = PART[strategy]
    found = proposed(problem, 20, strategy=strategy, candidates=part, population_size=64)
    scores = [value(proposal, "deepmad_score") for proposal in found]
    assert scores[0] == FIGURES["deepmad_score"][FEASIBLE].max()
    assert all(first >= second for first, second in pairwise(scores))
    if strategy == "exhaustive":
        best = np.sort(FIGURES["deepmad_score"][FEASIBLE])[::-1]
        np.testing.assert_array_equal(scores, best[:20])


@pytest.mark.parametrize("strategy", ["exhaustive", "evolutionary", "greedy"])
def test_the_front_of_two_objectives_is_found(strategy: str) -> None:
    problem = Problem(SPACE, (SCORE, Objective(metric="macs")), LIMITS[1:])
    feasible = (FIGURES["shape_violation"] == 0) & (FIGURES["effectiveness"] <= 0.5)
    losses = np.stack([-FIGURES["deepmad_score"], FIGURES["macs"]], axis=1)[feasible]
    front = {tuple(row) for row in losses[non_dominated(losses)].tolist()}
    found = proposed(problem, len(front), strategy=strategy, candidates=PART[strategy])
    values = {(-value(p, "deepmad_score"), value(p, "macs")) for p in found}
    assert len(front) > 5
    if strategy == "exhaustive":
        assert values == front
    else:  # at random as many draws would find 63 % of it
        assert len(values & front) > 0.8 * len(front)


def test_where_nothing_keeps_the_limits_the_least_violating_comes_first() -> None:
    problem = Problem(SPACE, (SCORE, Objective(metric="macs")), (Limit(metric="macs", upper=1),))
    for strategy in ("exhaustive", "evolutionary", "greedy"):
        first = proposed(problem, 1, strategy=strategy, candidates=PART[strategy])[0]
        assert value(first, "macs") == FIGURES["macs"].min()


def test_evolution_looks_at_a_small_space_as_a_whole_and_once() -> None:
    problem = Problem(SPACE, (SCORE, Objective(metric="macs")), LIMITS[1:])
    seen: list[Genes] = []

    def compute(genes: Genes) -> Figures:
        seen.append(genes)
        return FAMILY.compute(genes)

    settings = AnalyticSettings(population_size=1000)
    searcher = AnalyticSearcher(problem, settings, 0, compute)
    front = {p.architecture for p in proposed(problem, 10, strategy="exhaustive")}
    first = searcher.ask(1000)
    assert front <= {p.architecture for p in first}
    rows = np.concatenate(seen)
    assert len(rows) == len(np.unique(rows, axis=0)) == SPACE.size


def test_what_is_told_changes_nothing() -> None:
    problem = Problem(SPACE, (SCORE,), LIMITS)
    one, other = (AnalyticSettings(candidates=2000).build(problem, 3) for _ in range(2))
    for _ in range(5):
        first, second = one.ask(7), other.ask(7)
        assert first == second
        one.tell(
            [Observation(p, Measured(dict.fromkeys(FAMILY.computed_metrics, 0.0))) for p in first]
        )


def test_scaling_proposes_the_largest_version_of_a_network_within_limits() -> None:
    family = DeepMADSettings.from_preset("imagenet")
    space = family.build()
    base = dict(space.decode(space.encode(space.smallest())))
    base |= {"stage3.depth": 4, "stage5.width": 512, "stage5.hidden_width": 128}
    problem = Problem(
        space,
        (Objective(metric="macs", goal="maximize"),),
        (Limit(metric="macs", upper=5e8),),
    )
    found = proposed(problem, 3, strategy="scaling", warm_start=[base])
    rows = np.stack([space.encode(proposal.architecture) for proposal in found])
    costs = family.compute(rows)["macs"]
    assert dict(found[0].architecture) == base
    assert 3e8 < costs[1] <= 5e8
    assert costs[2] <= costs[1]
    assert found[1].architecture["stage3.depth"] >= 4


def test_a_warm_start_is_where_greedy_search_sets_out_from() -> None:
    problem = Problem(SPACE, (SCORE,), LIMITS)
    start = dict(SPACE.decode(EVERYTHING[777]))
    found = proposed(problem, 2, strategy="greedy", candidates=500, warm_start=[start])
    assert dict(found[0].architecture) == start


@pytest.mark.parametrize(
    ("problem", "settings", "message"),
    [
        (Problem(SPACE, (Objective(metric="top1_percent"),)), {}, "got \\['top1_percent'\\]"),
        (
            Problem(SPACE, (SCORE,), (Limit(metric="latency_ms", upper=1),)),
            {},
            "got \\['latency_ms'\\]",
        ),
        (Problem(MobileNetV3Settings().build(), (SCORE,)), {}, "deepmad_score"),
        (Problem(SPACE.restrict({"stage1.depth": [1]}), (SCORE,)), {}, "all of a family"),
        (
            Problem(DeepMADSettings().build(), (SCORE,)),
            {"strategy": "exhaustive"},
            "candidates must be at least",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused(
    problem: Problem, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(UnsuitableProblemError, match=message):
        AnalyticSettings.model_validate(settings).build(problem, 0)


def test_every_family_of_networks_can_be_searched() -> None:
    family = MobileNetV3Settings.from_preset("tiny")
    problem = Problem(
        family.build(), (Objective(metric="num_params", goal="maximize"), Objective(metric="macs"))
    )
    settings = AnalyticSettings(candidates=300, population_size=20, num_children=50)
    proposals = settings.build(problem, 0).ask(20)
    rows = np.stack([problem.space.encode(p.architecture) for p in proposals])
    figures = family.compute(rows)
    names = ("num_params", "macs")
    measurements = [{n: float(figures[n][i]) for n in names} for i in range(len(rows))]
    assert len(pareto_front(problem, measurements).points) > 10


@given(
    st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e6)),
    st.sampled_from(["lower", "upper", "both"]),
    st.lists(st.floats(-1e7, 1e7), min_size=1),
)
def test_many_violations_are_those_of_each(
    bounds: tuple[float, float], sides: str, values: list[float]
) -> None:
    low, high = bounds[0], bounds[0] + bounds[1]
    limit = Limit(
        metric="f",
        lower=None if sides == "upper" else low,
        upper=None if sides == "lower" else high,
    )
    found = excess(limit, np.array(values))
    assert found.tolist() == [limit.violation(each) for each in values]
    assert excess(limit, np.array([np.nan, np.inf])).tolist() == [np.inf, np.inf]

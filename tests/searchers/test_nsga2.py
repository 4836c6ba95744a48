"""NSGA-II: its order, its variation, and that it finds fronts."""

from functools import cache
from statistics import mean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import ElementwiseProblem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize
from strategies import loss_matrices, seeds, spaces
from toy_problems import grid, losses, search, two_losses, zdt1

from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from search_space.space import Architecture, Choice, Condition, SearchSpace
from searchers.nsga2 import (
    Contenders,
    NSGA2Searcher,
    NSGA2Settings,
    constrained_order,
    num_better,
    vary,
)
from searchers.pareto import Losses, hypervolume
from searchers.protocol import Limit, Objective, Observation, Problem
from searchers.random import RandomSettings
from searchers.settings import SearcherSettings

REFERENCE = (1.1, 1.1)
ZDT1_HYPERVOLUME = 1.21 - 1 / 3
NUM_VARIABLES, NUM_STEPS, BUDGET, SEEDS = 5, 32, 400, range(5)


@cache
def volumes(settings: SearcherSettings) -> list[float]:
    problem = two_losses(grid(NUM_VARIABLES, NUM_STEPS))
    searches = (search(settings.build(problem, seed), zdt1, BUDGET) for seed in SEEDS)
    return [hypervolume(losses(history), REFERENCE) for history in searches]


def test_the_grid_holds_nearly_the_whole_front_of_zdt1() -> None:
    first = np.linspace(0, 1, NUM_STEPS)
    best = hypervolume(np.stack([first, 1 - np.sqrt(first)], axis=1), REFERENCE)
    assert 0.95 * ZDT1_HYPERVOLUME < best < ZDT1_HYPERVOLUME


def test_it_converges_to_the_front_of_zdt1() -> None:
    # 400 of 33,554,432 architectures; the grid's own front has 0.955 of the closed form.
    assert min(volumes(NSGA2Settings())) > 0.80 * ZDT1_HYPERVOLUME


def test_it_beats_random_search_on_every_seed_by_a_wide_margin() -> None:
    # Over 30 seeds: 0.75 to 0.85 (mean 0.825) against 0.00 to 0.41 (mean 0.13).
    learned, random = volumes(NSGA2Settings()), volumes(RandomSettings())
    assert min(np.subtract(learned, random)) > 0.4 * ZDT1_HYPERVOLUME


class IntegerZDT1(ElementwiseProblem):  # type: ignore[misc]  # pymoo ships no types
    """The same grid for pymoo."""

    def __init__(self) -> None:
        self.space = grid(NUM_VARIABLES, NUM_STEPS)
        super().__init__(n_var=NUM_VARIABLES, n_obj=2, xl=0, xu=NUM_STEPS - 1, vtype=int)

    def _evaluate(self, x: np.ndarray, out: dict[str, object], *_: object, **__: object) -> None:
        outcome = zdt1(self.space.decode(x))
        assert isinstance(outcome, Measured)
        out["F"] = list(outcome.metrics.values())


def test_it_is_as_good_as_pymoos_own_algorithm() -> None:
    # Over 30 seeds: mean 0.825 against 0.821.
    def peer(seed: int) -> float:
        algorithm = NSGA2(
            pop_size=20,
            sampling=IntegerRandomSampling(),
            crossover=SBX(prob=0.9, eta=15, vtype=float, repair=RoundingRepair()),
            mutation=PM(eta=3, vtype=float, repair=RoundingRepair()),
            eliminate_duplicates=True,
        )
        found = minimize(IntegerZDT1(), algorithm, ("n_eval", BUDGET), seed=seed)
        return hypervolume(found.F, REFERENCE)

    assert np.mean(volumes(NSGA2Settings())) > 0.97 * np.mean([peer(seed) for seed in SEEDS])


def test_limits_are_kept_once_they_can_be() -> None:
    # f1 <= 0.1 holds for 4 of 32 first steps: 12 % of random architectures.
    problem = two_losses(grid(NUM_VARIABLES, NUM_STEPS), Limit(metric="f1", upper=0.1))
    history = search(NSGA2Settings().build(problem, 0), zdt1, 200)
    feasible = losses(history)[:, 0] <= 0.1
    assert feasible[:20].mean() < 0.4
    assert feasible[100:].mean() > 0.7


def test_an_infeasible_region_is_left() -> None:
    def half_missing(architecture: Architecture) -> Outcome:
        if architecture["x2"] > 0.5:  # type: ignore[operator]  # the grid's options are floats
            return Infeasible("the table has no row")
        return zdt1(architecture)

    history = search(
        NSGA2Settings().build(two_losses(grid(NUM_VARIABLES, NUM_STEPS)), 0), half_missing, 200
    )
    refused = [isinstance(outcome, Infeasible) for _, outcome in history]
    assert np.mean(refused[:20]) > 0.25
    assert np.mean(refused[100:]) < 0.1


def test_failures_are_no_parents() -> None:
    problem = two_losses(grid(NUM_VARIABLES, NUM_STEPS))
    settings = NSGA2Settings(population_size=4)
    told_failures, told_nothing = settings.build(problem, 0), settings.build(problem, 0)
    first = told_failures.ask(8)
    told_nothing.ask(8)
    told_failures.tell([Observation(proposal, Failed("worker died")) for proposal in first[:4]])
    for searcher in (told_failures, told_nothing):
        searcher.tell([Observation(p, zdt1(p.architecture)) for p in first[4:]])
    assert told_failures.ask(8) == told_nothing.ask(8)


@given(seeds, st.permutations(range(20)), st.integers(0, 20))
def test_the_portions_of_telling_do_not_matter(seed: int, order: list[int], cut: int) -> None:
    problem = two_losses(grid(3, 4))
    at_once = NSGA2Settings(population_size=10).build(problem, seed)
    in_two = NSGA2Settings(population_size=10).build(problem, seed)
    proposals = at_once.ask(20)
    in_two.ask(20)
    told = [Observation(proposals[i], zdt1(proposals[i].architecture)) for i in order]
    at_once.tell(told)
    in_two.tell(told[:cut])
    in_two.tell(told[cut:])
    assert at_once.ask(10) == in_two.ask(10)


@given(loss_matrices(2, max_count=12), st.data())
def test_the_order_is_that_of_constraint_domination(matrix: Losses, data: st.DataObject) -> None:
    violation = st.sampled_from([0.0, 0.0, 0.5, 1.0])
    count = len(matrix)
    violations = np.array(data.draw(st.lists(violation, min_size=count, max_size=count)))
    position = np.argsort(constrained_order(matrix, violations))
    for i in range(count):
        for j in range(count):
            # Deb et al. 2002, definition 1.
            better = (
                violations[i] < violations[j]
                if violations[i] or violations[j]
                else bool((matrix[i] <= matrix[j]).all() and (matrix[i] < matrix[j]).any())
            )
            assert not better or position[i] < position[j]


def test_on_one_front_the_lonelier_comes_first() -> None:
    matrix = np.array([[0.0, 1.0], [0.1, 0.9], [0.2, 0.8], [0.6, 0.4], [1.0, 0.0]])
    assert constrained_order(matrix, np.zeros(5)).tolist() == [0, 4, 3, 2, 1]


@given(spaces(), seeds)
def test_children_are_canonical_and_come_in_pairs(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = space.sample(9, rng), space.sample(9, rng)
    children = vary(space, first, second, NSGA2Settings(), rng)
    assert children.shape == (18, space.num_choices)
    assert np.array_equal(space.canonical(children), children)
    assert ((children >= 0) & (children < space.num_options)).all()


def test_every_option_is_reached_and_outer_ones_no_less() -> None:
    # A flat space: parents of the middle option, mutated only, leave it to both sides alike.
    space = SearchSpace("flat", [Choice(name=f"c{i}", options=(0, 1, 2)) for i in range(20)])
    parents = np.ones((2000, 20), dtype=np.int64)
    settings = NSGA2Settings(mutations_per_child=20)
    children = vary(space, parents, parents, settings, np.random.default_rng(0))
    shares = np.bincount(children.ravel(), minlength=3) / children.size
    assert shares[0] == pytest.approx(shares[2], abs=0.01)
    assert shares[0] > 0.1


NESTED = SearchSpace(
    "nested",
    [
        Choice(name="depth", options=(1, 2)),
        Choice(name="width", options=(4, 8, 16, 32), when=Condition(parent="depth", options=(2,))),
    ],
)


def test_a_choice_that_becomes_active_is_drawn() -> None:
    shallow = np.zeros((4000, 2), dtype=np.int64)
    children = vary(NESTED, shallow, shallow, NSGA2Settings(), np.random.default_rng(0))
    deep = children[children[:, 0] == 1]
    assert len(deep) > 1000
    assert np.bincount(deep[:, 1], minlength=4) / len(deep) == pytest.approx([0.25] * 4, abs=0.04)


def test_a_choice_of_one_parent_is_inherited() -> None:
    shallow, deep = np.zeros((4000, 2), dtype=np.int64), np.tile([1, 3], (4000, 1))
    settings = NSGA2Settings(mutations_per_child=1e-9)
    children = vary(NESTED, shallow, deep, settings, np.random.default_rng(0))
    assert set(map(tuple, children.tolist())) == {(0, 0), (1, 3)}


@pytest.mark.parametrize(
    "document",
    [
        {"population_size": 1},
        {"population_size": 10**9},
        {"crossover_probability": 1.5},
        {"mutation_eta": float("nan")},
        {"mutations_per_child": 0},
        {"generations": 3},
    ],
)
def test_bad_settings_are_refused(document: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        NSGA2Settings.model_validate(document)


@given(loss_matrices(max_count=40), st.lists(st.integers(1, 8), min_size=1, max_size=8), st.data())
def test_contenders_are_ranked_as_among_all(
    losses: Losses, counts: list[int], data: st.DataObject
) -> None:
    violation = st.sampled_from([0.0, 0.0, 0.5, 1.0])
    size = len(losses)
    violations = np.array(data.draw(st.lists(violation, min_size=size, max_size=size)))
    contenders = Contenders()
    # They come in portions, those that are not wanted in between, and in any order.
    positions = data.draw(st.permutations(range(size)))
    bounds = np.linspace(0, size, len(counts) + 1).astype(int)
    for count, start, end in zip(counts, bounds, bounds[1:], strict=False):
        contenders.add(positions[start:end])
        added = np.sort(np.array(positions[:end], dtype=np.int64))
        expected = added[constrained_order(losses[added], violations[added])]
        found = contenders.order(count, losses, violations)
        beaten_by = num_better(losses[added], violations[added])
        num_sure = max(count, int((beaten_by == 0).sum()))
        assert found[:num_sure].tolist() == expected[:num_sure].tolist()
    assert contenders.num_added == size


def test_better_rows_are_counted_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = np.random.default_rng(0).integers(0, 4, (30, 2)).astype(float)
    violations = np.array([0.0, 0.0, 0.3] * 10)
    expected = [
        sum(
            violations[j] < violations[i]
            or (
                (violations[i] == violations[j] == 0)
                and (losses[j] <= losses[i]).all()
                and (losses[j] < losses[i]).any()
            )
            for j in range(30)
        )
        for i in range(30)
    ]
    for at_once in (1, 7, 100):
        monkeypatch.setattr("searchers.nsga2.ROWS_AT_ONCE", at_once)
        assert num_better(losses, violations).tolist() == expected


def test_what_is_ranked_does_not_grow_with_the_search() -> None:
    searcher = NSGA2Settings().build(two_losses(grid(NUM_VARIABLES, NUM_STEPS)), 0)
    assert isinstance(searcher, NSGA2Searcher)
    search(searcher, zdt1, 2000)
    searcher.ask(1)
    assert searcher._contenders.num_added == 2000
    assert len(searcher._contenders._kept) < 400


def test_a_batch_may_be_larger_than_a_generation() -> None:
    problem = Problem(grid(5, 6), (Objective(metric="f1", goal="minimize"),))
    plain = NSGA2Settings(population_size=4)
    assert "batch_size" not in plain.model_dump()  # what is stored of older ones stays equal
    assert plain.build(problem, 0).batch_size == 4
    searcher = NSGA2Settings(population_size=4, batch_size=200).build(problem, 0)
    assert searcher.batch_size == 200
    first = searcher.ask(200)
    searcher.tell([Observation(p, Measured({"f1": float(p.number)})) for p in first])
    parents = [p.architecture for p in first[:4]]
    second = searcher.ask(200)
    assert [p.number for p in second] == list(range(200, 400))
    assert len({p.architecture.digest for p in (*first, *second)}) == 400

    def distance(architecture: Architecture) -> int:
        """How many choices differ from those of the nearest of the best."""
        return min(sum(architecture[k] != parent[k] for k in parent) for parent in parents)

    assert mean(distance(p.architecture) for p in second) < mean(
        distance(p.architecture) for p in first[4:]
    )

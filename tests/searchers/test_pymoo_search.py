"""Any pymoo algorithm as a searcher."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from pymoo.algorithms.moo.moead import MOEAD
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.sms import SMSEMOA
from pymoo.algorithms.soo.nonconvex.de import DE
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.algorithm import Algorithm
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from strategies import seeds, spaces
from toy_problems import grid, losses, play, search, two_losses, zdt1

from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from search_space.space import Architecture, SearchSpace
from searchers.protocol import Limit, Objective, Observation, Problem
from searchers.pymoo_search import PymooSearcher, options_at
from searchers.random import RandomSettings


def integer_nsga2() -> NSGA2:
    repair = RoundingRepair()
    return NSGA2(
        pop_size=10,
        sampling=IntegerRandomSampling(),
        crossover=SBX(eta=3, vtype=float, repair=repair),
        mutation=PM(eta=3, vtype=float, repair=repair),
    )


ALGORITHMS: dict[str, Callable[[], Algorithm]] = {
    "nsga2 of reals": lambda: NSGA2(pop_size=10),
    "nsga2 of integers": integer_nsga2,
    "sms": lambda: SMSEMOA(pop_size=10),
    "moead": lambda: MOEAD(np.array([[i / 9, 1 - i / 9] for i in range(10)]), n_neighbors=3),
}
every = pytest.mark.parametrize("make", ALGORITHMS.values(), ids=ALGORITHMS)


@every
def test_algorithms_propose_new_architectures_by_seed_and_log(
    make: Callable[[], Algorithm],
) -> None:
    first, again, other = (
        search(PymooSearcher(two_losses(grid(4, 8)), make(), seed), zdt1, 80, batch_size=10)
        for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len({proposal.architecture for proposal, _ in first}) == 80


def test_a_generation_learns_of_the_one_before() -> None:
    def best(seed: int) -> float:
        searcher = PymooSearcher(two_losses(grid(8, 8)), NSGA2(pop_size=10), seed)
        return float(losses(search(searcher, zdt1, 100))[:, 1].min())

    def chance(seed: int) -> float:
        history = search(RandomSettings().build(two_losses(grid(8, 8)), seed), zdt1, 100)
        return float(losses(history)[:, 1].min())

    assert sum(map(best, range(3))) < sum(map(chance, range(3)))


@settings(max_examples=6, suppress_health_check=[HealthCheck.differing_executors])
@given(spaces(), seeds)
def test_any_space_is_proposed_in_full(space: SearchSpace, seed: int) -> None:
    def outcome(architecture: Architecture) -> Outcome:
        if len(architecture) % 3 == 0:
            return Infeasible("does not fit")
        return Measured(
            {"f1": float(len(architecture)), "f2": float(int(architecture.digest, 16) % 5)}
        )

    budget = min(space.size, 25)
    problem = two_losses(space, Limit(metric="f2", upper=3))
    history = search(PymooSearcher(problem, NSGA2(pop_size=4), seed), outcome, budget, batch_size=4)
    assert len({proposal.architecture for proposal, _ in history}) == budget


def test_asks_beyond_a_generation_are_random_and_the_generation_waits() -> None:
    searcher = PymooSearcher(two_losses(grid(4, 8)), NSGA2(pop_size=6), 1)
    out = [*searcher.ask(4), *searcher.ask(5)]
    assert len({proposal.architecture for proposal in out}) == 9
    searcher.tell([Observation(p, zdt1(p.architecture)) for p in out[:5]])
    assert searcher._algorithm.n_iter == 1
    searcher.tell([Observation(p, zdt1(p.architecture)) for p in reversed(out[5:])])
    searcher.ask(1)
    assert searcher._algorithm.n_iter == 2


def test_limits_and_failures_reach_the_algorithm() -> None:
    problem = two_losses(grid(2, 8), Limit(metric="f1", upper=0.5), Limit(metric="f2", lower=0))
    searcher = PymooSearcher(problem, NSGA2(pop_size=4), 1)
    first, second, third, fourth = searcher.ask(4)
    outcomes = [Measured({"f1": 0.75, "f2": 3.0}), Measured({"f1": 0.5, "f2": 1.0})]
    told = zip((first, second, third, fourth), [*outcomes, Failed(""), Infeasible("")], strict=True)
    searcher.tell([Observation(proposal, outcome) for proposal, outcome in told])
    searcher.ask(1)
    population = searcher._algorithm.pop
    told_values = np.hstack([population.get("F"), population.get("G")]).tolist()
    expected = [[0.75, 3, 0.5, 0], [0.5, 1, 0, 0], [1, 5, 1, 1], [1, 5, 1, 1]]
    assert sorted(told_values) == sorted(expected)


def test_a_warm_start_goes_first() -> None:
    space = grid(3, 6)
    first = [dict(space.decode(row)) for row in space.sample(3, np.random.default_rng(0))]
    searcher = PymooSearcher(two_losses(space), NSGA2(pop_size=4), 1, warm_start=first)
    assert [dict(proposal.architecture) for proposal in searcher.ask(5)[:3]] == first


@pytest.mark.parametrize("algorithm", [GA(pop_size=6), DE(pop_size=6)])
def test_algorithms_for_one_objective_are_refused_where_there_are_two(algorithm: Algorithm) -> None:
    with pytest.raises(ValueError, match=r"must be one for several objectives, .*\['f1', 'f2'\]"):
        PymooSearcher(two_losses(grid(3, 6)), algorithm, 1)
    one = Problem(grid(3, 6), (Objective(metric="f2", goal="minimize"),))
    history = search(PymooSearcher(one, algorithm, 1), zdt1, 30)
    assert len({proposal.architecture for proposal, _ in history}) == 30


def test_whole_numbers_are_their_own_option_and_options_own_equal_parts() -> None:
    for num_options in (2, 3, 7, 10_000):
        whole = np.arange(num_options, dtype=np.float64)[:, None]
        assert (options_at(whole, np.array([num_options])) == whole).all()
    points = np.linspace(0, 2, 3001)[:-1, None]
    assert np.bincount(options_at(points, np.array([3]))[:, 0]).tolist() == [1000, 1000, 1000]
    assert options_at(np.array([[-1.0], [9.0]]), np.array([3])).tolist() == [[0], [2]]


def test_play_needs_no_barriers() -> None:
    good = Measured({"f1": 1.0, "f2": 2.0})
    script = [(3, [(0, good)]), (5, [(2, good), (0, Failed("died"))]), (9, [(1, good)] * 9)]
    make = [PymooSearcher(two_losses(grid(3, 5)), NSGA2(pop_size=4), 1) for _ in range(2)]
    assert play(make[0], script) == play(make[1], script)

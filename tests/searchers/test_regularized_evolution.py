"""Regularized evolution: who is a parent, who dies, and what a mutant is."""

import numpy as np
import pytest
from pydantic import ValidationError
from toy_problems import grid, losses, search, two_losses, zdt1

from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from search_space.space import Architecture
from searchers.protocol import Limit, Objective, Observation, Problem
from searchers.random import RandomSettings
from searchers.regularized_evolution import RegularizedEvolutionSettings

SPACE = grid(4, 6)
F1 = Problem(SPACE, (Objective(metric="f1", goal="minimize"),))


def sum_of_steps(architecture: Architecture) -> Outcome:
    return Measured({"f1": float(sum(float(value) for value in architecture.values()))})


def distance(first: Architecture, second: Architecture) -> int:
    return sum(first[name] != second[name] for name in first)


def greedy(**changes: int) -> RegularizedEvolutionSettings:
    """With tournaments so large that the best of the population always wins."""
    return RegularizedEvolutionSettings(num_initial=5, tournament_size=1000, **changes)


def test_children_are_mutants_of_the_best_in_one_choice() -> None:
    searcher = greedy(population_size=10).build(F1, 0)
    first = searcher.ask(5)
    outcomes = [sum_of_steps(proposal.architecture) for proposal in first]
    searcher.tell([Observation(p, o) for p, o in zip(first, outcomes, strict=True)])
    best = min(first, key=lambda p: sum(map(float, p.architecture.values())))
    children = searcher.ask(15)  # of 20 neighbours
    assert {distance(child.architecture, best.architecture) for child in children} == {1}


def test_the_oldest_dies_however_good_it_is() -> None:
    searcher = greedy(population_size=3).build(F1, 0)
    first = searcher.ask(5)
    searcher.tell([Observation(p, Measured({"f1": float(p.number)})) for p in first])
    # 0 and 1 are the best, and dead; 2 is the best of the three that live.
    for child in searcher.ask(8):
        assert distance(child.architecture, first[2].architecture) == 1


def test_age_counts_from_the_telling() -> None:
    searcher = greedy(population_size=2).build(F1, 0)
    first = searcher.ask(5)
    for number in (4, 3, 2, 1, 0):
        searcher.tell([Observation(first[number], Measured({"f1": float(-number)}))])
    for child in searcher.ask(8):
        assert distance(child.architecture, first[1].architecture) == 1


@pytest.mark.parametrize("outcome", [Failed("worker died"), Infeasible("too large")])
def test_what_was_not_measured_kills_nobody(outcome: Outcome) -> None:
    searcher = greedy(population_size=2).build(F1, 0)
    first = searcher.ask(5)
    searcher.tell([Observation(p, Measured({"f1": float(p.number)})) for p in first[:2]])
    searcher.tell([Observation(proposal, outcome) for proposal in first[2:]])
    for child in searcher.ask(8):
        assert distance(child.architecture, first[0].architecture) == 1


def test_limits_come_before_objectives() -> None:
    problem = Problem(SPACE, F1.objectives, (Limit(metric="f1", lower=2),))
    searcher = greedy(population_size=10).build(problem, 0)
    first = searcher.ask(5)
    searcher.tell([Observation(p, Measured({"f1": float(p.number)})) for p in first])
    for child in searcher.ask(8):
        assert distance(child.architecture, first[2].architecture) == 1


def test_nothing_waits_for_what_is_out() -> None:
    searcher = greedy(population_size=10).build(F1, 0)
    first = searcher.ask(5)
    searcher.tell([Observation(first[3], Measured({"f1": 0.0}))])
    for child in searcher.ask(8):
        assert distance(child.architecture, first[3].architecture) == 1


def test_a_mutation_rate_changes_more() -> None:
    searcher = greedy(population_size=10).model_copy(update={"mutation_rate": 0.9}).build(F1, 0)
    first = searcher.ask(5)
    searcher.tell([Observation(first[0], Measured({"f1": 0.0}))])
    distances = [distance(c.architecture, first[0].architecture) for c in searcher.ask(40)]
    assert np.mean(distances) > 3


def test_one_objective_is_minimized() -> None:
    history = search(RegularizedEvolutionSettings().build(F1, 0), sum_of_steps, 200)
    chance = search(RandomSettings().build(F1, 0), sum_of_steps, 200)
    best, best_by_chance = (
        min(o.metrics["f1"] for _, o in each if isinstance(o, Measured))
        for each in (history, chance)
    )
    assert best == 0 < best_by_chance  # one of 1,296


def test_limits_are_kept_once_they_can_be() -> None:
    problem = two_losses(grid(5, 32), Limit(metric="f1", upper=0.1))
    history = search(RegularizedEvolutionSettings().build(problem, 0), zdt1, 200)
    feasible = losses(history)[:, 0] <= 0.1
    assert feasible[:20].mean() < 0.4
    assert feasible[100:].mean() > 0.6


@pytest.mark.parametrize(
    "document",
    [{"population_size": 1}, {"tournament_size": 0}, {"mutation_rate": 1.1}, {"cycles": 3}],
)
def test_bad_settings_are_refused(document: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        RegularizedEvolutionSettings.model_validate(document)

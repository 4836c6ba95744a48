"""Which searchers can do which problems; those that cannot name those that can."""

from typing import Any, get_args

import pytest
from toy_problems import grid, search

from search_space.outcomes import Measured
from searchers.ppo import PPOSettings
from searchers.protocol import Objective, Problem, UnsuitableProblemError
from searchers.settings import SearcherSettings, able_searchers, check_problem

SPACE = grid(3, 5)
FIGURES = ("top1_percent", "latency_ms", "num_params")
ONE = Problem(SPACE, (Objective(metric="top1_percent"),))
TWO = Problem(SPACE, (Objective(metric="top1_percent"), Objective(metric="latency_ms")))
THREE = Problem(SPACE, (*TWO.objectives, Objective(metric="num_params")))
MNASNET = PPOSettings.model_validate(
    {"reward": {"kind": "mnasnet", "metric": "latency_ms", "target": 5}}
)
GENERAL = ["espalier", "local_search", "nsga2", "ppo", "random", "regularized_evolution"]


@pytest.mark.parametrize("problem", [ONE, TWO, THREE])
def test_the_general_searchers_can_do_any_number_of_objectives(problem: Problem) -> None:
    assert set(GENERAL) <= set(able_searchers(problem))


@pytest.mark.parametrize("problem", [ONE, TWO, THREE])
@pytest.mark.parametrize("searcher", get_args(get_args(SearcherSettings)[0]))
def test_who_is_said_to_be_able_is_and_learns(problem: Problem, searcher: Any) -> None:
    kind = searcher.model_fields["kind"].default
    if kind in able_searchers(problem):
        check_problem(searcher(), problem)
        built = searcher().build(problem, 0)
        history = search(built, lambda _: Measured(dict.fromkeys(FIGURES, 1.0)), 25)
        assert len({proposal.architecture for proposal, _ in history}) == 25
    else:
        with pytest.raises(UnsuitableProblemError):
            searcher().build(problem, 0)


def test_settings_that_cannot_are_refused_and_those_that_can_are_named() -> None:
    check_problem(MNASNET, TWO)
    for refuse in (check_problem, lambda settings, problem: settings.build(problem, 0)):
        with pytest.raises(UnsuitableProblemError) as caught:
            refuse(MNASNET, THREE)
        error = caught.value
        assert error.field == "reward.kind"
        assert error.value == ["num_params"]
        named = error.rule.split("searchers that can do this problem: ")[1].split(", ")
        assert set(GENERAL) <= set(named)
        assert str(error).startswith("searcher.reward.kind must be 'scalarized'")

"""Any Optuna sampler as a searcher, `tpe` and `gp` among them."""

import logging
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState
from strategies import seeds, spaces
from toy_problems import grid, losses, play, search, two_losses, zdt1

from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from search_space.space import Architecture, Choice, Condition, SearchSpace
from searchers.gp import GPSettings
from searchers.optuna_search import OptunaSearcher, distribution_of, margin, tempered
from searchers.protocol import Limit, Objective, Observation, Problem, Searcher
from searchers.random import RandomSettings
from searchers.tpe import TPESettings

TPE = TPESettings(num_initial=6, batch_size=4)
GP = GPSettings(num_initial=6, batch_size=4, num_candidates=30, ordered=True)
modelled = pytest.mark.parametrize("kind", [TPE, GP], ids=["tpe", "gp"])
few = settings(max_examples=4, suppress_health_check=[HealthCheck.differing_executors])

BRANCHES = SearchSpace(
    "branches",
    [
        Choice(name="depth", options=(1, 2, 3)),
        Choice(
            name="second", options=("a", "b", "c"), when=Condition(parent="depth", options=(2, 3))
        ),
        Choice(name="third", options=(0.5, 1.0), when=Condition(parent="depth", options=(3,))),
        Choice(name="width", options=(8, 16, 24, 32)),
        Choice(name="fixed", options=(1,)),
    ],
)


def score(architecture: Architecture) -> Outcome:
    """Wide is good, deep is dear, `b` is best, and 24 does not fit."""
    if architecture["width"] == 24:
        return Infeasible("does not fit")
    size = float(architecture["width"]) * float(architecture["depth"])
    return Measured({"f1": size, "f2": -size - 40 * (architecture.get("second") == "b")})


@modelled
def test_a_space_with_branches_is_proposed_in_full_while_a_model_learns(
    kind: TPESettings | GPSettings,
) -> None:
    kind = kind.model_copy(update={"num_initial": 24})
    limit = Limit(metric="f1", lower=10, upper=70)
    searcher = kind.build(two_losses(BRANCHES, limit), 1)
    history = search(searcher, score, BRANCHES.size, batch_size=4)
    assert len({proposal.architecture for proposal, _ in history}) == BRANCHES.size == 40
    assert list(searcher.ask(1)) == []


@modelled
def test_a_rebuilt_searcher_goes_on_as_its_model_would(kind: TPESettings | GPSettings) -> None:
    script = [(7, [(0, Measured({"f1": float(i), "f2": -float(i % 3)})) for i in range(7)])]
    script += [(2, [(0, Measured({"f1": 2.0, "f2": 1.0})), (0, Failed("died"))])] * 2
    problem = two_losses(BRANCHES, Limit(metric="f1", upper=4))
    first, again = kind.build(problem, 5), kind.build(problem, 5)
    assert play(first, script) == play(again, script)
    assert first.ask(2) == again.ask(2)


@modelled
@few
@given(spaces(max_choices=4, max_options=3), seeds)
def test_any_space_is_proposed_in_full_while_a_model_learns(
    kind: TPESettings | GPSettings, space: SearchSpace, seed: int
) -> None:
    def count(architecture: Architecture) -> Outcome:
        return Measured(
            {"f1": float(len(architecture)), "f2": float(hash(architecture.digest) % 5)}
        )

    budget = min(space.size, 10)
    history = search(kind.build(two_losses(space), seed), count, budget, batch_size=3)
    assert len({proposal.architecture for proposal, _ in history}) == budget


@modelled
def test_models_find_more_than_chance_does(kind: TPESettings | GPSettings) -> None:
    space = SearchSpace("rows", [Choice(name=f"x{i}", options=(0, 1, 2)) for i in range(6)])
    problem = Problem(space, (Objective(metric="loss", goal="minimize"),))

    def best(searcher: Searcher, seed: int) -> float:
        wanted = np.random.default_rng(seed).integers(0, 3, 6)

        def distance(architecture: Architecture) -> Outcome:
            return Measured(
                {"loss": float(np.abs(np.array([*architecture.values()]) - wanted).sum())}
            )

        return min(o.metrics["loss"] for _, o in search(searcher, distance, 18, batch_size=4))

    ours = [best(kind.build(problem, seed), seed) for seed in range(3)]
    chance = [best(RandomSettings().build(problem, seed + 50), seed) for seed in range(3)]
    assert sum(ours) < sum(chance)


def test_gp_remembers_the_best_only() -> None:
    kind = GPSettings(num_initial=6, max_observations=10, batch_size=4, num_candidates=30)
    searcher = kind.build(two_losses(grid(3, 10), Limit(metric="f1", upper=0.5)), 1)
    assert isinstance(searcher, OptunaSearcher)
    out = searcher.ask(3)
    history = search(searcher, zdt1, 15, batch_size=5)
    searcher.tell([Observation(proposal, zdt1(proposal.architecture)) for proposal in out])
    searcher.ask(1)
    trials = searcher._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    assert len(trials) == 10
    values = losses(history)
    best = values[values[:, 0] <= 0.5][:, 1].min()
    assert min(trial.values[1] for trial in trials if trial.constraints["f1"] <= 0) <= best
    assert len({proposal.architecture for proposal, _ in history}) == 15


def test_what_is_out_is_running_and_what_cannot_be_had_is_broken() -> None:
    problem = two_losses(BRANCHES, Limit(metric="f1", upper=10))
    searcher = OptunaSearcher(problem, optuna.samplers.RandomSampler(seed=1), 1)
    first, second, third, _ = searcher.ask(4)
    searcher.tell([Observation(first, Measured({"f1": 15.0, "f2": 1.0}))])
    searcher.tell([Observation(second, Infeasible("")), Observation(third, Failed(""))])
    trials = {tuple(t.params.items()): t for t in searcher._study.trials}
    states = [trial.state for trial in trials.values()]
    assert [s.name for s in states] == ["COMPLETE", "PRUNED", "FAIL", "RUNNING"]
    measured, broken, *_ = trials.values()
    assert measured.values == [15.0, 1.0]
    assert measured.constraints == {"f1": 0.5}
    assert broken.constraints == {"infeasible": 1.0}
    names = {name for name, _ in next(iter(trials))}
    assert names == set(first.architecture)


class Stubborn(optuna.samplers.RandomSampler):
    """Always says the same."""

    def sample_independent(
        self, study: object, trial: object, name: str, distribution: object
    ) -> int:  # type: ignore[override]
        return 0


def test_a_sampler_that_repeats_itself_is_helped_out() -> None:
    searcher = OptunaSearcher(two_losses(grid(3, 4)), Stubborn(), 1)
    proposals = list(searcher.ask(64))
    assert len({proposal.architecture for proposal in proposals}) == 64
    near = OptunaSearcher(two_losses(grid(6, 4)), Stubborn(), 1).ask(10)
    changed = [sum(value != 0 for value in p.architecture.values()) for p in near]
    assert changed[0] == 0
    assert 1 <= np.mean(changed[1:]) < 3  # mutants; by chance it would be 4.5


@pytest.mark.parametrize(
    "sampler",
    [
        lambda: optuna.samplers.NSGAIISampler(seed=1, population_size=10),
        lambda: optuna.samplers.NSGAIIISampler(seed=1, population_size=10),
        lambda: optuna.samplers.QMCSampler(seed=1, warn_asynchronous_seeding=False),
    ],
    ids=["nsga2", "nsga3", "qmc"],
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_other_samplers_are_searchers_too(
    sampler: Callable[[], optuna.samplers.BaseSampler],
) -> None:
    first, again = (
        search(OptunaSearcher(two_losses(grid(4, 6)), sampler(), 1), zdt1, 60) for _ in range(2)
    )
    assert first == again
    assert len({proposal.architecture for proposal, _ in first}) == 60


class ForOneObjective(optuna.samplers.RandomSampler):
    def sample_independent(self, study, trial, name, distribution):  # type: ignore[no-untyped-def]
        self._raise_error_if_multi_objective(study)
        return super().sample_independent(study, trial, name, distribution)


def test_a_sampler_for_one_objective_is_refused_where_there_are_two() -> None:
    with pytest.raises(
        ValueError, match=r"ForOneObjective must be one for several .*\['f1', 'f2'\]"
    ):
        OptunaSearcher(two_losses(BRANCHES), ForOneObjective(seed=1), 1)
    one = Problem(BRANCHES, (Objective(metric="f1", goal="minimize"),))
    assert len(OptunaSearcher(one, ForOneObjective(seed=1), 1).ask(3)) == 3


def test_tempered_losses_keep_the_better_half_and_bound_the_rest() -> None:
    rows = np.array([[1.0, 7], [2, 7], [3, 7], [4.5, 7], [1000, 8]])
    assert tempered(rows).tolist() == [[1, 7], [2, 7], [3, 7], [4.5, 7], [5, 8]]


def test_numbers_in_order_are_integers_and_all_else_categories() -> None:
    def kind(*options: int | float | str, ordered: bool = True) -> type:
        return type(distribution_of(Choice(name="x", options=options), ordered))

    assert kind(1, 2.5, 7) == kind(3, 2, 1) == kind(5) == IntDistribution
    assert kind(1, 3, 2) == kind("a", "b") == kind(1, "a") == CategoricalDistribution
    assert kind(1, 2, ordered=False) == CategoricalDistribution


@pytest.mark.parametrize(
    ("limit", "value", "expected"),
    [
        (Limit(metric="x", upper=4), 5, 0.25),
        (Limit(metric="x", upper=4), 3, -0.25),
        (Limit(metric="x", lower=2, upper=4), 1, 0.5),
        (Limit(metric="x", lower=2, upper=4), 3, -0.25),
        (Limit(metric="x", lower=0), -3, 3),
        (Limit(metric="x", upper=1e-300), 1e300, 1e30),
    ],
)
def test_margins_are_violations_that_go_on_below_zero(
    limit: Limit, value: float, expected: float
) -> None:
    assert margin(limit, value) == pytest.approx(expected)
    assert (margin(limit, value) > 0) == (limit.violation(value) > 0)


def test_optuna_is_quiet_while_it_works_for_us_and_only_then() -> None:
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    ear, level = Ear(), optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    logging.getLogger("optuna").addHandler(ear)
    try:
        GP.build(two_losses(BRANCHES), 1).ask(3)
        assert heard == []
        optuna.create_study()
        assert len(heard) == 1
    finally:
        logging.getLogger("optuna").removeHandler(ear)
        optuna.logging.set_verbosity(level)


def test_settings_do_without_optuna() -> None:
    code = "import sys, searchers.settings; print({'optuna', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

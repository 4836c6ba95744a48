"""LINAS: it learns, keeps limits, and says how well it had predicted."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from toy_problems import grid, losses, search, two_losses, zdt1

from search_space.outcomes import Infeasible, Measured, Outcome
from search_space.space import Architecture, Choice, SearchSpace
from searchers.linas import LINASSearcher, LINASSettings
from searchers.metric_models import MetricModels
from searchers.nsga2 import NSGA2Settings
from searchers.pareto import hypervolume
from searchers.predictors.auto import AutoPredictor
from searchers.predictors.ridge import RidgeSettings
from searchers.protocol import Limit, Objective, Observation, Problem
from searchers.settings import SearcherSettings

QUICK = LINASSettings(predictor=RidgeSettings(), inner_population_size=50, inner_evaluations=1000)
FLAT = SearchSpace("flat", [Choice(name=f"c{i}", options=(0, 1, 2)) for i in range(20)])
WEIGHTS = np.random.default_rng(0).random((3, 20, 3))


def sums(architecture: Architecture) -> Outcome:
    """Three conflicting sums of what each option costs."""
    options = [int(option) for option in architecture.values()]
    found = [table[np.arange(20), options].sum() for table in WEIGHTS]
    return Measured({f"f{i + 1}": float(value) for i, value in enumerate(found)})


def noise(architecture: Architecture) -> Outcome:
    rng = np.random.default_rng(int(architecture.digest, 16))
    return Measured({"f1": rng.random(), "f2": rng.random()})


@cache
def volume(settings: SearcherSettings, seed: int) -> float:
    history = search(settings.build(two_losses(FLAT), seed), sums, 100, batch_size=20)
    return hypervolume(losses(history), (12.0, 12.0))


def test_it_finds_more_than_an_evolution_of_as_many_evaluations() -> None:
    for seed in range(3):
        assert volume(QUICK, seed) > 1.2 * volume(NSGA2Settings(), seed)


@pytest.mark.parametrize("num_objectives", [1, 2, 3])
def test_any_number_of_objectives(num_objectives: int) -> None:
    metrics = [f"f{i + 1}" for i in range(num_objectives)]
    objectives = tuple(Objective(metric=metric, goal="minimize") for metric in metrics)
    history = search(QUICK.build(Problem(FLAT, objectives), 0), sums, 80)
    found = np.array(
        [[o.metrics[m] for m in metrics] for _, o in history if isinstance(o, Measured)]
    )
    assert found[20:].min(axis=0).sum() < found[:20].min(axis=0).sum() - 0.8 * num_objectives


def test_limits_are_kept_once_they_can_be_learned() -> None:
    # A metric that is no objective; 12 % of random architectures keep the limit.
    problem = two_losses(FLAT, Limit(metric="f3", upper=8.0))
    history = search(QUICK.build(problem, 0), sums, 80)
    kept = [isinstance(o, Measured) and o.metrics["f3"] <= 8.0 for _, o in history]
    assert np.mean(kept[:20]) < 0.25
    # The best lie at the limit, where a prediction errs to either side.
    assert np.mean(kept[40:]) >= 0.4


def test_an_infeasible_region_is_left() -> None:
    def half_missing(architecture: Architecture) -> Outcome:
        if architecture["x2"] > 0.5:  # type: ignore[operator]  # the grid's options are floats
            return Infeasible("the table has no row")
        return zdt1(architecture)

    def turned(architecture: Architecture) -> Outcome:
        """The best are those with large x2, which are missing."""
        other = {**architecture, "x2": 1 - float(architecture["x2"])}
        outcome = half_missing(architecture)
        return outcome if isinstance(outcome, Infeasible) else zdt1(Architecture(other))

    history = search(QUICK.build(two_losses(grid(5, 16)), 0), turned, 120)
    refused = [isinstance(outcome, Infeasible) for _, outcome in history]
    assert np.mean(refused[:20]) > 0.25
    assert np.mean(refused[60:]) < 0.25


# --- how good predictions were -----------------------------------------------------------------


def test_each_batch_after_the_first_is_compared_with_its_predictions() -> None:
    searcher = QUICK.build(two_losses(FLAT), 0)
    search(searcher, sums, 75, batch_size=20)
    quality = searcher.prediction_quality()
    assert [(entry.first_number, entry.count) for entry in quality] == [
        (20, 20),
        (40, 20),
        (60, 15),
    ]
    taus = [tau for entry in quality[1:] for tau in entry.kendall.values()]
    assert all(tau is not None and tau > 0.6 for tau in taus)  # sums are easily learned


def test_predictions_are_those_made_before_anything_was_known() -> None:
    searcher = QUICK.build(two_losses(FLAT), 0)
    search(searcher, noise, 120)
    taus = [entry.kendall["f1"] for entry in searcher.prediction_quality()]
    assert len(taus) == 5
    # Were they compared after learning, ridge would have followed the noise.
    assert np.mean([tau for tau in taus if tau is not None]) < 0.3


def test_in_whatever_portions_outcomes_come_quality_is_of_the_batch() -> None:
    whole, parts = QUICK.build(two_losses(FLAT), 0), QUICK.build(two_losses(FLAT), 0)
    for _ in range(3):
        proposals = list(whole.ask(20))
        assert parts.ask(20) == proposals
        told = [Observation(p, sums(p.architecture)) for p in proposals]
        whole.tell(told)
        for observation in told:
            parts.tell([observation])
    assert whole.prediction_quality() == parts.prediction_quality()
    assert len(whole.prediction_quality()) == 2


def test_a_searcher_without_predictors_says_nothing() -> None:
    searcher = NSGA2Settings().build(two_losses(FLAT), 0)
    search(searcher, sums, 60)
    assert searcher.prediction_quality() == ()


# --- plans ---------------------------------------------------------------------------------------


def test_one_fit_serves_a_whole_batch_however_it_is_asked_for() -> None:
    at_once, one_by_one = QUICK.build(two_losses(FLAT), 0), QUICK.build(two_losses(FLAT), 0)
    for searcher in (at_once, one_by_one):
        search(searcher, sums, 20)
    expected = list(at_once.ask(20))
    found = []
    for _ in range(20):
        (proposal,) = one_by_one.ask(1)
        one_by_one.tell([Observation(proposal, sums(proposal.architecture))])
        found.append(proposal)
    assert found == expected


def test_what_is_out_is_not_planned_again() -> None:
    searcher = QUICK.build(two_losses(FLAT), 0)
    search(searcher, sums, 20)
    out = [proposal.architecture for _ in range(5) for proposal in searcher.ask(20)]
    assert len(set(out)) == 100


def test_a_small_space_is_ranked_in_full() -> None:
    space = SearchSpace("small", FLAT.choices[:6])

    def first_six(architecture: Architecture) -> Outcome:
        options = [int(option) for option in architecture.values()]
        return Measured({"f1": float(WEIGHTS[0][np.arange(6), options].sum())})

    problem = Problem(space, (Objective(metric="f1", goal="minimize"),))
    history = search(QUICK.build(problem, 0), first_six, 40)
    best = min(o.metrics["f1"] for _, o in history if isinstance(o, Measured))
    assert best == pytest.approx(WEIGHTS[0][:6].min(axis=1).sum())


# --- models and settings -------------------------------------------------------------------------


def test_maximized_metrics_are_predicted_in_their_own_direction() -> None:
    objectives = (Objective(metric="f1", goal="maximize"), Objective(metric="f2", goal="minimize"))
    searcher = QUICK.build(Problem(FLAT, objectives), 0)
    history = search(searcher, sums, 60)
    values = losses(history)
    assert values[40:, 0].max() > values[:20, 0].max()
    assert values[40:, 1].min() < values[:20, 1].min()
    entry = searcher.prediction_quality()[-1]
    assert entry.kendall["f1"] is not None
    assert entry.kendall["f1"] > 0.6


def test_models_do_not_depend_on_earlier_fits() -> None:
    searcher = QUICK.build(two_losses(FLAT), 0)
    told = [Observation(p, sums(p.architecture)) for p in searcher.ask(20)]
    models = [MetricModels(two_losses(FLAT), QUICK.predictor, "rank_normal", 0) for _ in range(2)]
    for model in models:
        model.note(told[:10])
    models[0].fit()
    for model in models:
        model.note(told[10:])
        model.fit()
    rows = np.eye(60, dtype=np.float32)
    first, second = (model.predict(rows) for model in models)
    assert {metric: column.tolist() for metric, column in first.items()} == {
        metric: column.tolist() for metric, column in second.items()
    }


def test_long_logs_are_learned_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("searchers.metric_models.MAX_LEARNED", 30)
    searcher = QUICK.build(two_losses(FLAT), 0)
    told = [Observation(p, sums(p.architecture)) for p in searcher.ask(90)]
    models = [MetricModels(two_losses(FLAT), QUICK.predictor, "rank_normal", 0) for _ in range(2)]
    models[0].note(told)
    # The first, each fifth or so, and the newest.
    models[1].note([told[round(i)] for i in np.linspace(0, 74, 15)] + told[75:])
    for model in models:
        model.fit()
    rows = np.eye(60, dtype=np.float32)
    first, second = (model.predict(rows)["f1"] for model in models)
    assert first == pytest.approx(second, abs=1e-6)
    assert models[0].num_measured == 90


def test_the_default_chooses_between_ridge_and_support_vectors() -> None:
    searcher = LINASSettings(inner_evaluations=200).build(two_losses(FLAT), 0)
    assert isinstance(searcher, LINASSearcher)
    search(searcher, sums, 40)
    models = MetricModels(two_losses(FLAT), LINASSettings().predictor, "rank_normal", 0)
    models.note([Observation(p, sums(p.architecture)) for p in searcher.ask(20)])
    models.fit()
    for model in models.models.values():
        assert isinstance(model, AutoPredictor)
        assert model.chosen in ("ridge", "svr")


@pytest.mark.parametrize(
    "document",
    [
        {"population_size": 0},
        {"inner_population_size": 1},
        {"inner_evaluations": 10**9},
        {"predictor": {"kind": "oracle"}},
        {"predictor": {"kind": "auto", "candidates": []}},
        {"predictor": {"kind": "auto", "candidates": [{"kind": "auto"}]}},
        {"targets": "as they are"},
    ],
)
def test_bad_settings_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LINASSettings.model_validate(document)

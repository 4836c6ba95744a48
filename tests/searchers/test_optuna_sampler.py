"""Any of our searchers as an Optuna sampler: Optuna's own suites, and what they do not ask."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)
from optuna.trial import Trial, TrialState

from searchers.nsga2 import NSGA2Settings
from searchers.optuna_sampler import MAX_VALUES, EspalierSampler, Grid
from searchers.random import RandomSettings


class TestOptunasSuites(
    BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase
):
    @pytest.fixture(
        params=[RandomSettings(), NSGA2Settings(population_size=3)], ids=["random", "nsga2"]
    )
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], EspalierSampler]:
        return lambda: EspalierSampler(request.param, seed=1)


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


SPACE: dict[str, BaseDistribution] = {
    "width": IntDistribution(1, 8),
    "kind": CategoricalDistribution(("plain", None, True)),
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
}


def study_of(
    settings: NSGA2Settings | RandomSettings, seed: int = 1, **options: object
) -> optuna.Study:
    return optuna.create_study(sampler=EspalierSampler(settings, seed, num_steps=5), **options)


def play(study: optuna.Study, count: int) -> list[dict[str, object]]:
    for _ in range(count):
        trial = study.ask(SPACE)
        loss = trial.params["width"] + (trial.params["kind"] is None) + np.log(trial.params["rate"])
        study.tell(trial, [loss] * len(study.directions))
    return [trial.params for trial in study.trials]


def test_equal_studies_and_seeds_suggest_equal_parameters() -> None:
    first = play(study_of(NSGA2Settings(population_size=4)), 15)
    assert play(study_of(NSGA2Settings(population_size=4)), 15) == first
    assert play(study_of(NSGA2Settings(population_size=4), seed=2), 15) != first


def test_every_combination_is_suggested_once_and_then_some_again() -> None:
    study = study_of(RandomSettings())
    space = {"width": IntDistribution(1, 4), "kind": CategoricalDistribution(("a", "b"))}
    suggested = []
    for _ in range(12):
        trial = study.ask(space)
        study.tell(trial, 1.0)
        suggested.append(tuple(trial.params.values()))
    assert len(set(suggested[:8])) == 8
    assert set(suggested[8:]) <= set(suggested[:8])


def test_a_searcher_makes_use_of_what_trials_were_worth() -> None:
    study = study_of(NSGA2Settings(population_size=10))
    for _ in range(60):
        trial = study.ask({f"x{i}": IntDistribution(0, 9) for i in range(4)})
        study.tell(trial, sum(trial.params.values()))
    values = [trial.value for trial in study.trials]
    assert np.mean(values[40:]) < np.mean(values[:20]) - 3


def test_directions_count() -> None:
    study = study_of(NSGA2Settings(population_size=5), directions=["maximize"])
    for _ in range(60):
        trial = study.ask({"x": IntDistribution(0, 30), "y": IntDistribution(0, 30)})
        study.tell(trial, trial.params["x"] + trial.params["y"])
    assert study.best_value >= 55


def test_constraints_count() -> None:
    study = study_of(NSGA2Settings(population_size=5))
    for _ in range(60):
        trial = study.ask({"x": IntDistribution(0, 30), "y": IntDistribution(0, 30)})
        trial.set_constraint("sum is at least 40", 40 - trial.params["x"] - trial.params["y"])
        study.tell(trial, trial.params["x"])
    late = [trial.constraints["sum is at least 40"] for trial in study.trials[30:]]
    assert np.mean(np.array(late) <= 0) >= 0.4  # of all combinations a quarter
    assert min(t.value for t in study.trials if all(v <= 0 for v in t.constraints.values())) <= 14


def test_pruned_failed_and_infinite_trials_are_survived_and_not_repeated() -> None:
    study = study_of(NSGA2Settings(population_size=3))
    seen = set()
    for number in range(30):
        trial = study.ask({"x": IntDistribution(0, 9), "y": IntDistribution(0, 9)})
        seen.add(tuple(trial.params.values()))
        if number % 3 == 0:
            trial.report(float(number), 1)
            study.tell(trial, state=TrialState.PRUNED)
        elif number % 3 == 1:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, float("inf") if number % 2 else 1.0)
    assert len(seen) == 30


def test_two_objectives_and_threads() -> None:
    study = study_of(NSGA2Settings(population_size=4), directions=["minimize", "maximize"])

    def objective(trial: Trial) -> tuple[float, float]:
        x, y = trial.suggest_int("x", 0, 9), trial.suggest_int("y", 0, 9)
        return x + y, x * y

    study.optimize(objective, n_trials=30, n_jobs=3)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 30


def test_branches_are_suggested_independently() -> None:
    study = study_of(NSGA2Settings(population_size=4))

    def objective(trial: Trial) -> float:
        depth = trial.suggest_int("depth", 1, 3)
        return depth + sum(trial.suggest_int(f"width{i}", 1, 4) for i in range(depth))

    study.optimize(objective, n_trials=25)
    assert {len(trial.params) for trial in study.trials} == {2, 3, 4}


def test_a_stored_study_is_resumed_and_nothing_is_suggested_again(tmp_path: Path) -> None:
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
    play(study_of(NSGA2Settings(population_size=4), storage=storage, study_name="resumed"), 12)
    study = study_of(
        NSGA2Settings(population_size=4), storage=storage, study_name="resumed", load_if_exists=True
    )
    rows = [tuple(params.values()) for params in play(study, 12)]
    assert len(rows) == 24
    assert len(set(rows[1:])) == 23  # the first is off the grid: independent


def test_a_sampler_can_be_pickled_in_the_middle_of_a_study() -> None:
    study = study_of(NSGA2Settings(population_size=4))
    play(study, 8)
    study.sampler = pickle.loads(pickle.dumps(study.sampler))
    assert len({tuple(params.values()) for params in play(study, 8)}) == 16


def test_the_number_of_steps_is_bounded() -> None:
    with pytest.raises(ValueError, match="num_steps must be from 2 to 1000, got 1"):
        EspalierSampler(RandomSettings(), 1, num_steps=1)


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (IntDistribution(2, 8, step=3), [2, 5, 8]),
        (IntDistribution(1, 4, log=True), [1, 2, 3, 4]),
        (IntDistribution(0, 4000, step=2), [0, 1000, 2000, 3000, 4000]),
        (FloatDistribution(0, 1, step=0.5), [0.0, 0.5, 1.0]),
        (FloatDistribution(-1, 1), [-1.0, -0.5, 0.0, 0.5, 1.0]),
        (FloatDistribution(1e-4, 1, log=True), [1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
        (CategoricalDistribution((None, "a", 1.5)), [None, "a", 1.5]),
    ],
)
def test_grids(distribution: BaseDistribution, values: list[object]) -> None:
    grid = Grid(distribution, num_steps=5)
    options = grid.choice("x").options
    found = [grid.value(position) for position in range(len(options))]
    assert found == pytest.approx(values) if None not in values else found == values
    assert [type(value) for value in found] == [type(value) for value in values]
    assert [grid.position(value) for value in found] == list(range(len(values)))


def test_grids_have_a_stated_number_of_steps() -> None:
    assert len(Grid(IntDistribution(1, MAX_VALUES), 5).choice("x").options) == MAX_VALUES
    assert len(Grid(IntDistribution(0, MAX_VALUES), 5).choice("x").options) == 5
    nearest = Grid(FloatDistribution(1e-4, 1, log=True), 5)
    assert nearest.position(0.02) == 2
    assert nearest.position(0.05) == 3

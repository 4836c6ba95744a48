"""What every predictor promises; a new one adds a subclass with its settings at the end."""

import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import TypeAdapter

from searchers.predictors.auto import AutoPredictor, AutoSettings
from searchers.predictors.base import Matrix, Predictor, Vector
from searchers.predictors.extra_trees import ExtraTreesSettings
from searchers.predictors.gaussian_process import GaussianProcessSettings
from searchers.predictors.gradient_boosting import GradientBoostingSettings
from searchers.predictors.mlp import MLPSettings
from searchers.predictors.ridge import RidgePredictor, RidgeSettings
from searchers.predictors.settings import PredictorSettings
from searchers.predictors.svr import SVRSettings, squared_distances
from searchers.trust import kendall_tau_b

# The suite's tests are inherited on purpose: each class runs them on its own predictor.
inherited = settings(
    suppress_health_check=[HealthCheck.differing_executors], max_examples=10, deadline=None
)


@st.composite
def training(draw: st.DrawFn) -> tuple[Matrix, Vector]:
    """Rows of zeros and ones, often repeated, and targets, often equal, of any magnitude."""
    shape = (draw(st.integers(1, 12)), draw(st.integers(0, 5)))
    rows = draw(hnp.arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0])))
    numbers = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6, allow_nan=False))
    targets = draw(hnp.arrays(np.float64, shape[0], elements=numbers))
    return rows, targets * draw(st.sampled_from([1.0, 1e-20, 1e24]))


def one_hot(count: int, rng: np.random.Generator, num_choices: int = 8) -> Matrix:
    """Returns architectures of three options for each choice, as features."""
    return np.eye(3)[rng.integers(0, 3, (count, num_choices))].reshape(count, -1)


def truth(rows: Matrix) -> Vector:
    """A function with main effects and an interaction."""
    weights = np.sin(5 * np.arange(rows.shape[1]))
    return rows @ weights + 2 * rows[:, 0] * rows[:, 4]


class PredictorContract:
    """The suite; `predictor_settings` is what a subclass sets."""

    predictor_settings: ClassVar[PredictorSettings]
    least_tau: ClassVar[float] = 0.6
    """Of 100 rows for 100 others of `truth`; a promise of quality, not of perfection."""

    def fitted(self, rows: Matrix, targets: Vector, seed: int = 0) -> Predictor:
        predictor = self.predictor_settings.build(seed)
        predictor.fit(rows, targets)
        return predictor

    @inherited
    @given(training())
    def test_predictions_are_finite_and_deviations_never_negative(
        self, known: tuple[Matrix, Vector]
    ) -> None:
        rows, targets = known
        predictor = self.fitted(rows, targets)
        asked = np.concatenate([rows, 1 - rows, rows + 5])
        found = predictor.predict(asked)
        assert found.mean.shape == found.deviation.shape == (len(asked),)
        assert np.isfinite(found.mean).all()
        assert np.isfinite(found.deviation).all()
        assert (found.deviation >= 0).all()
        assert predictor.mean(asked) == pytest.approx(found.mean, rel=1e-9, abs=1e-30)
        held_out = predictor.held_out()
        assert held_out is None or (np.isfinite(held_out).all() and len(held_out) == len(rows))

    def test_the_unit_of_the_target_is_that_of_the_prediction(self) -> None:
        rows = one_hot(20, np.random.default_rng(0))
        small = self.fitted(rows, truth(rows)).predict(rows)
        # By a power of two: what ties still ties.
        large = self.fitted(rows, 1024 * truth(rows)).predict(rows)
        assert large.mean == pytest.approx(1024 * small.mean)
        assert large.deviation == pytest.approx(1024 * small.deviation)

    def test_settings_seed_and_rows_determine_predictions(self) -> None:
        rng = np.random.default_rng(0)
        rows, others = one_hot(15, rng), one_hot(30, rng)
        predictor = self.fitted(rows, truth(rows), seed=7)
        first = predictor.predict(others)
        predictor.fit(others, truth(others))  # it forgets what it learned before
        predictor.fit(rows, truth(rows))
        for again in (predictor, self.fitted(rows, truth(rows), seed=7)):
            assert np.array_equal(again.predict(others).mean, first.mean)
            assert np.array_equal(again.predict(others).deviation, first.deviation)

    def test_it_ranks_what_it_did_not_see(self) -> None:
        rng = np.random.default_rng(1)
        rows, others = one_hot(100, rng), one_hot(100, rng)
        predicted = self.fitted(rows, truth(rows)).mean(others)
        assert kendall_tau_b(predicted, truth(others)) > self.least_tau

    def test_equal_targets_and_single_rows_are_predicted_as_they_are(self) -> None:
        rows = one_hot(6, np.random.default_rng(0))
        for known, targets in ((rows, np.full(6, 3.7)), (rows[:1], np.array([3.7]))):
            found = self.fitted(known, targets).predict(rows)
            assert found.mean == pytest.approx(np.full(6, 3.7))
            assert found.deviation == pytest.approx(np.zeros(6), abs=1e-12)

    def test_without_features_targets_have_their_own_deviation(self) -> None:
        found = self.fitted(np.empty((4, 0)), np.array([1.0, 2.0, 3.0, 4.0])).predict(
            np.empty((2, 0))
        )
        assert found.mean == pytest.approx(np.full(2, 2.5))
        assert found.deviation == pytest.approx(np.full(2, np.std([1, 2, 3, 4], ddof=1)))

    def test_nothing_may_be_asked(self) -> None:
        rows = one_hot(6, np.random.default_rng(0))
        predictor = self.fitted(rows, truth(rows))
        assert predictor.predict(rows[:0]).mean.shape == (0,)
        assert predictor.mean(rows[:0]).shape == (0,)

    @pytest.mark.parametrize(
        ("rows", "targets", "message"),
        [
            ([[0.0, np.nan]], [1.0], "features must be finite"),
            ([[0.0, 1.0]], [np.inf], "targets must be finite"),
            ([[0.0, 1.0]], [1.0, 2.0], r"targets must have shape \(count,\) = \(1,\)"),
            ([0.0, 1.0], [1.0, 2.0], r"features must have shape \(count, d\)"),
            (np.empty((0, 2)), [], "targets must be one at least"),
        ],
    )
    def test_what_cannot_be_learned_is_refused(
        self, rows: Matrix, targets: Vector, message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            self.predictor_settings.build(0).fit(rows, targets)

    def test_questions_must_fit_what_was_learned(self) -> None:
        predictor = self.predictor_settings.build(0)
        with pytest.raises(RuntimeError, match="fit must come before"):
            predictor.predict([[0.0]])
        rows = one_hot(5, np.random.default_rng(0))
        predictor.fit(rows, truth(rows))
        with pytest.raises(ValueError, match=r"must have shape \(count, 24\)"):
            predictor.predict([[0.0]])
        with pytest.raises(ValueError, match="features must be finite"):
            predictor.predict(rows * np.nan)

    def test_settings_survive_json_and_are_found_by_their_kind(self) -> None:
        adapter: TypeAdapter[PredictorSettings] = TypeAdapter(PredictorSettings)
        text = adapter.dump_json(self.predictor_settings)
        assert adapter.validate_json(text) == self.predictor_settings
        kind = self.predictor_settings.kind
        assert adapter.validate_python({"kind": kind}) == type(self.predictor_settings)()


class TestRidge(PredictorContract):
    predictor_settings = RidgeSettings()
    least_tau = 0.75

    @given(seed=st.integers(0, 1000))
    @settings(max_examples=20, deadline=None)
    def test_leaving_one_out_in_closed_form_is_leaving_one_out(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        count = int(rng.integers(3, 30))
        rows = one_hot(count, rng)
        targets = truth(rows) + rng.standard_normal(count)
        predictor = RidgePredictor(RidgeSettings())
        predictor.fit(rows, targets)
        left_out = predictor.left_out()
        fixed = RidgeSettings(min_alpha=predictor.alpha, max_alpha=predictor.alpha, num_alphas=1)
        for row in range(count):
            kept = np.arange(count) != row
            other = RidgePredictor(fixed)
            other.fit(rows[kept], targets[kept])
            assert other.mean(rows[[row]])[0] == pytest.approx(left_out[row], abs=1e-6)

    def test_the_penalty_is_the_best_by_leaving_one_out(self) -> None:
        rng = np.random.default_rng(0)
        rows = one_hot(25, rng)
        targets = truth(rows) + 2 * rng.standard_normal(25)
        chosen = RidgePredictor(RidgeSettings(num_alphas=9))
        chosen.fit(rows, targets)

        def error(alpha: float) -> float:
            one = RidgePredictor(RidgeSettings(min_alpha=alpha, max_alpha=alpha, num_alphas=1))
            one.fit(rows, targets)
            return float(np.mean((one.left_out() - targets) ** 2))

        alphas = np.geomspace(1e-3, 1e3, 9)
        assert chosen.alpha == pytest.approx(min(alphas, key=error))
        assert alphas[0] < chosen.alpha < alphas[-1]

    def test_its_weights_are_those_of_the_normal_equations(self) -> None:
        rng = np.random.default_rng(0)
        rows = rng.standard_normal((30, 4))
        targets = rows @ [1.0, -2.0, 0.5, 0.0] + 7 + 0.1 * rng.standard_normal(30)
        predictor = RidgePredictor(RidgeSettings(min_alpha=2, max_alpha=2, num_alphas=1))
        predictor.fit(rows, targets)
        centred = rows - rows.mean(axis=0)
        weights = np.linalg.solve(centred.T @ centred + 2 * np.eye(4), centred.T @ targets)
        assert predictor.mean(rows) == pytest.approx(centred @ weights + targets.mean())

    def test_the_range_of_penalties_must_ascend(self) -> None:
        with pytest.raises(ValueError, match="min_alpha must be at most max_alpha"):
            RidgeSettings(min_alpha=2, max_alpha=1)


class TestSVR(PredictorContract):
    predictor_settings = SVRSettings(costs=(1.0, 10.0), widths=(0.3,), num_folds=3)
    least_tau = 0.75

    def test_distances(self) -> None:
        rng = np.random.default_rng(0)
        first, second = rng.standard_normal((4, 3)), rng.standard_normal((5, 3))
        expected = ((first[:, None] - second[None]) ** 2).sum(axis=2)
        assert squared_distances(first, second) == pytest.approx(expected)

    def test_its_predictions_are_those_of_scikit_learn(self) -> None:
        from sklearn.svm import SVR

        rng = np.random.default_rng(0)
        rows, others = one_hot(40, rng), one_hot(20, rng)
        targets = truth(rows)
        predictor = SVRSettings(costs=(10.0,), widths=(0.5,)).build(0)
        predictor.fit(rows, targets)
        unit = targets.std()
        gamma = 0.5 / squared_distances(rows, rows).mean()
        peer = SVR(C=10, gamma=gamma, epsilon=0.05).fit(rows, (targets - targets.mean()) / unit)
        expected = peer.predict(others) * unit + targets.mean()
        assert predictor.mean(others) == pytest.approx(expected, abs=0.01 * unit)


class TestExtraTrees(PredictorContract):
    predictor_settings = ExtraTreesSettings(num_trees=20)
    least_tau = 0.4

    def test_what_was_seen_is_certain_and_the_rest_is_not(self) -> None:
        rng = np.random.default_rng(0)
        rows = one_hot(30, rng)
        predictor = self.fitted(rows, truth(rows))
        assert predictor.predict(rows).deviation == pytest.approx(np.zeros(30), abs=1e-9)
        assert np.mean(predictor.predict(one_hot(30, rng)).deviation) > 0.1


class TestGaussianProcess(PredictorContract):
    predictor_settings = GaussianProcessSettings()


class TestGradientBoosting(PredictorContract):
    predictor_settings = GradientBoostingSettings(num_members=3, num_trees=40)
    least_tau = 0.5


class TestMLP(PredictorContract):
    predictor_settings = MLPSettings(num_steps=100)
    least_tau = 0.6


class TestAuto(PredictorContract):
    predictor_settings = AutoSettings(
        candidates=(RidgeSettings(), ExtraTreesSettings(num_trees=5)), num_folds=2
    )

    def chosen(self, rows: Matrix, targets: Vector, auto: AutoSettings) -> AutoPredictor:
        predictor = auto.build(0)
        predictor.fit(rows, targets)
        return predictor

    def test_it_takes_what_ranks_best_and_says_so(self) -> None:
        rng = np.random.default_rng(0)
        rows = one_hot(60, rng)
        auto = AutoSettings(candidates=(RidgeSettings(min_alpha=1e8, max_alpha=1e8), SVRSettings()))
        # Products of signs have no main effects: a line cannot rank them.
        interaction = np.prod(np.where(rows[:, [0, 3]] > 0, 1.0, -1.0), axis=1) + rows[:, 6]
        found = self.chosen(rows, interaction, auto)
        assert found.chosen == "svr"
        linear, kernel = found.scores
        assert linear is not None
        assert kernel is not None
        assert kernel > linear
        assert self.chosen(rows, rows @ np.arange(24), AutoSettings()).chosen == "ridge"

    def test_of_equal_ones_it_takes_the_first(self) -> None:
        rows = one_hot(30, np.random.default_rng(0))
        twins = (SVRSettings(costs=(1.0,)), SVRSettings(costs=(1.0, 1.0)))
        found = self.chosen(rows, truth(rows), AutoSettings(candidates=twins))
        assert found.scores[0] == found.scores[1]
        assert found._model is not None
        first = twins[0].build(0)
        first.fit(rows, truth(rows))
        assert np.array_equal(found.mean(rows), first.mean(rows))

    def test_a_ranking_that_is_not_defined_loses(self) -> None:
        rows = one_hot(30, np.random.default_rng(0))
        # One leaf: the same number for everybody.
        stump = ExtraTreesSettings(num_trees=2, min_rows_per_leaf=30)
        found = self.chosen(rows, truth(rows), AutoSettings(candidates=(stump, RidgeSettings())))
        assert found.chosen == "ridge"


@pytest.mark.parametrize("growing", [RidgeSettings(), MLPSettings(), GaussianProcessSettings()])
def test_methods_that_promise_it_are_less_sure_away_from_the_data(
    growing: PredictorSettings,
) -> None:
    rng = np.random.default_rng(2)
    rows = one_hot(60, rng)
    predictor = growing.build(0)
    predictor.fit(rows, truth(rows))
    near = predictor.predict(rows).deviation
    far = predictor.predict(rows + 3 * rng.standard_normal(rows.shape)).deviation
    assert np.median(far) > 1.2 * np.median(near)


def test_settings_import_nothing_heavy() -> None:
    script = (
        "import sys, searchers.settings\n"
        "heavy = {'sklearn', 'torch', 'ray'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr

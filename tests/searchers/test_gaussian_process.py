"""The Gaussian process: its gradient, its posterior, and what it sees of a space."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from search_space.cnn import MobileNetV3Settings
from search_space.space import Choice, Condition, SearchSpace
from searchers.predictors.base import Matrix, Vector
from searchers.predictors.gaussian_process import (
    KERNEL_DEVIATION,
    KERNEL_MEAN,
    GaussianProcess,
    GaussianProcessSettings,
)
from searchers.space_columns import Scales, SpaceColumns
from searchers.trust import kendall_tau_b

RNG = np.random.default_rng(5)
ROWS = np.eye(3)[RNG.integers(0, 3, (40, 6))].reshape(40, -1)
TARGETS = ROWS @ np.sin(np.arange(18)) + 2 * ROWS[:, 0] * ROWS[:, 4]


def fitted(rows: Matrix = ROWS, targets: Vector = TARGETS) -> GaussianProcess:
    process = GaussianProcess(GaussianProcessSettings())
    process.fit(rows, targets)
    return process


def test_the_gradient_is_that_of_the_density() -> None:
    scales = Scales(RNG.integers(0, 2, (18, 7)).astype(float), np.full(7, -0.5), np.full(7, 0.6))
    process = GaussianProcess(GaussianProcessSettings(num_steps=1), scales)
    process.fit(ROWS, TARGETS)
    prior = np.concatenate([scales.mean, KERNEL_MEAN])
    deviation = np.concatenate([scales.deviation, KERNEL_DEVIATION])
    arguments = (ROWS, (TARGETS - TARGETS.mean()) / TARGETS.std(), prior, deviation)
    density = process._negative_log_posterior
    for _ in range(3):
        point = prior + 0.5 * RNG.standard_normal(len(prior))
        gradient = density(point, *arguments)[1]
        error = check_grad(
            lambda p: density(p, *arguments)[0], lambda p: density(p, *arguments)[1], point
        )
        assert error < 1e-4 * np.linalg.norm(gradient)


def test_a_posterior_says_the_same_as_predictions() -> None:
    process = fitted()
    candidates = np.eye(3)[RNG.integers(0, 3, (10, 6))].reshape(10, -1)
    posterior, predicted = process.posterior(candidates), process.predict(candidates)
    assert posterior.mean == pytest.approx(predicted.mean)
    noise = process.noise * TARGETS.var()
    assert posterior.deviation**2 + noise == pytest.approx(predicted.deviation**2)


def test_assuming_a_candidate_is_fitting_it_with_what_is_expected_of_it() -> None:
    process = fitted()
    candidates = np.eye(3)[RNG.integers(0, 3, (8, 6))].reshape(8, -1)
    posterior = process.posterior(candidates)
    before = posterior.mean.copy()
    covariance = _covariance(process, candidates)
    expected = np.diag(covariance) - covariance[:, 2] ** 2 / (covariance[2, 2] + process.noise)
    posterior.assume(2)
    posterior.keep(np.array([1, 2, 5]))
    assert posterior.mean == pytest.approx(before[[1, 2, 5]])
    found = (posterior.deviation / TARGETS.std()) ** 2
    assert found == pytest.approx(expected[[1, 2, 5]], abs=1e-8)


def _covariance(process: GaussianProcess, candidates: Matrix) -> Matrix:
    """Of candidates given the rows of the fit, by the textbook (equation 2.24)."""
    seen, new = process.scaled(ROWS), process.scaled(candidates)
    known = process.kernel(seen, seen) + process.noise * np.eye(len(seen))
    across = process.kernel(new, seen)
    result: Matrix = process.kernel(new, new) - across @ np.linalg.solve(known, across.T)
    return result


def test_counts_rank_what_single_choices_cannot() -> None:
    space = SearchSpace(
        "counted", [Choice(name=f"c{i}", options=("a", "b", "c")) for i in range(12)]
    )
    rng = np.random.default_rng(0)
    genes, others = space.sample(20, rng), space.sample(100, rng)

    def tau(counts: bool) -> float:
        columns = SpaceColumns(space, counts=counts)
        process = GaussianProcess(GaussianProcessSettings(), columns.scales)
        process.fit(columns.matrix(genes), (genes == 1).sum(axis=1) ** 1.5)
        predicted = process.predict(columns.matrix(others)).mean
        return kendall_tau_b(predicted, (others == 1).sum(axis=1))

    assert tau(counts=True) > 0.9 > tau(counts=False)


def test_columns_are_options_places_and_counts() -> None:
    space = SearchSpace(
        "s",
        [
            Choice(name="depth", options=(1, 2)),
            Choice(name="k1", options=(3, 5, 7)),
            Choice(name="k2", options=(3, 5, 7), when=Condition(parent="depth", options=(2,))),
        ],
    )
    genes = space.canonical(np.array([[1, 2, 1], [0, 0, 0]]))
    half = 1 / np.sqrt(2)
    expected = [
        [0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0, half, half],
        [1, 0, 1, 0, 0, 0, 0, 0, -1, 0, half, 0, 0],  # k2 is inactive: it says nothing
    ]
    assert SpaceColumns(space).matrix(genes) == pytest.approx(np.array(expected))
    assert SpaceColumns(space).scales.design.shape[0] == len(expected[0])


def test_columns_have_the_place_of_ordered_names() -> None:
    names = ("1:1-2", "1:1-1,2:2-2", "2:1-2")
    choice = Choice(name="route", options=names, is_ordered=True)
    columns = SpaceColumns(SearchSpace("s", [choice]))
    expected = [[1, 0, 0, -1], [0, 1, 0, 0], [0, 0, 1, 1]]
    assert columns.matrix(np.array([[0], [1], [2]])) == pytest.approx(np.array(expected))
    assert columns.scales.design.shape[0] == 4


def test_columns_of_a_large_space_have_few_parameters() -> None:
    scales = SpaceColumns(MobileNetV3Settings().build()).scales
    num_columns, num_parameters = scales.design.shape
    assert num_parameters < num_columns / 2
    assert (scales.design.sum(axis=1) == 2).all()

"""The inner search: it finds fronts, never scores anything twice, and spreads what it returns."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import loss_matrices, seeds, spaces

from search_space.operators import enumerate_genes
from search_space.space import Choice, Genes, SearchSpace
from searchers.inner import Candidates, inner_search, is_listed, spread
from searchers.pareto import Losses, fronts, hypervolume

FLAT = SearchSpace("flat", [Choice(name=f"c{i}", options=(0, 1, 2)) for i in range(45)])


class Counting:
    """Scores genes by two weighted sums, and remembers what it was asked."""

    def __init__(self, num_choices: int, num_options: int = 3) -> None:
        rng = np.random.default_rng(0)
        self.tables = rng.random((2, num_choices, num_options))
        self.asked: list[bytes] = []

    def __call__(self, genes: Genes) -> tuple[Losses, Losses]:
        self.asked += [row.tobytes() for row in genes]
        columns = np.arange(genes.shape[1])
        losses = np.stack([table[columns, genes].sum(axis=1) for table in self.tables], axis=1)
        return losses, np.zeros(len(genes))


def test_a_large_space_is_searched_without_scoring_anything_twice() -> None:
    score = Counting(45)
    found = inner_search(
        FLAT,
        score,
        FLAT.sample(3, np.random.default_rng(1)),
        population_size=100,
        num_evaluations=5000,
        rng=np.random.default_rng(0),
    )
    assert len(set(score.asked)) == len(score.asked) == len(found.genes)
    assert 5000 <= len(found.genes) <= 5100
    # A sum is best where each gene is: both ends of the front are known.
    best = score.tables.min(axis=2).sum(axis=1)
    worst = score.tables.max(axis=2).sum(axis=1)
    reached = found.losses.min(axis=0)
    assert ((reached - best) / (worst - best) < 0.1).all()
    random = score(FLAT.sample(5000, np.random.default_rng(2)))[0]
    assert hypervolume(found.losses, worst) > 1.3 * hypervolume(random, worst)


def test_the_best_parents_are_kept() -> None:
    score = Counting(45)
    optimum = score.tables[0].argmin(axis=1)[None]
    found = inner_search(
        FLAT,
        score,
        optimum,
        population_size=20,
        num_evaluations=200,
        rng=np.random.default_rng(0),
    )
    assert np.array_equal(found.genes[0], optimum[0])
    assert found.losses[:, 0].argmin() == 0


def test_a_small_space_is_scored_in_full() -> None:
    space = SearchSpace("small", FLAT.choices[:6])
    score = Counting(6)
    found = inner_search(
        space,
        score,
        np.empty((0, 6), dtype=np.int64),
        population_size=2,
        num_evaluations=2,
        rng=np.random.default_rng(0),
    )
    assert is_listed(space)
    assert not is_listed(FLAT)
    assert set(map(tuple, found.genes.tolist())) == set(product(range(3), repeat=6))


@given(spaces(), seeds)
@settings(max_examples=20)
def test_any_space_can_be_searched(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = inner_search(
        space,
        lambda genes: (genes.sum(axis=1, keepdims=True).astype(float), np.zeros(len(genes))),
        space.sample(1, rng),
        population_size=4,
        num_evaluations=30,
        rng=rng,
    )
    assert len(found.genes) == space.size
    assert np.array_equal(space.canonical(found.genes), found.genes)


def test_a_space_that_is_exhausted_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("searchers.inner.MAX_LISTED", 0)  # as if it were too large to be listed
    space = SearchSpace("small", FLAT.choices[:3])
    score = Counting(3)
    found = inner_search(
        space,
        score,
        np.empty((0, 3), dtype=np.int64),
        population_size=10,
        num_evaluations=10_000,
        rng=np.random.default_rng(0),
    )
    everything = np.concatenate(list(enumerate_genes(space)))
    assert 20 < len(found.genes) <= len(everything) == 27
    assert len(set(score.asked)) == len(score.asked)


@given(loss_matrices(max_count=15), st.integers(0, 20), st.data())
def test_the_best_are_those_of_the_best_fronts(
    losses: Losses, count: int, data: st.DataObject
) -> None:
    violation = st.sampled_from([0.0, 0.0, 0.5, 1.0])
    size = len(losses)
    violations = np.array(data.draw(st.lists(violation, min_size=size, max_size=size)))
    numbers = np.arange(size)[:, None]
    best = Candidates(numbers, losses, violations).best(count)
    chosen = best.genes[:, 0]
    assert len(set(chosen.tolist())) == len(chosen) == min(count, size)
    # Ranks of those chosen are the lowest there are; feasible before infeasible.
    ranks = np.full(size, size, dtype=float)
    feasible = violations == 0
    if feasible.any():
        ranks[feasible] = fronts(losses[feasible])
    ranks += violations
    if losses.shape[1] == 1:
        ranks[feasible] = losses[feasible, 0] - losses[:, 0].max(initial=0.0)
    assert sorted(ranks[chosen]) == pytest.approx(sorted(ranks)[: len(chosen)])
    assert np.array_equal(ranks[chosen], ranks[chosen][np.argsort(ranks[chosen], kind="stable")])


def test_of_a_long_front_rows_far_apart_are_taken() -> None:
    first = np.linspace(0, 1, 101)
    losses = np.stack([first, 1 - first], axis=1)
    chosen = spread(losses, 5)
    assert sorted(first[chosen].tolist()) == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert set(chosen[:2].tolist()) == {0, 100}
    assert len(set(spread(np.zeros((6, 2)), 6).tolist())) == 6

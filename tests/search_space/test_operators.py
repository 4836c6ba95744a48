import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import spaces

from search_space.cnn import MobileNetV3Settings
from search_space.operators import (
    crossover,
    enumerate_genes,
    genes_at,
    mutate,
    neighbours,
    sample_evenly,
    step,
)
from search_space.space import Choice, Condition, SearchSpace

seeds = st.integers(0, 2**32 - 1)


@given(spaces(), seeds)
def test_mutants_are_canonical_and_differ_from_their_parents(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parents = space.sample(30, rng)
    mutants = mutate(space, parents, 0.1, rng)
    assert np.array_equal(space.canonical(mutants), mutants)
    if space.size > 1:
        changeable = (space.active(parents) & (space.num_options > 1)).any(axis=1)
        assert np.array_equal((mutants != parents).any(axis=1), changeable)


def test_mutation_rate_zero_changes_one_gene_and_rate_one_changes_all() -> None:
    space = SearchSpace("flat", [Choice(name=f"c{i}", options=(0, 1, 2)) for i in range(10)])
    rng = np.random.default_rng(0)
    parents = space.sample(100, rng)
    assert ((mutate(space, parents, 0.0, rng) != parents).sum(axis=1) == 1).all()
    assert (mutate(space, parents, 1.0, rng) != parents).all()


@given(spaces(), seeds)
def test_steps_are_to_the_options_next_to_a_parents(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parents = space.sample(30, rng)
    children = step(space, parents, 0.5, rng)
    assert np.array_equal(space.canonical(children), children)
    both = space.active(parents) & space.active(children)
    assert (np.abs(children - parents) <= 1)[both].all()
    assert np.array_equal(step(space, parents, 0.0, rng), parents)


def test_steps_go_up_as_often_as_down_and_stay_within_the_options() -> None:
    space = SearchSpace("flat", [Choice(name=f"c{i}", options=(0, 1, 2)) for i in range(3)])
    middle, rng = np.ones((3000, 3), dtype=np.int64), np.random.default_rng(0)
    moved = step(space, middle, 0.5, rng)
    assert np.bincount(moved.ravel()) / moved.size == pytest.approx([0.25, 0.5, 0.25], abs=0.02)
    assert np.bincount(step(space, 0 * middle, 1.0, rng).ravel()).size == 2


def test_genes_that_become_active_are_drawn_and_not_left_at_the_first_option() -> None:
    child = Choice(name="c", options=(0, 1, 2, 3), when=Condition(parent="d", options=(1,)))
    space = SearchSpace("nested", [Choice(name="d", options=(0, 1)), child])
    shallow = np.zeros((4000, 2), dtype=np.int64)
    mutants = mutate(space, shallow, 0.5, np.random.default_rng(0))
    assert (mutants[:, 0] == 1).all()
    assert np.bincount(mutants[:, 1]) / 4000 == pytest.approx([0.25] * 4, abs=0.03)


@given(spaces(), seeds)
def test_children_take_active_genes_from_a_parent(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = space.sample(30, rng), space.sample(30, rng)
    children = crossover(space, first, second, rng)
    assert np.array_equal(space.canonical(children), children)
    in_first, in_second = space.active(first), space.active(second)
    inherited = ((children == first) & in_first) | ((children == second) & in_second)
    assert (inherited | ~space.active(children) | ~(in_first | in_second)).all()


@given(spaces())
def test_enumeration_yields_every_architecture_once(space: SearchSpace) -> None:
    genes = np.concatenate(list(enumerate_genes(space, batch_size=7)))
    assert len(genes) == space.size == len(np.unique(genes, axis=0))
    assert np.array_equal(space.canonical(genes), genes)


@given(spaces(), seeds)
def test_neighbours_are_all_architectures_one_choice_away(space: SearchSpace, seed: int) -> None:
    row = space.sample(1, np.random.default_rng(seed))[0]
    found = neighbours(space, row)
    assert len(found) == int((space.num_options - 1)[space.active(row[None])[0]].sum())
    assert len(np.unique(found, axis=0)) == len(found)
    assert np.array_equal(space.canonical(found), found)


def test_only_spaces_below_64_bits_can_be_ranked() -> None:
    one_resolution = MobileNetV3Settings(resolutions=(224,)).build()
    with pytest.raises(ValueError, match="can be ranked"):
        genes_at(one_resolution, np.array([0]))
    three_stages = MobileNetV3Settings.from_preset("digits").build()
    last = genes_at(three_stages, np.array([three_stages.size - 1]))[0]
    assert three_stages.decode(last) == three_stages.largest()


@given(spaces(max_choices=4, max_options=3), st.integers(0, 1000))
def test_every_architecture_is_drawn_as_often_as_any_other(space: SearchSpace, seed: int) -> None:
    per_architecture = 200
    count = per_architecture * space.size
    rows = sample_evenly(space, count, np.random.default_rng(seed))
    assert np.array_equal(rows, space.canonical(rows))
    _, found = np.unique(rows, axis=0, return_counts=True)
    assert len(found) == space.size
    assert np.abs(found - per_architecture).max() < 6 * np.sqrt(per_architecture)

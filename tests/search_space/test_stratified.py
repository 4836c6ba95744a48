"""Samples that cover the costs of a space."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import seeds, spaces

from search_space.cnn import MobileNetV3Settings
from search_space.costs import costs
from search_space.space import Architecture, Choice, SearchSpace
from search_space.stratified import evenly_spread, stratified_sample

SPACE = SearchSpace(
    "line", [Choice(name=name, options=tuple(range(8))) for name in ("a", "b", "c", "d")]
)


def total(architecture: Architecture) -> float:
    return float(sum(int(value) for value in architecture.values()))


def test_every_stratum_has_its_share_and_both_ends_are_there() -> None:
    rng = np.random.default_rng(0)
    sample = stratified_sample(SPACE, total, 26, 4, rng, pool_size=400)
    costs_found = [candidate.cost for candidate in sample]
    assert costs_found == sorted(costs_found)
    assert (costs_found[0], costs_found[-1]) == (0, 28)
    assert len({candidate.architecture.digest for candidate in sample}) == 26
    # The quartiles of the sum of four uniform numbers from 0 to 7 (mean 14, deviation 4.6).
    edges = [0, 11, 14, 17, 28]
    for low, high in itertools.pairwise(edges):
        assert sum(low <= cost <= high for cost in costs_found[1:-1]) >= 6


def test_a_plain_sample_misses_the_cheap_networks_that_a_stratified_one_has() -> None:
    settings = MobileNetV3Settings.from_preset("digits")
    space = settings.build()

    def macs(architecture: Architecture) -> float:
        return float(costs(settings.lower(architecture)).macs)

    rng = np.random.default_rng(1)
    sample = stratified_sample(space, macs, 12, 5, rng, pool_size=100)
    assert sample[0].architecture == space.smallest()
    assert sample[-1].architecture == space.largest()
    plain = [macs(space.decode(row)) for row in space.sample(12, np.random.default_rng(1))]
    assert sample[0].cost < min(plain)
    assert sample[-1].cost > max(plain)


@settings(max_examples=25)
@given(st.data())
def test_samples_are_distinct_and_seeded_in_any_space(data: st.DataObject) -> None:
    space = data.draw(spaces())
    count, seed = data.draw(st.integers(2, 12)), data.draw(seeds)
    num_strata = data.draw(st.integers(1, max(1, count - 2)))

    def draw() -> list[str]:
        rng = np.random.default_rng(seed)
        found = stratified_sample(space, len, count, num_strata, rng, pool_size=40)
        return [candidate.architecture.digest for candidate in found]

    digests = draw()
    assert digests == draw()
    assert len(set(digests)) == len(digests) <= max(count, 2)
    assert {space.smallest().digest, space.largest().digest} <= set(digests)


@pytest.mark.parametrize(
    ("count", "num_strata", "message"),
    [
        (1, 1, "count must be from 2 to the pool's 40, got 1"),
        (41, 1, "count must be from 2 to the pool's 40, got 41"),
        (5, 4, "num_strata must be from 1 to 3, got 4"),
    ],
)
def test_what_does_not_fit_is_refused(count: int, num_strata: int, message: str) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=message):
        stratified_sample(SPACE, total, count, num_strata, rng, pool_size=40)


def test_even_positions_hold_both_ends() -> None:
    assert evenly_spread(4, 10) == [0, 3, 6, 9]
    assert evenly_spread(9, 3) == [0, 1, 2]
    assert evenly_spread(1, 5) == [0]

"""Hypothesis strategies for the project's own values; import them with `from strategies import x`.

Spaces are small enough to be enumerated (at most 4^6 architectures by default) and shrink towards
one choice of one option without conditions.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from search_space.space import Architecture, Choice, Condition, Genes, Option, SearchSpace

seeds = st.integers(0, 2**32 - 1)
finite_numbers = st.floats(-1e6, 1e6, allow_nan=False)


def options(max_options: int = 4) -> st.SearchStrategy[tuple[Option, ...]]:
    """Option tuples of one type each: integers, floats or strings, distinct, in any order."""
    kinds: list[st.SearchStrategy[Any]] = [
        st.integers(-1000, 1000),
        st.floats(-100, 100, allow_nan=False),
        st.text("abcxyz_", min_size=1, max_size=6),
    ]
    return st.one_of(
        [st.lists(kind, min_size=1, max_size=max_options, unique=True).map(tuple) for kind in kinds]
    )


@st.composite
def conditions(draw: st.DrawFn, parents: list[Choice]) -> Condition:
    """Conditions on one of the given choices, on some or all of its options."""
    parent = draw(st.sampled_from(parents))
    held = draw(st.lists(st.sampled_from(parent.options), min_size=1, unique=True))
    return Condition(parent=parent.name, options=tuple(held))


@st.composite
def spaces(draw: st.DrawFn, max_choices: int = 6, max_options: int = 4) -> SearchSpace:
    """Spaces whose choices may depend on any earlier ones, to any depth."""
    choices: list[Choice] = []
    for number in range(draw(st.integers(1, max_choices))):
        when = draw(st.none() | conditions(choices)) if choices else None
        choices.append(Choice(name=f"c{number}", options=draw(options(max_options)), when=when))
    return SearchSpace(draw(st.sampled_from(["plain", "other"])), choices)


@st.composite
def raw_genes(draw: st.DrawFn, space: SearchSpace, max_count: int = 8) -> Genes:
    """Gene matrices whose inactive genes hold anything."""
    shape = (draw(st.integers(0, max_count)), space.num_choices)
    columns = [
        draw(hnp.arrays(np.int64, shape[0], elements=st.integers(0, int(n) - 1)))
        for n in space.num_options
    ]
    return np.stack(columns, axis=1).reshape(shape)


def genes(space: SearchSpace, max_count: int = 8) -> st.SearchStrategy[Genes]:
    """Canonical gene matrices of shape (0 to max_count, num_choices)."""
    return raw_genes(space, max_count).map(space.canonical)


def architectures(space: SearchSpace) -> st.SearchStrategy[Architecture]:
    """Valid architectures of a space."""
    row = st.tuples(*[st.integers(0, int(n) - 1) for n in space.num_options])
    return row.map(lambda values: space.decode(np.array(values, dtype=np.int64)))


def outcomes(*metrics: str) -> st.SearchStrategy[Outcome]:
    """All three outcomes; measurements report the given metrics, often with equal values."""
    values = st.one_of(st.integers(-3, 3).map(float), finite_numbers)
    return st.one_of(
        st.fixed_dictionaries(dict.fromkeys(metrics, values)).map(Measured),
        st.sampled_from([Infeasible("does not fit"), Failed("worker died")]),
    )


def loss_matrices(
    num_objectives: int | None = None, max_count: int = 30
) -> st.SearchStrategy[npt.NDArray[np.float64]]:
    """Matrices of losses, many of them on a coarse grid so that ties and duplicates are common."""
    width = st.integers(1, 5) if num_objectives is None else st.just(num_objectives)
    shape = st.tuples(st.integers(0, max_count), width)
    elements = st.one_of(st.integers(0, 4).map(float), st.floats(0, 4, allow_nan=False))
    return shape.flatmap(lambda s: hnp.arrays(np.float64, s, elements=elements))

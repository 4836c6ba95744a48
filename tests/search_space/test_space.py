import pickle

import numpy as np
import pytest
from pydantic import ValidationError

from search_space.space import (
    Architecture,
    Choice,
    Condition,
    InvalidArchitectureError,
    SearchSpace,
)


@pytest.fixture
def space() -> SearchSpace:
    """depth 1 to 3; block 2 and 3 have a kernel; block 3's kernel 5 has a dilation."""
    return SearchSpace(
        "nested",
        [
            Choice(name="depth", options=(1, 2, 3)),
            Choice(name="k2", options=(3, 5), when=Condition(parent="depth", options=(2, 3))),
            Choice(name="k3", options=(3, 5), when=Condition(parent="depth", options=(3,))),
            Choice(name="dilation", options=(1, 2, 4), when=Condition(parent="k3", options=(5,))),
            Choice(name="activation", options=("relu", "gelu")),
        ],
    )


def test_size_counts_only_active_choices(space: SearchSpace) -> None:
    # depth 1: 1; depth 2: 2; depth 3: 2 * (1 + 3) = 8; each with two activations.
    assert space.size == (1 + 2 + 8) * 2


def test_size_equals_the_number_of_distinct_samples(space: SearchSpace) -> None:
    genes = space.sample(5000, np.random.default_rng(0))
    assert len(np.unique(genes, axis=0)) == space.size
    assert len({space.decode(row).digest for row in genes}) == space.size


def test_inactive_genes_do_not_distinguish_architectures(space: SearchSpace) -> None:
    shallow = np.array([[0, 1, 1, 2, 1], [0, 0, 0, 0, 1]])
    assert space.decode(shallow[0]) == space.decode(shallow[1])
    assert np.array_equal(space.canonical(shallow)[0], shallow[1])


def test_encode_and_decode_are_inverse(space: SearchSpace) -> None:
    for row in space.sample(200, np.random.default_rng(1)):
        assert np.array_equal(space.encode(space.decode(row)), row)


def test_sample_is_a_function_of_the_generator(space: SearchSpace) -> None:
    first = space.sample(50, np.random.default_rng(7))
    assert np.array_equal(first, space.sample(50, np.random.default_rng(7)))
    assert not np.array_equal(first, space.sample(50, np.random.default_rng(8)))


def test_each_choice_is_sampled_uniformly(space: SearchSpace) -> None:
    genes = space.sample(30_000, np.random.default_rng(2))
    assert np.bincount(genes[:, 0]) / 30_000 == pytest.approx([1 / 3] * 3, abs=0.02)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"depth": 4, "activation": "relu"}, r"depth must be one of \(1, 2, 3\), got 4"),
        ({"activation": "relu"}, r"depth must be one of \(1, 2, 3\), got None"),
        ({"depth": True, "activation": "relu"}, r"depth must be one of \(1, 2, 3\), got True"),
        (
            {"depth": 1, "k2": 3, "activation": "relu"},
            r"k2 is only a choice when depth is one of \(2, 3\), got 3",
        ),
        (
            {"depth": 1, "width": 8, "activation": "relu"},
            "width is not a choice of space 'nested', got 8",
        ),
    ],
)
def test_invalid_architectures_name_choice_rule_and_value(
    space: SearchSpace, values: dict[str, int | str], message: str
) -> None:
    with pytest.raises(InvalidArchitectureError, match=message):
        space.validate(values)


def test_the_error_crosses_process_boundaries() -> None:
    error = InvalidArchitectureError("depth", "must be one of (1, 2)", 3)
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == "depth must be one of (1, 2), got 3"
    assert (copy.choice, copy.rule, copy.value) == ("depth", "must be one of (1, 2)", 3)


def test_validate_returns_canonical_order_and_the_options_own_values(space: SearchSpace) -> None:
    valid = space.validate({"activation": "relu", "k2": 5.0, "depth": 2})
    assert list(valid) == ["depth", "k2", "activation"]
    assert isinstance(valid["k2"], int)


def test_digest_depends_on_values_and_not_on_their_order() -> None:
    assert Architecture({"a": 1, "b": 2}).digest == Architecture({"b": 2, "a": 1}).digest
    assert Architecture({"a": 1}).digest != Architecture({"a": 2}).digest


def test_space_digest_is_stable_across_processes(space: SearchSpace) -> None:
    # A literal: stored digests must keep their meaning from release to release.
    assert space.digest == SearchSpace("nested", space.choices).digest
    one = SearchSpace("one", [Choice(name="depth", options=(1, 2))])
    assert one.digest == "248251c000181953"


def test_space_digest_depends_on_name_choices_and_fixed_values(space: SearchSpace) -> None:
    digests = {
        space.digest,
        SearchSpace("other", space.choices).digest,
        SearchSpace("nested", space.choices[:-1]).digest,
        SearchSpace("nested", space.choices, fixed={"width": 8}).digest,
    }
    assert len(digests) == 4


def test_smallest_and_largest_are_the_first_and_last_options(space: SearchSpace) -> None:
    assert dict(space.smallest()) == {"depth": 1, "activation": "relu"}
    assert dict(space.largest()) == {
        "depth": 3,
        "k2": 5,
        "k3": 5,
        "dilation": 4,
        "activation": "gelu",
    }


def test_restrict_keeps_digests_and_drops_unreachable_choices(space: SearchSpace) -> None:
    shallow = space.restrict({"depth": (1, 2)})
    assert [choice.name for choice in shallow.choices] == ["depth", "k2", "activation"]
    assert shallow.size == (1 + 2) * 2
    for row in shallow.sample(50, np.random.default_rng(0)):
        architecture = shallow.decode(row)
        assert space.validate(architecture).digest == architecture.digest


def test_restrict_refuses_unknown_choices_and_options(space: SearchSpace) -> None:
    with pytest.raises(ValueError, match="'width' is not a choice of space 'nested'"):
        space.restrict({"width": (1,)})
    with pytest.raises(ValueError, match=r"depth must keep one or more of \(1, 2, 3\), got \(9,\)"):
        space.restrict({"depth": (9,)})


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ([Choice(name="a", options=(1,)), Choice(name="a", options=(2,))], "'a' twice"),
        (
            [Choice(name="a", options=(1,), when=Condition(parent="b", options=(1,)))],
            "when.parent must name an earlier choice, got 'b'",
        ),
        (
            [
                Choice(name="a", options=(1,)),
                Choice(name="b", options=(1,), when=Condition(parent="a", options=(9,))),
            ],
            r"when.options must be among a's \(1,\), got 9",
        ),
    ],
)
def test_spaces_refuse_choices_that_do_not_fit(choices: list[Choice], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SearchSpace("bad", choices)


@pytest.mark.parametrize(
    "options", [(), (1, 1), (float("nan"),), (float("inf"),), (True,), (None,)]
)
def test_choices_refuse_bad_options(options: tuple[object, ...]) -> None:
    with pytest.raises(ValidationError):
        Choice(name="a", options=options)  # type: ignore[arg-type]  # the point of the test

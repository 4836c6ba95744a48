import numpy as np
from hypothesis import given
from strategies import spaces

from search_space.cnn import MobileNetV3Settings
from search_space.features import feature_names, features
from search_space.operators import enumerate_genes
from search_space.space import Choice, Condition, SearchSpace


@given(spaces())
def test_features_are_one_hot_per_active_choice_and_tell_all_architectures_apart(
    space: SearchSpace,
) -> None:
    genes = np.concatenate(list(enumerate_genes(space)))
    encoded = features(space, genes)
    assert encoded.shape == (space.size, int(space.num_options.sum()))
    assert np.array_equal(encoded.sum(axis=1), space.active(genes).sum(axis=1))
    assert len(np.unique(encoded, axis=0)) == space.size


@given(spaces())
def test_each_column_says_which_choice_holds_which_option(space: SearchSpace) -> None:
    row = space.sample(1, np.random.default_rng(0))
    names = np.array(feature_names(space))[features(space, row)[0] > 0]
    assert list(names) == [f"{name}={option}" for name, option in space.decode(row[0]).items()]


def test_ordered_names_have_a_column_for_their_place() -> None:
    names = ("small", "medium", "large")
    other = Choice(name="other", options=(1, 2))
    when = Condition(parent="other", options=(2,))
    sizes = [
        Choice(name="size", options=names, when=when, is_ordered=flag) for flag in (True, False)
    ]
    ordered, plain = (SearchSpace("sizes", (other, size)) for size in sizes)
    assert ordered.digest != plain.digest
    assert (ordered.ordered, plain.ordered) == ([1], [])
    genes = np.concatenate(list(enumerate_genes(ordered)))
    assert feature_names(ordered) == [*feature_names(plain), "size"]
    encoded = features(ordered, genes)
    assert np.array_equal(encoded[:, :-1], features(plain, genes))
    assert sorted(encoded[:, -1]) == [-1, 0, 0, 1]
    kept = ordered.restrict({"size": ["small", "large"]})
    assert kept.choices[1].is_ordered
    assert len(feature_names(kept)) == 4


def test_features_ignore_inactive_genes() -> None:
    space = MobileNetV3Settings.from_preset("digits").build()
    raw = np.random.default_rng(0).integers(0, space.num_options, (50, space.num_choices))
    assert np.array_equal(features(space, raw), features(space, space.canonical(raw)))

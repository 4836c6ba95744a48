import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supernet.schedules.cost_groups import cost_groups, default_gap, group_probabilities


def test_a_group_ends_where_its_first_network_is_exceeded_by_more_than_the_gap() -> None:
    costs = np.array([20, 11, 10, 15, 21, 16, 40])
    # 10 starts a group that takes 11 and 15 (exactly the gap); 16 starts one that takes 20 and 21.
    assert [costs[group].tolist() for group in cost_groups(costs, 5)] == [
        [10, 11, 15],
        [16, 20, 21],
        [40],
    ]


def test_equal_costs_share_a_group_and_a_wide_gap_makes_one() -> None:
    costs = np.array([3, 1, 3, 1, 2])
    assert [group.tolist() for group in cost_groups(costs, 0)] == [[1, 3], [4], [0, 2]]
    assert [group.tolist() for group in cost_groups(costs, 2)] == [[1, 3, 4, 0, 2]]


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=60),
    st.integers(0, 10**9),
)
def test_groups_divide_the_networks_in_ascending_order(costs: list[int], gap: int) -> None:
    array = np.array(costs)
    groups = cost_groups(array, gap)
    together = np.concatenate(groups)
    assert sorted(together) == list(range(len(costs)))
    assert array[together].tolist() == sorted(costs)
    for group, following in zip(groups, [*groups[1:], None], strict=True):
        assert array[group[-1]] - array[group[0]] <= gap
        if following is not None:
            assert array[following[0]] - array[group[0]] > gap


def test_the_default_gap_is_the_published_share_of_the_range() -> None:
    gmacs = np.array([4_600, 9_000, 17_600])  # DeiT3-S to DeiT3-B in millions: a gap of 1,000
    assert default_gap(gmacs) == pytest.approx(1_000)


def test_probabilities_are_uniform_or_the_released_codes() -> None:
    assert group_probabilities(4, None).tolist() == [0.25] * 4
    # i / 10 + 1 / 4 for i = 0 to 3, which sum to 1.6.
    expected = [0.25 / 1.6, 0.35 / 1.6, 0.45 / 1.6, 0.55 / 1.6]
    assert group_probabilities(4, 10.0) == pytest.approx(expected)
    assert group_probabilities(1, 0.5).tolist() == [1.0]

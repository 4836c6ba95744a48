"""Model soups against their definition."""

import pytest
import torch

from supernet.soups import State, average, greedy_soup


def state(value: float) -> dict[str, torch.Tensor]:
    return {"weight": torch.full((2,), value)}


def test_the_average_is_that_of_every_weight() -> None:
    mean = average([state(1.0), state(2.0), state(6.0)])
    assert torch.equal(mean["weight"], torch.full((2,), 3.0))
    assert mean["weight"].dtype == torch.float32


def test_a_run_is_kept_only_if_the_mean_with_it_is_as_good() -> None:
    asked: list[float] = []

    def num_correct(weights: State) -> int:
        value = float(weights["weight"][0])
        asked.append(value)
        return 100 - round(10 * abs(value - 2))  # best at 2

    # By accuracy: 2.5 (95), 1.0 (90), 9.0 (30). With 1.0 the mean is 1.75 (98): kept. With 9.0 it
    # is 4.17 (78): left out.
    soup = greedy_soup([state(9.0), state(1.0), state(2.5)], num_correct)
    assert soup.members == (2, 1)
    assert soup.num_correct == 98
    assert float(soup.state["weight"][0]) == 1.75
    assert asked == pytest.approx([9.0, 1.0, 2.5, 1.75, 12.5 / 3])


def test_a_mean_that_is_just_as_good_is_kept_and_one_run_is_its_own_soup() -> None:
    soup = greedy_soup([state(1.0), state(3.0)], lambda _: 7)
    assert (soup.members, float(soup.state["weight"][0])) == ((0, 1), 2.0)
    alone = greedy_soup([state(1.0)], lambda _: 7)
    assert (alone.members, float(alone.state["weight"][0])) == ((0,), 1.0)

"""Model soups: one network from several fine-tuned runs of it (Wortsman et al. 2022, 2203.05482).

Runs that start from the same weights and differ in their seeds often end in one basin of the loss,
where the mean of their weights is as good as the best of them, or better, at the cost of one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Soup:
    """A mean of some runs' weights.

    Attributes:
        members: positions of the runs that are in it, in the order in which they were taken.
        state: the uniform mean of their weights.
        num_correct: validation images that it classifies rightly.
    """

    members: tuple[int, ...]
    state: dict[str, Tensor]
    num_correct: int


def average(states: Sequence[State]) -> dict[str, Tensor]:
    """Returns the uniform mean of weights, summed in double precision.

    Running statistics are averaged like weights, which fits no network: estimate them anew.

    Args:
        states: one or more state dicts with equal names and shapes, of floating numbers.
    """
    return {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(tensor.dtype)
        for name, tensor in states[0].items()
    }


def greedy_soup(states: Sequence[State], num_correct: Callable[[State], int]) -> Soup:
    """Returns the greedy soup of runs (paper's recipe 1).

    The runs are tried in the order of their validation accuracy, the best first; each is kept if
    the mean with it is at least as accurate on the validation images as the soup without it, as in
    the paper (its released code asks for more than that). So the soup is never less accurate there
    than the best run.

    Args:
        states: weights of the runs, one or more.
        num_correct: validation images that a network with such weights classifies rightly, once its
            batch-norm statistics are its own.
    """
    scores = [num_correct(state) for state in states]
    best, *others = sorted(range(len(states)), key=lambda run: (-scores[run], run))
    soup = Soup((best,), dict(states[best]), scores[best])
    for run in others:
        members = (*soup.members, run)
        mixed = average([states[member] for member in members])
        score = num_correct(mixed)
        if score >= soup.num_correct:
            soup = Soup(members, mixed, score)
    return soup

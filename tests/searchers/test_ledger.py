"""The ledger's last resort: a policy that has nothing new to say."""

import numpy as np
import pytest
from toy_problems import grid, two_losses

from search_space.cnn import MobileNetV3Settings
from search_space.operators import MAX_ENUMERABLE
from search_space.outcomes import Failed, Measured
from search_space.space import Choice, Condition, Genes, SearchSpace
from searchers.ledger import MAX_ENUMERATED, Ledger
from searchers.protocol import Limit, Objective, Observation, Problem
from searchers.random import RandomSettings

SMALL, MEDIUM, LARGE = grid(2, 10), grid(5, 20), MobileNetV3Settings().build()


@pytest.mark.parametrize("space", [SMALL, MEDIUM, LARGE], ids=["small", "medium", "large"])
def test_a_policy_that_repeats_itself_is_completed_by_chance(space: SearchSpace) -> None:
    def stubborn(count: int) -> Genes:
        return np.zeros((count, space.num_choices), dtype=np.int64)

    ledger = Ledger(two_losses(space))
    proposals = ledger.propose(50, stubborn, np.random.default_rng(0))
    assert proposals[0].architecture == space.smallest()
    assert len({proposal.architecture for proposal in proposals}) == 50


def test_the_three_sizes_are_told_apart() -> None:
    assert SMALL.size <= MAX_ENUMERATED < MEDIUM.size <= MAX_ENUMERABLE < LARGE.size


def test_what_is_left_is_drawn_uniformly() -> None:
    # Half of all samples are the shallow network, which is one of five architectures.
    inner = Choice(name="width", options=(1, 2, 3, 4), when=Condition(parent="depth", options=(2,)))
    space = SearchSpace("skewed", [Choice(name="depth", options=(1, 2)), inner])
    first = []
    for seed in range(1000):
        ledger = Ledger(two_losses(space))
        (proposal,) = ledger.propose(
            1, lambda count: np.empty((0, 2), dtype=np.int64), np.random.default_rng(seed)
        )
        first.append(space.encode(proposal.architecture) @ (4, 1))
    shares = np.unique(first, return_counts=True)[1] / 1000
    assert shares == pytest.approx([0.2] * 5, abs=0.05)


def test_measurements_are_kept_in_the_order_of_telling() -> None:
    objectives = (Objective(metric="top1_percent"), Objective(metric="macs"))
    ledger = Ledger(Problem(SMALL, objectives, (Limit(metric="macs", upper=2),)))
    assert ledger.genes.shape == ledger.losses.shape == (0, 2)
    assert ledger.violations.shape == (0,)
    rng = np.random.default_rng(0)
    first, second, third = ledger.propose(3, lambda count: SMALL.sample(count, rng), rng)
    ledger.record([Observation(third, Measured({"top1_percent": 90.0, "macs": 3.0}))])
    ledger.record(
        [
            Observation(second, Failed("worker died")),
            Observation(first, Measured({"top1_percent": 80.0, "macs": 1.0})),
        ]
    )
    measured = [third.architecture, first.architecture]
    assert [SMALL.decode(row) for row in ledger.genes] == measured
    assert ledger.losses.tolist() == [[-90.0, 3.0], [-80.0, 1.0]]
    assert ledger.violations.tolist() == [0.5, 0.0]


@pytest.mark.parametrize("num_widths", [3, 10], ids=["ranked", "too large to be ranked"])
def test_what_chance_does_not_come_to_is_proposed(num_widths: int) -> None:
    # What is below the last of 60 switches is drawn once in 2^60 times.
    when = [None, *(Condition(parent=f"on{i}", options=(1,)) for i in range(60))]
    switches = [Choice(name=f"on{i}", options=(0, 1), when=when[i]) for i in range(60)]
    widths = [
        Choice(name=f"width{i}", options=tuple(range(100)), when=when[60])
        for i in range(num_widths)
    ]
    space = SearchSpace("chain", [*switches, *widths])
    assert (space.size > MAX_ENUMERABLE) == (num_widths == 10)
    proposals = RandomSettings().build(two_losses(space), 0).ask(200)
    assert len({proposal.architecture for proposal in proposals}) == 200

"""Predictions are compared with what was measured later, and with nothing else."""

import numpy as np

from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from search_space.space import Architecture
from searchers.prediction_log import PredictionLog
from searchers.protocol import Observation, PredictionQuality, Proposal

PROPOSALS = [Proposal(number, Architecture({"x": number})) for number in range(8)]
PREDICTED = {"accuracy": np.array([1.0, 2.0, 3.0, 4.0]), "ms": np.array([1.0, 1.0, 1.0, 1.0])}


def measured(accuracy: float) -> Measured:
    return Measured({"accuracy": accuracy, "ms": accuracy, "extra": 0.0})


def observe(numbers: list[int], outcomes: list[Outcome]) -> list[Observation]:
    pairs = zip(numbers, outcomes, strict=True)
    return [Observation(PROPOSALS[number], outcome) for number, outcome in pairs]


def test_a_batch_is_compared_with_what_was_predicted_of_it() -> None:
    log = PredictionLog()
    log.remember(0, PROPOSALS[2:6], PREDICTED)
    assert log.quality() == ()
    log.compare(observe([5, 2, 3, 4], [measured(9), measured(5), measured(7), measured(6)]))
    # Five of six pairs agree: (5 - 1) / 6; equal predictions rank nothing.
    assert log.quality() == (PredictionQuality(2, 4, {"accuracy": 4 / 6, "ms": None}),)


def test_only_what_was_measured_counts() -> None:
    log = PredictionLog()
    log.remember(0, PROPOSALS[:4], PREDICTED)
    outcomes = [measured(1), Failed("worker died"), Infeasible("does not fit"), measured(2)]
    log.compare(observe([0, 1, 2, 3], outcomes))
    assert log.quality() == (PredictionQuality(0, 2, {"accuracy": 1.0, "ms": None}),)


def test_a_batch_may_be_told_in_portions_and_out_of_order() -> None:
    log = PredictionLog()
    log.remember(0, PROPOSALS[:2], {"accuracy": np.array([1.0, 2.0])})
    log.remember(0, PROPOSALS[2:4], {"accuracy": np.array([3.0, 4.0])})  # of the same fit
    log.remember(1, PROPOSALS[4:6], {"accuracy": np.array([2.0, 1.0])})
    log.compare(observe([4, 5], [measured(1), measured(2)]))
    log.compare(observe([3], [measured(8)]))
    later = PredictionQuality(4, 2, {"accuracy": -1.0})
    assert log.quality() == (PredictionQuality(0, 1, {"accuracy": None}), later)
    log.compare(observe([0, 1, 2], [measured(5), measured(6), measured(7)]))
    assert log.quality() == (PredictionQuality(0, 4, {"accuracy": 1.0}), later)


def test_what_was_not_predicted_is_not_compared() -> None:
    log = PredictionLog()
    log.remember(0, [], {"accuracy": np.empty(0)})
    log.compare(observe([0, 1], [measured(1), measured(2)]))
    assert log.quality() == ()

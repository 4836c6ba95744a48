"""What the trials of Ray Tune come to, without Ray: how their reports become results."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from search_space.cnn import MobileNetV3Settings
from supernet.settings import AccuracySettings, TrainingSettings
from workers.standalone import StandaloneJob, TrialLog, scheduler_of, train_standalone


def job(epochs: int = 4, *, use_asha: bool = True) -> StandaloneJob:
    return StandaloneJob(
        name="job",
        network=MobileNetV3Settings.from_preset("digits"),
        architectures={},
        data_path=Path("unused"),
        training=TrainingSettings(epochs=epochs),
        accuracy=AccuracySettings(),
        folder=Path("unused"),
        use_asha=use_asha,
    )


def trial(number: int) -> Any:
    return SimpleNamespace(config={"number": number})


def report(log: TrialLog, number: int, epoch: int, top1_percent: float, **more: Any) -> None:
    result = {"epoch": epoch, "top1_percent": top1_percent, "provenance": {"epoch": epoch}, **more}
    log.on_trial_result(0, [], trial(number), result)


def test_a_trial_has_ended_trained_stopped_or_failed() -> None:
    log = TrialLog(job(epochs=2))
    report(log, 7, 1, 60.0)
    report(log, 7, 2, 70.0)
    log.on_trial_complete(0, [], trial(7))
    report(log, 8, 1, 20.0)
    log.on_trial_complete(0, [], trial(8))
    report(log, 9, 1, 50.0)
    report(log, 9, 0, 0.0, reason="DivergedError: losses")
    log.on_trial_complete(0, [], trial(9))
    log.on_trial_error(0, [], trial(10))
    trained, stopped, diverged, died = log.take()
    assert (trained.number, trained.status, trained.history) == (7, "trained", (60.0, 70.0))
    assert trained.provenance == {"epoch": 2}
    assert (stopped.status, stopped.num_epochs, stopped.history) == ("stopped", 1, (20.0,))
    assert (diverged.status, diverged.reason) == ("failed", "DivergedError: losses")
    assert (diverged.num_epochs, diverged.history) == (1, (50.0,))
    assert (died.number, died.status, died.num_epochs) == (10, "failed", 0)
    assert log.take() == []


def test_a_restarted_trial_repeats_epochs_and_a_resumed_one_lacks_the_first() -> None:
    log = TrialLog(job(epochs=4))
    for epoch, top1_percent in ((2, 50.0), (3, 55.0), (3, 56.0), (4, 60.0)):
        report(log, 0, epoch, top1_percent)
    log.on_trial_complete(0, [], trial(0))
    (result,) = log.take()
    assert (result.num_epochs, result.history) == (4, (50.0, 56.0, 60.0))


def test_what_is_cancelled_has_not_ended() -> None:
    log = TrialLog(job())
    report(log, 0, 1, 50.0)
    log.is_closed = True
    log.on_trial_complete(0, [], trial(0))
    assert log.take() == []


@pytest.mark.parametrize("epochs", [1, 2, 3, 60])
def test_asha_fits_any_number_of_epochs(epochs: int) -> None:
    assert type(scheduler_of(job(epochs))).__name__ == "AsyncHyperBandScheduler"
    assert type(scheduler_of(job(epochs, use_asha=False))).__name__ == "FIFOScheduler"


def test_nothing_to_train_needs_no_cluster() -> None:
    train_standalone(job(), on_result=lambda _: pytest.fail("there is none"))

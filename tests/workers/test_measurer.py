"""The measurement actor: same figures as in this process, and what happens when it is killed."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from processes import worker_pids
from toy_models import conv_chain

from search_space.outcomes import Failed
from workers.measurement import MeasurementCancelledError, MeasurementError
from workers.measurer import RayMeasurer
from workers.protocol import Latency
from workers.settings import LatencySettings

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

QUICK = LatencySettings(repeats=9, finalist_repeats=12, warmup=1, min_sample_ms=0.2)
ACTOR = "_MeasurementActor"


@pytest.fixture(scope="module")
def measurer() -> Iterator[RayMeasurer]:
    measurer = RayMeasurer()
    yield measurer
    measurer.close()


def test_measures_in_an_actor(measurer: RayMeasurer) -> None:
    small, large = conv_chain(1), conv_chain(40)
    first, refused, second = measurer.measure(
        [small, b"no model", large], small, QUICK, seed=0, baseline_ms=1.0
    )
    assert isinstance(first, Latency)
    assert isinstance(second, Latency)
    assert isinstance(refused, Failed)
    assert first.reference_baseline_ms == 1.0
    assert second.latency_ms > 4 * first.latency_ms


def test_finalists(measurer: RayMeasurer) -> None:
    (latency,) = measurer.measure([conv_chain(1)], conv_chain(2), QUICK, seed=0, finalists=True)
    assert isinstance(latency, Latency)
    assert (latency.purpose, latency.repeats) == ("finalist", 12)


def test_errors_keep_their_message(measurer: RayMeasurer) -> None:
    with pytest.raises(MeasurementError, match=r"^the reference network cannot be run"):
        measurer.measure([conv_chain(1)], b"no model", QUICK, seed=0)


def test_a_killed_actor_is_replaced_and_the_batch_measured_again(measurer: RayMeasurer) -> None:
    measurer.measure([], conv_chain(1), QUICK, seed=0)
    (pid,) = worker_pids(ACTOR)
    killer = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
    killer.start()
    slow = QUICK.model_copy(update={"repeats": 900, "min_sample_ms": 1.0})
    (latency,) = measurer.measure([conv_chain(1)], conv_chain(1), slow, seed=0)
    killer.join()
    assert isinstance(latency, Latency)
    assert worker_pids(ACTOR) != [pid]


def test_a_measurement_can_be_cancelled(measurer: RayMeasurer) -> None:
    endless = QUICK.model_copy(update={"repeats": 100_000, "min_sample_ms": 10.0})
    asked = iter([False, True])
    with pytest.raises(MeasurementCancelledError):
        measurer.measure(
            [conv_chain(1)], conv_chain(1), endless, seed=0, should_cancel=lambda: next(asked)
        )
    (latency,) = measurer.measure([conv_chain(1)], conv_chain(1), QUICK, seed=0)
    assert isinstance(latency, Latency)


@pytest.mark.slow
def test_a_network_that_kills_the_actor_fails_alone(measurer: RayMeasurer) -> None:
    """The 'network that kills' is a watcher that shoots whoever measures the slow model."""
    done = threading.Event()

    def shoot_slow_measurements() -> None:
        started: dict[int, float] = {}
        while not done.wait(0.2):
            for pid in worker_pids(f"{ACTOR}.run"):
                if time.monotonic() - started.setdefault(pid, time.monotonic()) > 2.0:
                    os.kill(pid, signal.SIGKILL)

    quick, slow = conv_chain(1), conv_chain(2000, channels=64)
    watcher = threading.Thread(target=shoot_slow_measurements)
    watcher.start()
    try:
        alive, dead = measurer.measure([quick, slow], quick, QUICK, seed=0)
    finally:
        done.set()
        watcher.join()
    assert isinstance(alive, Latency)
    assert alive.num_networks == 1
    assert dead == Failed("worker died while measuring this network alone")

"""Measurement in a Ray actor, one batch at a time."""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import ray

from search_space.outcomes import Failed
from workers import cluster
from workers.measurement import (
    MeasurementCancelledError,
    MeasurementError,
    measure,
    measure_finalists,
)
from workers.protocol import Latency, LatencyOutcome
from workers.settings import LatencySettings

logger = logging.getLogger(__name__)

POLL_S = 0.5


class _MeasurementActor:
    """A worker process that measures; Ray gives it one call at a time."""

    def run(self, measurement: Callable[[], list[LatencyOutcome]]) -> list[LatencyOutcome]:
        return measurement()


class RayMeasurer:
    """Measures batches of networks in an actor of its own, one batch at a time.

    Share one among all jobs of a process, from any of its threads: batches then wait for each
    other. The actor asks Ray for no cores: evaluators hold theirs while they idle, and waiting for
    those would be a deadlock. So the rest of the quiet is for the caller to keep: measure a batch
    when all its evaluations are collected, and train nothing beside it.

    An actor that dies is replaced and its batch measured again. Where it dies again, a network of
    the batch kills it: then each network is measured alone beside the reference network, which
    `num_networks` = 1 in its provenance shows, and the culprit is `Failed`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._actor: Any = None  # started by the first batch

    def measure(
        self,
        models: Sequence[bytes],
        reference: bytes,
        settings: LatencySettings,
        *,
        seed: int,
        baseline_ms: float | None = None,
        finalists: bool = False,
        should_cancel: Callable[[], bool] = lambda: False,
    ) -> list[LatencyOutcome]:
        """Returns latencies as `workers.measurement.measure` does, and `measure_finalists`.

        Args:
            models: as there.
            reference: as there.
            settings: as there.
            seed: as there.
            baseline_ms: as there.
            finalists: whether `measure_finalists` is meant.
            should_cancel: asked now and then.

        Raises:
            MeasurementError: as there.
            MeasurementCancelledError: `should_cancel` said so; the actor was ended.
            RayActorError: Ray itself was lost.
        """
        function = measure_finalists if finalists else measure

        def run(models: Sequence[bytes]) -> list[LatencyOutcome]:
            call = partial(function, models, reference, settings, seed=seed)
            return self._call(partial(call, baseline_ms=baseline_ms), should_cancel)

        for _ in range(2):
            try:
                return run(models)
            except ray.exceptions.RayActorError as error:
                _require_ray(error)
                logger.warning("measurement actor died, starting another: %s", error)
        results: list[LatencyOutcome] = []
        for model in models:
            try:
                alone = run([model])
            except ray.exceptions.RayActorError as error:
                _require_ray(error)
                logger.warning("measurement actor died of one network: %s", error)
                alone = [Failed("worker died while measuring this network alone")]
            if baseline_ms is None and isinstance(alone[0], Latency):
                baseline_ms = alone[0].reference_baseline_ms
            results += alone
        return results

    def _call(
        self, measurement: Callable[[], list[LatencyOutcome]], should_cancel: Callable[[], bool]
    ) -> list[LatencyOutcome]:
        with self._lock:
            if self._actor is None:
                self._actor = ray.remote(_MeasurementActor).options(num_cpus=0).remote()
            call = self._actor.run.remote(measurement)
            try:
                while not ray.wait([call], timeout=POLL_S)[0]:
                    if should_cancel():
                        self._end()
                        raise MeasurementCancelledError("the measurement was cancelled")
                return cast("list[LatencyOutcome]", ray.get(call))
            except ray.exceptions.RayActorError:
                self._actor = None
                raise
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, MeasurementError):
                    raise MeasurementError(str(error.cause)) from error
                raise

    def close(self) -> None:
        """Ends the actor once the batch in it is done; a later batch would start another."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._actor is not None:
            ray.kill(self._actor)
            self._actor = None


def _require_ray(error: ray.exceptions.RayActorError) -> None:
    """Raises the error if no network killed the actor: Ray itself was lost."""
    if not cluster.is_alive():
        raise error

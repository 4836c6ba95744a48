"""Latency of exported networks in ONNX Runtime on this machine.

The networks of one batch are measured together with a reference network: in every round each of
them gives one sample, in an order drawn anew. What disturbs the machine for a while so disturbs all
of them alike, and the reference network tells batches of fast minutes from batches of slow ones.
All are loaded anew several times, because where a network lies in memory matters to its speed, too.

The caller sees to it that nothing else of ours works on the machine meanwhile: it collects all
evaluations of a batch before it measures the batch.
"""

import gc
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from search_space.outcomes import Failed, Infeasible
from workers.failures import is_out_of_memory, summary
from workers.protocol import Latency, LatencyOutcome
from workers.settings import LatencySettings

REFERENCE_COPIES = 3
"""How often the reference network is in a batch: its noise goes into every corrected latency."""


class MeasurementError(RuntimeError):
    """Nothing of this batch can be measured: the reference network or the settings do not work."""


class MeasurementCancelledError(Exception):
    """The measurement was ended because it was asked to."""


def measure(
    models: Sequence[bytes],
    reference: bytes,
    settings: LatencySettings,
    *,
    seed: int,
    baseline_ms: float | None = None,
    purpose: str = "search",
) -> list[LatencyOutcome]:
    """Measures networks, interleaved with each other and with a reference network.

    Args:
        models: serialized ONNX models, each with one float32 input (batch, channels, height, width)
            whose batch is dynamic or equal to the settings' batch size.
        reference: likewise; always the same one in all that is to be compared.
        settings: how to measure.
        seed: draws the input images and the order within each round.
        baseline_ms: `reference_baseline_ms` of the first batch of all that is to be compared; None
            for that first batch.
        purpose: recorded in the provenance.

    Returns:
        One entry per model, in order: its latency, `Infeasible` where memory ran out, `Failed`
        where the runtime refused the model.

    Raises:
        MeasurementError: the reference network cannot be run, or the machine has fewer cores than
            the settings' threads.
    """
    start = time.perf_counter()
    if settings.threads > num_cores():
        raise MeasurementError(
            f"threads must be at most the machine's {num_cores()} cores, got {settings.threads}"
        )
    batch = _Batch([*models, *[reference] * REFERENCE_COPIES], settings, seed)
    for _ in range(settings.sessions):
        batch.run_session()
    references = range(len(models), len(models) + REFERENCE_COPIES)
    for position in references:
        if position in batch.problems:
            reason = batch.problems[position].reason
            raise MeasurementError(f"the reference network cannot be run: {reason}")
    reference_ms = batch.statistic_ms(*references)
    baseline_ms = baseline_ms if baseline_ms is not None else reference_ms
    scale = _Scale(
        factor=baseline_ms / reference_ms if settings.drift_correction else 1.0,
        reference_ms=reference_ms,
        reference_baseline_ms=baseline_ms,
    )
    total_s = time.perf_counter() - start
    return [
        batch.problems.get(position) or _latency(batch, position, scale, total_s, purpose)
        for position in range(len(models))
    ]


def measure_finalists(
    models: Sequence[bytes],
    reference: bytes,
    settings: LatencySettings,
    *,
    seed: int,
    baseline_ms: float | None = None,
) -> list[LatencyOutcome]:
    """Measures the networks of a front once more, all in the same rounds and with more of them.

    Their latencies then differ by what they are, not by when they were first measured. Arguments,
    results and errors as of `measure`.
    """
    longer = settings.model_copy(update={"repeats": settings.finalist_repeats})
    return measure(
        models, reference, longer, seed=seed, baseline_ms=baseline_ms, purpose="finalist"
    )


def describe_device() -> dict[str, Any]:
    """Returns what the machine is, as JSON values."""
    return {
        "processor": _processor_name(),
        "machine": platform.machine(),
        "num_cores": num_cores(),
        "system": platform.platform(),
    }


def num_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")  # Linux; platform.processor() is often empty there
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


@dataclass(frozen=True)
class _Loaded:
    """A network ready to run."""

    session: onnxruntime.InferenceSession
    feed: dict[str, npt.NDArray[np.float32]]

    def sample_ms(self, num_inferences: int) -> float:
        """Returns the mean duration of one inference over so many.

        One more goes before them, not timed: it brings the network back into the caches that other
        networks have used meanwhile.
        """
        run, feed = self.session.run, self.feed
        run(None, feed)
        start = time.perf_counter_ns()
        for _ in range(num_inferences):
            run(None, feed)
        return (time.perf_counter_ns() - start) / num_inferences / 1e6


class _Batch:
    """Networks that are measured together.

    Attributes:
        settings: how to measure.
        problems: why a network (by its position) cannot be measured.
        inferences_per_sample: of each network (by its position), found in its first session.
    """

    def __init__(self, models: Sequence[bytes], settings: LatencySettings, seed: int) -> None:
        self.problems: dict[int, Infeasible | Failed] = {}
        self.inferences_per_sample: dict[int, int] = {}
        self._models = models
        self.settings = settings
        self._rng = np.random.default_rng(seed)
        self._samples_ms: dict[int, list[float]] = {position: [] for position in range(len(models))}

    @property
    def num_measured(self) -> int:
        """Networks without problems, copies of the reference included."""
        return len(self._models) - len(self.problems)

    def samples_ms(self, position: int) -> list[float]:
        """Returns all samples of a network."""
        return self._samples_ms[position]

    def statistic_ms(self, *positions: int) -> float:
        """Returns the settings' figure of all samples of a network and its copies."""
        percentile = {"p10": 10, "median": 50}[self.settings.statistic]
        samples_ms = np.concatenate([self._samples_ms[position] for position in positions])
        return float(np.percentile(samples_ms, percentile))

    def run_session(self) -> None:
        """Loads all networks, warms them up, and takes their samples round after round."""
        loaded = {
            position: network
            for position in range(len(self._models))
            if position not in self.problems and (network := self._load(position)) is not None
        }
        positions = list(loaded)
        num_rounds = -(-self.settings.repeats // self.settings.sessions)
        with _garbage_collector_off():
            for _ in range(num_rounds):
                for index in self._rng.permutation(len(positions)):
                    position = positions[index]
                    sample_ms = loaded[position].sample_ms(self.inferences_per_sample[position])
                    self._samples_ms[position].append(sample_ms)

    def _load(self, position: int) -> _Loaded | None:
        """Returns a network that has run its warm-up; None, noting the problem, if it cannot."""
        try:
            network = _open(self._models[position], self.settings, self._rng)
            if position not in self.inferences_per_sample:
                count = _inferences_lasting(network, self.settings.min_sample_ms)
                self.inferences_per_sample[position] = count
            for _ in range(self.settings.warmup):
                network.sample_ms(self.inferences_per_sample[position])
        except Exception as error:  # onnxruntime's errors have no common base
            if is_out_of_memory(error):
                reason = f"out of memory in ONNX Runtime: {summary(error)}"
                self.problems[position] = Infeasible(reason)
            else:
                reason = f"ONNX Runtime cannot run the network: {summary(error)}"
                self.problems[position] = Failed(reason)
            return None
        return network


def _inferences_lasting(network: _Loaded, duration_ms: float) -> int:
    """Returns a power of two of inferences that take at least so long.

    Doubling also warms up: the first inferences take several times as long as later ones.
    """
    count = 1
    while network.sample_ms(count) * count < duration_ms:
        count *= 2
    return count


@dataclass(frozen=True)
class _Scale:
    """How clock times of a batch become latencies; see `Latency`."""

    factor: float
    reference_ms: float
    reference_baseline_ms: float


def _latency(batch: _Batch, position: int, scale: _Scale, total_s: float, purpose: str) -> Latency:
    samples_ms = batch.samples_ms(position)
    p10, median, p90 = (float(value) for value in np.percentile(samples_ms, (10, 50, 90)))
    raw_ms = batch.statistic_ms(position)
    return Latency(
        latency_ms=raw_ms * scale.factor,
        median_ms=median * scale.factor,
        p10_ms=p10 * scale.factor,
        p90_ms=p90 * scale.factor,
        raw_ms=raw_ms,
        factor=scale.factor,
        reference_ms=scale.reference_ms,
        reference_baseline_ms=scale.reference_baseline_ms,
        repeats=len(samples_ms),
        inferences_per_sample=batch.inferences_per_sample[position],
        total_s=total_s,
        num_networks=batch.num_measured - REFERENCE_COPIES,
        settings=batch.settings.model_dump(mode="json"),
        runtime_version=onnxruntime.__version__,
        device=describe_device(),
        purpose=purpose,
    )


def _open(model: bytes, settings: LatencySettings, rng: np.random.Generator) -> _Loaded:
    """Returns a network with random images to run on."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "1" if settings.spinning else "0"
    )
    options.log_severity_level = 3  # errors; warnings are about models we wrote ourselves
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (declared,) = session.get_inputs()
    shape = (settings.batch_size, *declared.shape[1:])
    return _Loaded(session, {declared.name: rng.standard_normal(shape, dtype=np.float32)})


@contextmanager
def _garbage_collector_off() -> Iterator[None]:
    """Collects first, then keeps the collector from running inside a sample."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()

"""Measures measuring: what a latency costs to obtain, and whether it is the same the next time.

Cost: seconds from an architecture to an ONNX file, written by `supernet.export` and, as the
baseline, by torch's exporter; and to its measured latency, as one of a batch.

Repeatability: networks whose latencies lie within a factor of two are measured on two occasions, in
batches that are drawn anew each time, with pauses between: as a search meets them. Kendall's tau
compares the two rankings, for
- the plain way: the median of one session of each network,
- the 10th percentile of several sessions, as the clock told it,
- the same, corrected by the reference network of each batch: the default settings,
- the default settings with all networks in one interleaved batch: as finalists are measured.
The first three take equally many samples.
"""

import contextlib
import io
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from harness import Figure, parse_arguments, report
from scipy.stats import kendalltau

from search_space.cnn import MobileNetV3Settings
from supernet.base import Supernet
from supernet.export import onnx_model
from supernet.network import Network, fold
from workers.measurement import measure, measure_finalists
from workers.protocol import Latency, LatencyOutcome
from workers.settings import LatencySettings

SEED = 0
WAYS = {
    "plain": LatencySettings(statistic="median", sessions=1, drift_correction=False),
    "default": LatencySettings(),
}
Latencies = list[Latency]


def main() -> None:
    """Measures and prints."""
    arguments = parse_arguments(__doc__)
    torch.set_num_threads(1)
    supernet = Supernet(MobileNetV3Settings.from_preset("digits")).eval()
    figures = _cost(supernet, num_exported=2 if arguments.quick else 6)
    if arguments.quick:
        figures += _repeatability(supernet, num_networks=16, batch_size=4, pause_s=0.5)
    else:
        figures += _repeatability(supernet, num_networks=48, batch_size=8, pause_s=20.0)
    report("Measuring latency", figures, arguments)


def _cost(supernet: Supernet, *, num_exported: int) -> list[Figure]:
    rng = np.random.default_rng(SEED)
    rows = supernet.space.sample(8, rng)
    models, ours_s, torch_s = [], [], []
    for position, row in enumerate(rows):
        start = time.perf_counter()
        network = fold(supernet.extract(supernet.space.decode(row)).eval())
        models.append(onnx_model(network).SerializeToString())
        ours_s.append(time.perf_counter() - start)
        if position < num_exported:
            start = time.perf_counter()
            _export_with_torch(network)
            torch_s.append(time.perf_counter() - start)
    start = time.perf_counter()
    _latencies(measure(models, models[0], LatencySettings(), seed=SEED))
    measured_s = (time.perf_counter() - start) / len(models)
    ours, theirs = statistics.median(ours_s), statistics.median(torch_s)
    return [
        Figure("architecture to ONNX, ours", 1e3 * ours, "ms"),
        Figure("network to ONNX, torch's exporter", 1e3 * theirs, "ms"),
        Figure("speed-up", theirs / ours, "x", ">= 50"),
        Figure("measuring one of 8 networks", 1e3 * measured_s, "ms"),
        Figure("architecture to latency, ours", ours + measured_s, "s", "<= 1"),
        Figure("architecture to latency, torch's exporter", theirs + measured_s, "s"),
    ]


def _export_with_torch(network: Network) -> bytes:
    """Returns the ONNX file that torch's exporter writes, without what it prints."""
    _, channels, height, width = (1, *network.input_shape)
    images = torch.zeros(2, channels, height, width)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False
        )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


def _repeatability(
    supernet: Supernet, *, num_networks: int, batch_size: int, pause_s: float
) -> list[Figure]:
    models = _models_within_factor_of_two(supernet, num_networks)
    reference = models[0]
    rng = np.random.default_rng(SEED + 1)
    occasions: dict[str, list[Latencies]] = {name: [] for name in WAYS}
    finals: list[Latencies] = []
    for seed in range(2):
        for name, found in _occasion(models, reference, rng, batch_size, pause_s).items():
            occasions[name].append(found)
        time.sleep(pause_s)
        baseline_ms = finals[0][0].reference_baseline_ms if finals else None
        measured = measure_finalists(
            models, reference, WAYS["default"], seed=seed, baseline_ms=baseline_ms
        )
        finals.append(_latencies(measured))
        time.sleep(pause_s)
    final_ms, references_ms = (
        [latency.latency_ms for latency in finals[0]],
        [latency.reference_ms for found in occasions["default"] for latency in found],
    )
    return [
        Figure("slowest / fastest of the networks", max(final_ms) / min(final_ms), "x"),
        Figure("slowest / fastest reference", max(references_ms) / min(references_ms), "x"),
        *_agreement("plain", occasions["plain"], lambda latency: latency.raw_ms),
        *_agreement("10th percentile", occasions["default"], lambda latency: latency.raw_ms),
        *_agreement("corrected", occasions["default"], lambda latency: latency.latency_ms),
        *_agreement("finalists", finals, lambda latency: latency.latency_ms),
    ]


def _agreement(
    name: str, occasions: Sequence[Latencies], figure: Callable[[Latency], float]
) -> list[Figure]:
    """Returns how well the latencies of two occasions agree."""
    first, second = (np.array([figure(latency) for latency in found]) for found in occasions)
    tau = float(kendalltau(first, second).statistic)
    difference = 100 * float(np.median(np.abs(np.log(first / second))))
    return [
        Figure(f"Kendall tau, {name}", tau, ""),
        Figure(f"median difference, {name}", difference, "%"),
    ]


def _models_within_factor_of_two(supernet: Supernet, count: int) -> list[bytes]:
    """Returns random networks around the median latency, those in the middle of the range first."""
    rows = supernet.space.sample(3 * count, np.random.default_rng(SEED))
    models = []
    for row in rows:
        network = fold(supernet.extract(supernet.space.decode(row)).eval())
        models.append(onnx_model(network).SerializeToString())
    quick = LatencySettings(repeats=9, min_sample_ms=0.2)
    latencies = _latencies(measure(models, models[0], quick, seed=SEED))
    raw_ms = np.array([latency.raw_ms for latency in latencies])
    distance = np.abs(np.log(raw_ms / np.median(raw_ms)))
    order = np.argsort(distance)[:count]
    return [models[position] for position in order if distance[position] < np.log(2) / 2]


def _occasion(
    models: Sequence[bytes],
    reference: bytes,
    rng: np.random.Generator,
    batch_size: int,
    pause_s: float,
) -> dict[str, Latencies]:
    """Measures all networks in batches drawn at random, each batch in both ways."""
    found: dict[str, dict[int, Latency]] = {name: {} for name in WAYS}
    baselines_ms: dict[str, float] = {}
    order = rng.permutation(len(models))
    for batch in np.array_split(order, range(batch_size, len(order), batch_size)):
        for name, settings in WAYS.items():
            latencies = _latencies(
                measure(
                    [models[position] for position in batch],
                    reference,
                    settings,
                    seed=int(rng.integers(2**32)),
                    baseline_ms=baselines_ms.get(name),
                )
            )
            baselines_ms[name] = latencies[0].reference_baseline_ms
            found[name] |= dict(zip(batch.tolist(), latencies, strict=True))
        time.sleep(pause_s)
    return {name: [found[name][i] for i in range(len(models))] for name in WAYS}


def _latencies(results: Sequence[LatencyOutcome]) -> Latencies:
    for result in results:
        if not isinstance(result, Latency):
            raise RuntimeError(result.reason)
    return [result for result in results if isinstance(result, Latency)]


if __name__ == "__main__":
    main()

"""Latency in ONNX Runtime: what is measured, what is recorded, what is refused."""

import gc

import onnxruntime
import pytest
from toy_models import conv_chain, greedy_model

from search_space.outcomes import Failed, Infeasible, Measured
from workers.measurement import (
    MeasurementError,
    describe_device,
    measure,
    measure_finalists,
    num_cores,
)
from workers.protocol import Latency, with_latency
from workers.settings import LatencySettings

QUICK = LatencySettings(repeats=9, finalist_repeats=12, warmup=1, min_sample_ms=0.2)
SMALL, LARGE = conv_chain(1), conv_chain(40)


def test_a_network_of_forty_times_the_work_is_slower() -> None:
    small, large = measure([SMALL, LARGE], SMALL, QUICK, seed=0)
    assert isinstance(small, Latency)
    assert isinstance(large, Latency)
    assert large.latency_ms > 4 * small.latency_ms
    assert small.p10_ms <= small.median_ms <= small.p90_ms


def test_everything_that_matters_is_recorded() -> None:
    (latency,) = measure([SMALL], LARGE, QUICK, seed=0)
    assert isinstance(latency, Latency)
    provenance = latency.provenance()
    assert provenance["method"] == "measured"
    assert provenance["settings"]["threads"] == 1
    assert provenance["settings"]["batch_size"] == 1
    assert provenance["runtime_version"] == onnxruntime.__version__
    assert provenance["device"] == describe_device()
    assert provenance["repeats"] == 9
    assert provenance["num_networks"] == 1
    assert provenance["purpose"] == "search"
    assert provenance["total_s"] > 0
    assert provenance["raw_ms"] == latency.raw_ms
    assert provenance["settings"]["statistic"] == "p10"
    assert provenance["settings"]["sessions"] == 3


def test_first_batch_is_its_own_baseline() -> None:
    (latency,) = measure([SMALL], LARGE, QUICK, seed=0)
    assert isinstance(latency, Latency)
    assert latency.factor == 1.0
    assert latency.reference_baseline_ms == latency.reference_ms
    assert latency.latency_ms == latency.raw_ms


def test_later_batches_are_scaled_to_the_baseline() -> None:
    (latency,) = measure([SMALL], LARGE, QUICK, seed=0, baseline_ms=100.0)
    assert isinstance(latency, Latency)
    assert latency.factor == pytest.approx(100.0 / latency.reference_ms)
    assert latency.latency_ms == pytest.approx(latency.raw_ms * latency.factor)
    raw = QUICK.model_copy(update={"drift_correction": False})
    (latency,) = measure([SMALL], LARGE, raw, seed=0, baseline_ms=100.0)
    assert isinstance(latency, Latency)
    assert latency.factor == 1.0
    assert latency.reference_baseline_ms == 100.0


def test_the_statistic_is_a_choice() -> None:
    (latency,) = measure([SMALL], LARGE, QUICK, seed=0)
    assert isinstance(latency, Latency)
    assert latency.latency_ms == latency.p10_ms
    median = QUICK.model_copy(update={"statistic": "median"})
    (latency,) = measure([SMALL], LARGE, median, seed=0)
    assert isinstance(latency, Latency)
    assert latency.latency_ms == latency.median_ms


def test_repeats_are_rounded_up_to_whole_sessions() -> None:
    (latency,) = measure([SMALL], SMALL, QUICK.model_copy(update={"repeats": 10}), seed=0)
    assert isinstance(latency, Latency)
    assert latency.repeats == 12


def test_short_inferences_are_gathered_into_one_sample() -> None:
    settings = QUICK.model_copy(update={"min_sample_ms": 5.0})
    (latency,) = measure([SMALL], SMALL, settings, seed=0)
    assert isinstance(latency, Latency)
    assert latency.inferences_per_sample >= 8  # one takes some hundredths of a millisecond
    (latency,) = measure([SMALL], SMALL, QUICK.model_copy(update={"min_sample_ms": 0}), seed=0)
    assert isinstance(latency, Latency)
    assert latency.inferences_per_sample == 1


def test_finalists_get_more_rounds() -> None:
    (latency,) = measure_finalists([SMALL], SMALL, QUICK, seed=0, baseline_ms=1.0)
    assert isinstance(latency, Latency)
    assert (latency.repeats, latency.purpose) == (12, "finalist")
    assert latency.reference_baseline_ms == 1.0


def test_batch_size_is_what_is_measured() -> None:
    (one,) = measure([LARGE], SMALL, QUICK, seed=0)
    (eight,) = measure([LARGE], SMALL, QUICK.model_copy(update={"batch_size": 8}), seed=0)
    assert isinstance(one, Latency)
    assert isinstance(eight, Latency)
    assert eight.raw_ms > 3 * one.raw_ms


def test_a_refused_model_fails_alone() -> None:
    results = measure([b"no model", SMALL], SMALL, QUICK, seed=0)
    assert isinstance(results[0], Failed)
    assert results[0].reason.startswith("ONNX Runtime cannot run the network: InvalidProtobuf")
    assert isinstance(results[1], Latency)
    assert results[1].num_networks == 1


def test_out_of_memory_is_infeasible() -> None:
    (result,) = measure([greedy_model()], SMALL, QUICK, seed=0)
    assert isinstance(result, Infeasible), result
    assert "out of memory" in result.reason


def test_a_refused_reference_stops_the_batch() -> None:
    with pytest.raises(MeasurementError, match="reference network cannot be run"):
        measure([SMALL], b"no model", QUICK, seed=0)


def test_more_threads_than_cores_are_refused() -> None:
    settings = QUICK.model_copy(update={"threads": num_cores() + 1})
    with pytest.raises(MeasurementError, match=f"at most the machine's {num_cores()} cores"):
        measure([SMALL], SMALL, settings, seed=0)


def test_garbage_collector_is_on_again_afterwards() -> None:
    assert gc.isenabled()
    measure([SMALL], SMALL, QUICK, seed=0)
    assert gc.isenabled()


def test_latency_completes_an_outcome() -> None:
    (latency,) = measure([SMALL], SMALL, QUICK, seed=0)
    evaluated = Measured({"top1_percent": 97.0}, {"top1_percent": {"split": "validation"}})
    outcome = with_latency(evaluated, latency)
    assert isinstance(outcome, Measured)
    assert isinstance(latency, Latency)
    assert outcome.metrics == {"top1_percent": 97.0, "latency_ms": latency.latency_ms}
    assert outcome.provenance["latency_ms"] == latency.provenance()
    assert outcome.provenance["top1_percent"] == {"split": "validation"}
    assert with_latency(Failed("worker died"), latency) == Failed("worker died")
    assert with_latency(evaluated, Infeasible("out of memory")) == Infeasible("out of memory")

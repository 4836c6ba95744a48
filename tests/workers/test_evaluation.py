"""The evaluator of architectures: its figures, their provenance, the same in every process."""

import hashlib
import itertools
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch.nn import functional

from search_space.cnn import MobileNetV3Settings
from search_space.costs import costs
from search_space.outcomes import Failed, Measured
from supernet.base import Supernet
from supernet.checkpoints import InvalidSupernetError, save_supernet
from supernet.data import TensorData, resize
from supernet.datasets import DigitsSource, load_source, write_data_set
from supernet.files import sha256_of
from supernet.proxies import proxy_metrics
from supernet.proxy_settings import ProxySettings
from supernet.settings import AccuracySettings
from workers.evaluation import SupernetEvaluatorSpec
from workers.pools import LocalPool, RayPool
from workers.protocol import EvaluationResult, EvaluationTask, WorkerPool
from workers.settings import ResourceSettings

NETWORK = MobileNetV3Settings.from_preset("digits", resolutions=(8, 12))
SPACE = NETWORK.build()
TASKS = [
    EvaluationTask(number, dict(SPACE.decode(row)))
    for number, row in enumerate(SPACE.sample(4, np.random.default_rng(0)))
]


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> SupernetEvaluatorSpec:
    folder = tmp_path_factory.mktemp("evaluation")
    data_path, supernet_path = folder / "digits.safetensors", folder / "supernet.safetensors"
    write_data_set(load_source(DigitsSource(), folder), data_path)
    save_supernet(supernet_path, Supernet(NETWORK, generator=torch.Generator().manual_seed(3)))
    return SupernetEvaluatorSpec(
        supernet_path, data_path, AccuracySettings(calibration_images=100, calibration_seed=5)
    )


@pytest.fixture(scope="module")
def local_results(spec: SupernetEvaluatorSpec) -> dict[int, EvaluationResult]:
    with LocalPool(spec) as pool:
        return evaluate_all(pool, TASKS)


def evaluate_all(pool: WorkerPool, tasks: list[EvaluationTask]) -> dict[int, EvaluationResult]:
    pool.submit(tasks)
    results: dict[int, EvaluationResult] = {}
    while pool.num_pending:
        results |= {result.number: result for result in pool.collect(timeout_s=10)}
    return results


def measured(result: EvaluationResult) -> Measured:
    assert isinstance(result.outcome, Measured), result.outcome
    return result.outcome


def test_costs_are_those_on_paper(local_results: dict[int, EvaluationResult]) -> None:
    for task in TASKS:
        metrics = measured(local_results[task.number]).metrics
        expected = asdict(costs(NETWORK.lower(SPACE.validate(task.architecture))))
        assert {name: metrics[name] for name in expected} == expected


def test_the_model_is_what_was_evaluated(
    spec: SupernetEvaluatorSpec, local_results: dict[int, EvaluationResult]
) -> None:
    data = TensorData.from_file(spec.data_path)
    for task in TASKS:
        result = local_results[task.number]
        assert result.model is not None
        onnx.checker.check_model(onnx.load_from_string(result.model))
        session = onnxruntime.InferenceSession(result.model)
        side = session.get_inputs()[0].shape[2]
        images = resize(data.normalize(data.validation.images), side)
        (logits,) = session.run(None, {"images": images.numpy()})
        num_correct = int((logits.argmax(1) == data.validation.labels.numpy()).sum())
        outcome = measured(result)
        assert outcome.provenance["top1_percent"]["num_correct"] == num_correct
        assert outcome.metrics["top1_percent"] == pytest.approx(100 * num_correct / 397)
        assert outcome.metrics["size_bytes"] == len(result.model)


def test_every_metric_says_how_it_was_obtained(
    spec: SupernetEvaluatorSpec, local_results: dict[int, EvaluationResult]
) -> None:
    outcome = measured(local_results[0])
    assert set(outcome.provenance) == set(outcome.metrics)
    provenance = outcome.provenance["top1_percent"]
    assert provenance["split"] == "validation"
    assert provenance["num_images"] == 397
    assert provenance["calibration"]["num_images"] == 100
    assert provenance["calibration"]["seed"] == 5
    assert provenance["supernet_version"] == sha256_of(spec.supernet_path)
    assert provenance["data_set_version"] == sha256_of(spec.data_path)
    low, high = provenance["interval_percent"]
    assert low < outcome.metrics["top1_percent"] < high


def test_proxies_are_recorded_beside_what_does_not_change(
    spec: SupernetEvaluatorSpec, local_results: dict[int, EvaluationResult]
) -> None:
    proxies = ProxySettings(names=("synflow", "naswot"), batch_size=16, seed=2)
    with LocalPool(replace(spec, proxies=proxies)) as pool:
        results = evaluate_all(pool, TASKS)
    for task in TASKS:
        outcome, plain = measured(results[task.number]), measured(local_results[task.number])
        found = {name: outcome.metrics[name] for name in proxies.names}
        layers = NETWORK.lower(SPACE.validate(task.architecture))
        assert found == proxy_metrics(layers, TensorData.from_file(spec.data_path), proxies)
        assert {**plain.metrics, **found} == outcome.metrics
        how = outcome.provenance["synflow"]
        assert how["settings"]["seed"] == 2
        assert how["data_set_version"] == sha256_of(spec.data_path)
        assert set(outcome.provenance) == set(outcome.metrics)


def test_neither_company_nor_memory_changes_a_result(
    spec: SupernetEvaluatorSpec, local_results: dict[int, EvaluationResult]
) -> None:
    with LocalPool(replace(spec, memory_bytes=2**26)) as pool:
        for tasks in (TASKS[2:], TASKS[:3], TASKS[3:]):
            for number, result in evaluate_all(pool, tasks).items():
                assert result.outcome == local_results[number].outcome
                assert result.model == local_results[number].model


def test_what_the_work_took_comes_with_the_last_of_a_group(spec: SupernetEvaluatorSpec) -> None:
    twice = [*TASKS, replace(TASKS[0], number=4)]
    with LocalPool(replace(spec, memory_bytes=2**26)) as pool:
        results = evaluate_all(pool, twice)
        assert [number for number, one in results.items() if one.report is not None] == [4]
        report = results[4].report
        assert report is not None
        assert (report.networks, report.images, report.dropped) == (5, 5 * 397, 0)
        assert report.block_executions > 0
        assert report.block_executions_saved > 0  # a network that is asked for twice is run once
        assert 0 < report.kept_bytes <= report.peak_bytes <= 2**26
        (again,) = evaluate_all(pool, TASKS[:1]).values()
    assert again.report is not None
    assert again.report.block_executions < report.block_executions / 5
    total = report + again.report
    assert (total.networks, total.images) == (6, 6 * 397)
    assert total.peak_bytes == max(report.peak_bytes, again.report.peak_bytes)


def test_networks_are_sent_only_where_they_are_measured(spec: SupernetEvaluatorSpec) -> None:
    with LocalPool(replace(spec, returns_models=False)) as pool:
        (result,) = evaluate_all(pool, TASKS[:1]).values()
    assert result.model is None
    assert measured(result).metrics["size_bytes"] > 0


def test_a_network_that_misses_its_floor_is_measured_on_the_images_seen(
    spec: SupernetEvaluatorSpec,
) -> None:
    small = spec.accuracy.model_copy(update={"batch_size": 64})
    floors = [None, 99.0, 0.0, 99.0]
    tasks = [replace(t, floor_percent=floor) for t, floor in zip(TASKS, floors, strict=True)]
    with LocalPool(replace(spec, accuracy=small, memory_bytes=2**26)) as pool:
        results = evaluate_all(pool, tasks)
        plain = evaluate_all(pool, TASKS)
    for task in tasks:
        outcome = measured(results[task.number])
        how = outcome.provenance["top1_percent"]
        assert outcome.is_dropped == (task.floor_percent == 99.0)
        if not outcome.is_dropped:
            assert outcome == plain[task.number].outcome  # where it came from tells of no floor
            continue
        assert how["num_images"] in (64, 128, 192)
        assert (how["floor_percent"], how["split_images"]) == (99.0, 397)
        low, high = how["interval_percent"]
        assert low <= outcome.metrics["top1_percent"] <= high < 99.0
        others = measured(plain[task.number]).metrics
        assert {**outcome.metrics, "top1_percent": others["top1_percent"]} == others
    assert sum(r.report.dropped for r in results.values() if r.report is not None) == 2


def test_after_memory_ran_out_nothing_is_kept(
    spec: SupernetEvaluatorSpec,
    local_results: dict[int, EvaluationResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cross_entropy, calls = functional.cross_entropy, itertools.count()

    def torch_on_a_full_machine(*args: Any, **kwargs: Any) -> torch.Tensor:
        if next(calls) == 3:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return cross_entropy(*args, **kwargs)

    with LocalPool(replace(spec, memory_bytes=2**26)) as pool:
        evaluate_all(pool, TASKS[:1])
        monkeypatch.setattr(functional, "cross_entropy", torch_on_a_full_machine)
        results = evaluate_all(pool, TASKS)
    assert next(calls) > 4
    for number, result in results.items():
        assert result.outcome == local_results[number].outcome
        assert result.report is not None  # one by one
        assert result.report.kept_bytes == 0


def test_an_architecture_of_another_space_fails(spec: SupernetEvaluatorSpec) -> None:
    with LocalPool(spec) as pool:
        (result,) = evaluate_all(pool, [EvaluationTask(0, {"resolution": 999})]).values()
    assert isinstance(result.outcome, Failed)
    assert "InvalidArchitectureError" in result.outcome.reason


def test_a_damaged_supernet_is_refused(spec: SupernetEvaluatorSpec, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    path.write_bytes(spec.supernet_path.read_bytes()[:1000])
    with pytest.raises(InvalidSupernetError, match="must be a stored supernet"):
        LocalPool(SupernetEvaluatorSpec(path, spec.data_path, spec.accuracy))


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_ray_workers_say_the_same(
    spec: SupernetEvaluatorSpec, local_results: dict[int, EvaluationResult]
) -> None:
    with RayPool(spec, ResourceSettings(num_workers=2)) as pool:
        results = evaluate_all(pool, TASKS)
    for number, expected in local_results.items():
        assert results[number].outcome == expected.outcome
        assert digest(results[number]) == digest(expected)


def digest(result: EvaluationResult) -> str:
    assert result.model is not None
    return hashlib.sha256(result.model).hexdigest()

"""One contract suite for pools; both pools pass it. What only Ray can do follows."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from toy_models import BrokenSpec, ToySpec

from search_space.outcomes import Failed, Infeasible, Measured
from workers.pools import LocalPool, RayPool
from workers.protocol import (
    EvaluationResult,
    EvaluationTask,
    EvaluatorSpec,
    PoolBusyError,
    PoolCancelledError,
    PoolError,
    WorkerPool,
)
from workers.settings import ResourceSettings


def task(number: int, do: str = "measure", seed: int = 0) -> EvaluationTask:
    return EvaluationTask(number, {"do": do}, seed)


def collect_all(pool: WorkerPool, timeout_s: float = 60.0) -> dict[int, EvaluationResult]:
    results: dict[int, EvaluationResult] = {}
    deadline = time.monotonic() + timeout_s
    while pool.num_pending and time.monotonic() < deadline:
        for result in pool.collect(timeout_s=1.0):
            assert result.number not in results
            results[result.number] = result
    assert pool.num_pending == 0
    return results


def num_calls(folder: Path, number: int) -> int:
    """Returns how often the toy evaluators were called with a task."""
    lines = (folder / "calls").read_text().splitlines()
    return sum(line.split()[0] == str(number) for line in lines)


def groups(folder: Path) -> list[list[int]]:
    """Returns the numbers of the tasks of each call of toy evaluators."""
    lines = (folder / "groups").read_text().splitlines()
    return [[int(number) for number in line.split()] for line in lines]


class PoolContract:
    """Every pool passes these; subclasses say how to make one.

    The tests share one pool, which each leaves as empty as it found it.
    """

    @classmethod
    def make_pool(cls, spec: EvaluatorSpec) -> WorkerPool:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("pool")

    @pytest.fixture(scope="class")
    @classmethod
    def shared_pool(cls, folder: Path) -> Iterator[WorkerPool]:
        with cls.make_pool(ToySpec(folder)) as pool:
            yield pool

    @pytest.fixture
    def pool(self, shared_pool: WorkerPool) -> Iterator[WorkerPool]:
        assert shared_pool.num_pending == 0
        yield shared_pool
        shared_pool.cancel()

    def test_each_task_has_one_result(self, pool: WorkerPool) -> None:
        pool.submit([task(number, seed=number) for number in range(7)])
        assert pool.num_pending == 7
        results = collect_all(pool)
        assert sorted(results) == list(range(7))
        assert all(result.model == b"onnx" for result in results.values())
        reports = [result.report for result in results.values() if result.report is not None]
        assert sum(report.networks for report in reports) == 7
        assert pool.collect(timeout_s=0.1) == []

    def test_results_depend_on_the_task_alone(self, pool: WorkerPool) -> None:
        pool.submit([task(number, seed=number % 3) for number in range(9)])
        results = collect_all(pool)
        for number, result in results.items():
            assert result.outcome == results[number % 3].outcome
        assert results[0].outcome != results[1].outcome

    def test_infeasible_comes_back(self, pool: WorkerPool) -> None:
        pool.submit([task(0, "infeasible")])
        result = collect_all(pool)[0]
        assert (result.number, result.outcome) == (0, Infeasible("too wide"))
        assert result.model is None

    def test_an_error_is_a_failed_outcome_with_its_reason(
        self, pool: WorkerPool, caplog: pytest.LogCaptureFixture
    ) -> None:
        pool.submit([task(0, "raise"), task(1)])
        results = collect_all(pool)
        assert isinstance(results[0].outcome, Failed)
        assert "stage1.depth must be one of (2, 3), got 5" in results[0].outcome.reason
        assert isinstance(results[1].outcome, Measured)
        assert "in evaluate\n" in caplog.text  # the traceback

    def test_out_of_memory_is_infeasible(self, pool: WorkerPool) -> None:
        pool.submit([task(0, "exhaust memory")])
        outcome = collect_all(pool)[0].outcome
        assert isinstance(outcome, Infeasible)
        assert "out of memory" in outcome.reason

    def test_an_error_of_a_group_is_that_of_one_of_its_tasks(
        self, pool: WorkerPool, folder: Path
    ) -> None:
        pool.submit([task(n, "raise" if n == 30 else "measure", seed=n) for n in range(29, 37)])
        results = collect_all(pool)
        assert isinstance(results.pop(30).outcome, Failed)
        assert all(isinstance(result.outcome, Measured) for result in results.values())
        (group,) = [numbers for numbers in groups(folder) if 30 in numbers and len(numbers) > 1]
        assert all([number] in groups(folder) for number in group)

    def test_what_runs_out_of_memory_together_is_tried_one_by_one(
        self, pool: WorkerPool, folder: Path
    ) -> None:
        pool.submit([task(n, "fit alone") for n in range(40, 48)])
        results = collect_all(pool)
        assert all(isinstance(result.outcome, Measured) for result in results.values())
        assert any(len(numbers) > 1 for numbers in groups(folder) if numbers[0] >= 40)

    def test_out_of_memory_is_believed_the_second_time(
        self, pool: WorkerPool, folder: Path
    ) -> None:
        (folder / "fitted").unlink(missing_ok=True)
        pool.submit([task(50, "fit the second time")])
        assert isinstance(collect_all(pool)[50].outcome, Measured)
        assert num_calls(folder, 50) == 2

    def test_numbers_are_unique_until_collected(self, pool: WorkerPool) -> None:
        pool.submit([task(3)])
        with pytest.raises(ValueError, match=r"unique in its pool, got \[3\] again"):
            pool.submit([task(4), task(3)])
        with pytest.raises(ValueError, match=r"got \[5\] again"):
            pool.submit([task(5), task(5)])
        assert sorted(collect_all(pool)) == [3]
        pool.submit([task(3)])
        assert sorted(collect_all(pool)) == [3]

    def test_cancelled_tasks_never_come(self, pool: WorkerPool) -> None:
        pool.submit([task(number) for number in range(20)])
        pool.cancel()
        assert pool.num_pending == 0
        assert pool.collect(timeout_s=0.2) == []
        pool.submit([task(1, seed=5)])
        assert sorted(collect_all(pool)) == [1]

    def test_close_twice_is_harmless(self, tmp_path: Path) -> None:
        pool = self.make_pool(ToySpec(tmp_path))
        pool.close()
        pool.close()

    def test_a_broken_evaluator_is_told_at_once(self) -> None:
        with pytest.raises((PoolError, FileNotFoundError), match=r"moon\.safetensors"):
            self.make_pool(BrokenSpec())


class TestLocalPool(PoolContract):
    @classmethod
    def make_pool(cls, spec: EvaluatorSpec) -> WorkerPool:
        return LocalPool(spec)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
class TestRayPool(PoolContract):
    @classmethod
    def make_pool(cls, spec: EvaluatorSpec) -> WorkerPool:
        return RayPool(spec, ResourceSettings(num_workers=2))

    def test_a_killed_worker_is_replaced_and_its_task_run_again(
        self, pool: WorkerPool, folder: Path
    ) -> None:
        pool.submit([task(100, "die once", seed=7), *(task(n, seed=n) for n in range(101, 106))])
        results = collect_all(pool)
        assert sorted(results) == list(range(100, 106))
        assert all(isinstance(result.outcome, Measured) for result in results.values())
        assert num_calls(folder, 100) == 2

    def test_a_network_that_kills_its_workers_fails_alone(
        self, pool: WorkerPool, folder: Path
    ) -> None:
        pool.submit([task(200, "die"), *(task(number) for number in range(201, 208))])
        results = collect_all(pool)
        assert results[200].outcome == Failed(
            "worker died 3 times while evaluating this architecture"
        )
        assert all(isinstance(results[number].outcome, Measured) for number in range(201, 208))
        assert groups(folder).count([200]) == 3
        assert num_calls(folder, 200) <= 1 + 3  # beside others, then by itself

    def test_a_group_whose_worker_dies_goes_on_one_by_one(self, tmp_path: Path) -> None:
        with RayPool(ToySpec(tmp_path), ResourceSettings()) as pool:
            pool.submit([task(0), task(1, "die"), task(2, "die once"), task(3)])
            results = collect_all(pool)
        assert results[1].outcome == Failed(
            "worker died 3 times while evaluating this architecture"
        )
        assert all(isinstance(results[number].outcome, Measured) for number in (0, 2, 3))
        assert groups(tmp_path) == [[0, 1, 2, 3], [0], [1], [1], [1], [2], [2], [3]]

    def test_neighbours_go_to_one_worker_together(self, pool: WorkerPool, folder: Path) -> None:
        pool.submit([task(number) for number in range(300, 316)])
        collect_all(pool)
        found = [numbers for numbers in groups(folder) if numbers[0] >= 300]
        assert max(map(len, found)) >= 4  # half of one of two workers' runs
        assert all(numbers == list(range(numbers[0], numbers[-1] + 1)) for numbers in found)

    def test_cancel_stops_what_runs(self, pool: WorkerPool) -> None:
        pool.submit([task(0, "sleep"), task(1, "sleep")])
        assert pool.collect(timeout_s=0.5) == []
        pool.cancel()
        pool.submit([task(0)])
        assert sorted(collect_all(pool, timeout_s=30)) == [0]

    def test_threads_are_the_allotted_cpus(self, tmp_path: Path) -> None:
        with RayPool(ToySpec(tmp_path), ResourceSettings(cpus_per_worker=2)) as pool:
            pool.submit([task(0)])
            outcome = collect_all(pool)[0].outcome
        assert isinstance(outcome, Measured)
        assert outcome.provenance == {"threads": 2}

    def test_more_than_the_cluster_has_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(PoolError, match="5 workers of 1 CPUs") as info:
            RayPool(ToySpec(tmp_path), ResourceSettings(num_workers=5), start_timeout_s=3)
        assert not isinstance(info.value, PoolBusyError)

    def test_what_others_hold_is_no_lack(self, pool: WorkerPool, tmp_path: Path) -> None:
        with pytest.raises(PoolBusyError, match="3 workers of 1 CPUs"):
            RayPool(ToySpec(tmp_path), ResourceSettings(num_workers=3), start_timeout_s=2)
        with pytest.raises(PoolCancelledError):
            RayPool(ToySpec(tmp_path), ResourceSettings(num_workers=3), should_cancel=lambda: True)
        await_free_cpus(2)

    def test_closed_pools_give_their_cores_back(self, pool: WorkerPool, tmp_path: Path) -> None:
        assert isinstance(pool, RayPool)  # it holds two of the cluster's four
        await_free_cpus(2)
        other = RayPool(ToySpec(tmp_path), ResourceSettings(cpus_per_worker=2))
        await_free_cpus(0)
        other.close()
        await_free_cpus(2)


def await_free_cpus(count: int) -> None:
    """Ray's books are some tenths of a second behind."""
    deadline = time.monotonic() + 20
    while ray.available_resources().get("CPU", 0) != count:
        assert time.monotonic() < deadline, ray.available_resources()
        time.sleep(0.1)

"""Searches on a supernet as a runner does them, with a pool in this process instead of Ray."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from examples import claim

from search_space.cnn import MobileNetV3Settings
from search_space.outcomes import Measured
from searchers.protocol import Objective
from searchers.replay import Told
from server.artifacts import ArtifactStore
from server.cli.progress import note_of
from server.execution import evaluation
from server.execution.assess import run_assess
from server.execution.context import JobContext, JobStopped, StopFlag
from server.execution.search import run_search
from server.fronts import front_of
from server.main import open_store
from server.routes.jobs import event_view
from server.settings import Settings
from server.store import Artifact, Store
from server.tables import JobRow, SearchRow, SupernetRow
from supernet.base import Supernet
from supernet.checkpoints import save_supernet
from supernet.data import TensorData
from supernet.datasets import DigitsSource, load_source, write_data_set
from supernet.settings import AccuracySettings, TrainingSettings
from supernet.training import train
from workers.pools import LocalPool
from workers.task_queue import MAX_GROUP

NETWORK = MobileNetV3Settings.from_preset(
    "digits",
    resolutions=(8,),
    stages=(
        {"widths": (8, 12), "depths": (1, 2), "kernel_sizes": (3, 5), "expand_ratios": (1, 2)},
        {"widths": (12, 16), "depths": (1, 2), "kernel_sizes": (3, 5), "expand_ratios": (1, 2)},
    ),
    head_width=32,
    final_expand_width=32,
)
SPACE = NETWORK.build()
ACCURACY = AccuracySettings(calibration_images=64, batch_size=128)
SUCCESSIVE = ACCURACY.model_copy(update={"successive": True})
TRAINING = TrainingSettings(epochs=3, batch_size=100, learning_rate=0.05, warmup_epochs=0)
RANDOM = {"kind": "random", "batch_size": 20}
NSGA2 = {"kind": "nsga2", "population_size": 36}


@dataclass(frozen=True)
class Files:
    """Stored files of a data set and of a supernet that is half trained."""

    artifacts: ArtifactStore
    data_set: Artifact
    supernet: Artifact


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("files")
    artifacts = ArtifactStore(folder / "artifacts")
    data_path, path = folder / "digits.safetensors", folder / "supernet.safetensors"
    write_data_set(load_source(DigitsSource(), folder), data_path)
    weights = Supernet(NETWORK, generator=torch.Generator().manual_seed(0))
    train(weights, TensorData.from_file(data_path), TRAINING, seed=0)
    save_supernet(path, weights)
    media_type = "application/vnd.safetensors"
    return Files(
        artifacts, artifacts.add_file(data_path, media_type), artifacts.add_file(path, media_type)
    )


@dataclass(frozen=True)
class World:
    """A service's database, and a supernet in it."""

    settings: Settings
    store: Store
    artifacts: ArtifactStore
    supernet: SupernetRow

    def search(self, accuracy: AccuracySettings, **changes: Any) -> SearchRow:
        objectives = [Objective(metric="top1_percent"), Objective(metric="macs")]
        terms: dict[str, Any] = {
            "name": "x",
            "searcher": RANDOM,
            "objectives": [objective.model_dump(mode="json") for objective in objectives],
            "limits": [],
            "evaluations": 40,
            "resources": {},
            "seed": 0,
        }
        evaluator = {"accuracy": accuracy.model_dump(mode="json"), "latency": None}
        search, _ = self.store.add_search(
            supernet_id=self.supernet.id, evaluator=evaluator, **(terms | changes)
        )
        return search

    def run(
        self, do: Callable[[JobContext], None] = run_search, stop: StopFlag | None = None
    ) -> None:
        job = claim(self.store)
        context = JobContext(job, self.store, self.artifacts, self.settings, stop or StopFlag())
        try:
            do(context)
        except JobStopped:
            self.store.preempt_job(job, "it was asked to")
            raise

    def finished(self, search: SearchRow) -> dict[str, Any]:
        result = self.store.get_search(search.id).result
        assert result is not None
        return dict(result)

    def events(self, job: JobRow | str, kind: str) -> list[dict[str, Any]]:
        job_id = job if isinstance(job, str) else job.id
        events = self.store.job_events(job_id, 0, 1000)
        return [dict(event.data) for event in events if event.type == kind]

    def front(self, search: SearchRow) -> list[tuple[str, dict[str, float]]]:
        _, front = front_of(self.store, self.store.get_search(search.id))
        return [(point.architecture_digest, dict(point.metrics)) for point in front.points]


@pytest.fixture
def world(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(evaluation, "start_pool", lambda _, spec, resources: LocalPool(spec))
    settings = Settings(home=tmp_path / "home")
    store = open_store(settings)
    counts = {"train": 1000, "validation": 397}
    data_set, _ = store.add_data_set("digits", {}, files.data_set, counts, (1, 8, 8), 10)
    space, _ = store.add_space(NETWORK, SPACE)
    names = {"space_id": space.id, "data_set_id": data_set.id}
    supernet, _ = store.add_supernet(name="a", training={}, resources={}, seed=0, **names)
    store.finish_supernet(claim(store), supernet.id, files.supernet, {})
    yield World(settings, store, files.artifacts, store.get_supernet(supernet.id))
    store.close()


class StopAfter(StopFlag):
    """Asks to stop once a condition holds."""

    def __init__(self, condition: Callable[[], bool]) -> None:
        super().__init__()
        self._condition = condition

    def is_set(self) -> bool:
        return self._condition()


def test_each_batch_tells_what_its_evaluation_took(world: World) -> None:
    searcher = {"kind": "random", "batch_size": 40}
    search = world.search(ACCURACY, searcher=searcher, evaluations=50)
    world.run()
    reports = world.events(search.job_id, "evaluated")
    assert [report["networks"] for report in reports] == [40, 10]
    assert [report["images"] for report in reports] == [40 * 397, 10 * 397]
    assert all(report["block_executions_saved"] > 0 for report in reports)
    assert all(0 < report["kept_bytes"] <= report["peak_bytes"] <= 2**29 for report in reports)
    assert "dropped" not in world.finished(search)
    left = [event["evaluating"] for event in world.events(search.job_id, "progress")]
    assert left[:4] == [40, 40 - MAX_GROUP, 0, 10]  # a group is done, then the batch
    event = next(e for e in world.store.job_events(search.job_id, 0, 99) if e.type == "evaluated")
    note = note_of(event_view(event), is_outside=False)
    assert note.startswith("evaluated 40 networks in ")
    assert note.endswith("% of the work shared")


def test_with_successive_evaluation_the_front_is_the_same_for_less(world: World) -> None:
    plain, early, again = (world.search(each) for each in (ACCURACY, SUCCESSIVE, SUCCESSIVE))
    assert plain.evaluator_digest != early.evaluator_digest
    for _ in range(3):
        world.run()
    assert world.front(early) == world.front(plain)
    rows = [point.evaluation for point in world.store.search_points(early.id)]
    dropped = {
        row.architecture_digest
        for row in rows
        if isinstance(row.outcome, Measured) and row.outcome.is_dropped
    }
    assert 5 < len(dropped) < 40
    assert world.finished(early)["dropped"] == len(dropped)
    assert world.finished(early)["counts"]["measured"] == 40
    reports = world.events(early.job_id, "evaluated")
    assert sum(report["dropped"] for report in reports) == len(dropped)
    assert sum(report["images"] for report in reports) < 0.9 * 40 * 397
    assert not dropped & {digest for digest, _ in world.front(early)}
    # Nobody else goes by what was dropped.
    assert world.finished(again)["reused"] == 40 - len(dropped)
    found = {row.architecture_digest for row in world.store.list_evaluations(200).rows}
    assert dropped <= found
    for row in rows:
        how = row.provenance["top1_percent"]
        if row.architecture_digest in dropped:
            assert row.metrics["top1_percent"] < how["floor_percent"]
            assert how["num_images"] < how["split_images"] == 397
            assert row.evaluator_digest != early.evaluator_digest
        else:
            assert (how["num_images"], "floor_percent" in how) == (397, False)


def test_a_search_that_was_stopped_in_a_batch_finds_the_same_floors(world: World) -> None:
    stopped = world.search(SUCCESSIVE, searcher=NSGA2, evaluations=72)
    store = world.store

    def is_in_the_second_batch() -> bool:
        return len(store.list_evaluations(200, search_id=stopped.id).rows) > 36

    with pytest.raises(JobStopped):
        world.run(stop=StopAfter(is_in_the_second_batch))
    # The first group of the batch is on record although none of the batch is told.
    assert len(store.list_evaluations(200, search_id=stopped.id).rows) == 36 + MAX_GROUP
    assert len(store.search_points(stopped.id)) == 36
    world.run()
    assert world.finished(stopped)["dropped"] > 0
    undisturbed = world.search(SUCCESSIVE, searcher=NSGA2, evaluations=72)
    world.run()
    assert world.finished(undisturbed)["dropped"] == world.finished(stopped)["dropped"]
    assert store.search_log(undisturbed.id) == store.search_log(stopped.id)


def test_one_ask_may_be_for_two_hundred(world: World) -> None:
    searcher = {"kind": "random", "batch_size": 200}
    search = world.search(ACCURACY, searcher=searcher, evaluations=200)
    world.run()
    (report,) = world.events(search.job_id, "evaluated")
    assert report["networks"] == 200
    assert report["block_executions_saved"] > report["block_executions"] / 2
    log = world.store.search_log(search.id)
    assert [len(entry.observations) for entry in log if isinstance(entry, Told)] == [200]
    assert world.finished(search)["counts"]["measured"] == 200


def test_memory_changes_no_result_and_no_key(world: World) -> None:
    terms: dict[str, Any] = {"evaluations": 12}
    much = world.search(ACCURACY, resources={"activation_memory_mib": 64}, **terms)
    world.run()
    none = world.search(ACCURACY, resources={"activation_memory_mib": 0}, seed=1, **terms)
    same = world.search(ACCURACY, resources={"activation_memory_mib": 0}, **terms)
    world.run()
    world.run()
    assert much.evaluator_digest == none.evaluator_digest
    assert world.finished(same)["reused"] == 12
    (report,) = world.events(none.job_id, "evaluated")
    assert report["kept_bytes"] == 0


def test_what_was_assessed_is_on_record_group_by_group(world: World) -> None:
    store = world.store
    assessment, job = store.add_assessment(
        supernet_id=world.supernet.id,
        samples=40,
        strata=3,
        accuracy=ACCURACY.model_dump(mode="json"),
        standalone=None,
        resources={},
        seed=0,
    )
    with pytest.raises(JobStopped):
        world.run(run_assess, StopAfter(lambda: bool(store.assessed(assessment.id))))
    first = {row.number: row.created_at for row in store.assessed(assessment.id)}
    assert len(first) == MAX_GROUP
    world.run(run_assess)
    rows = store.assessed(assessment.id)
    assert [row.number for row in rows] == list(range(40))
    assert first.items() <= {row.number: row.created_at for row in rows}.items()
    macs = [row.metrics["macs"] for row in rows]
    assert macs == sorted(macs)
    (report,) = world.events(job, "evaluated")  # of the attempt that came to its end
    assert report["networks"] == 40 - MAX_GROUP

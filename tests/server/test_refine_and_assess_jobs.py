"""A refinement and an assessment as a runner does them, on a real Ray, stopped and gone on with."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from examples import claim

from search_space.cnn import MobileNetV3Settings
from search_space.outcomes import Measured
from search_space.stratified import evenly_spread
from searchers.protocol import Objective, Proposal
from server.artifacts import ArtifactStore
from server.execution.assess import run_assess
from server.execution.context import JobContext, JobStopped, StopFlag
from server.execution.refine import run_refine
from server.main import open_store
from server.settings import Settings
from server.store import Chosen, Store
from server.tables import SearchRow, SupernetRow
from server.training_alone import as_json
from supernet.base import Supernet
from supernet.checkpoints import load_supernet, save_supernet
from supernet.data import TensorData
from supernet.datasets import DigitsSource, load_source, write_data_set
from supernet.evaluate import evaluate_architecture
from supernet.settings import AccuracySettings, TrainingSettings
from supernet.training import train
from workers import cluster
from workers.provenance import accuracy_provenance
from workers.settings import ClusterSettings, LatencySettings, ResourceSettings
from workers.task_queue import MAX_GROUP

# Ray Data, which Ray Train starts, warns of its own defaults.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context"),
]

NETWORK = MobileNetV3Settings.from_preset(
    "digits",
    resolutions=(8,),
    stages=(
        {"widths": (8, 12), "depths": (1, 2), "kernel_sizes": (3, 5), "expand_ratios": (1, 2)},
    ),
    head_width=32,
    final_expand_width=32,
)
SPACE = NETWORK.build()
ACCURACY = AccuracySettings(calibration_images=100)
LATENCY = LatencySettings(repeats=3, finalist_repeats=6, min_sample_ms=0.0)
TRAINING = TrainingSettings(epochs=2, batch_size=100, learning_rate=0.01, warmup_epochs=0)


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    cluster.connect(ClusterSettings(num_cpus=4, num_gpus=0))
    yield
    cluster.disconnect()


@dataclass(frozen=True)
class World:
    """A service's database and files, with a supernet that is half trained."""

    settings: Settings
    store: Store
    artifacts: ArtifactStore
    supernet: SupernetRow

    def context(self, stop: StopFlag | None = None) -> JobContext:
        job = claim(self.store)
        return JobContext(job, self.store, self.artifacts, self.settings, stop or StopFlag())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    settings = Settings(home=tmp_path / "home")
    store = open_store(settings)
    artifacts = ArtifactStore(settings.artifacts_folder)
    data_path, path = tmp_path / "digits.safetensors", tmp_path / "supernet.safetensors"
    write_data_set(load_source(DigitsSource(), tmp_path), data_path)
    stored = artifacts.add_file(data_path, "application/vnd.safetensors")
    data_set, _ = store.add_data_set("digits", {}, stored, {"train": 1000}, (1, 8, 8), 10)
    space, _ = store.add_space(NETWORK, SPACE)
    supernet, _ = store.add_supernet(
        name="a",
        space_id=space.id,
        data_set_id=data_set.id,
        training={},
        resources={},
        seed=0,
    )
    weights = Supernet(NETWORK, generator=torch.Generator().manual_seed(0))
    short = TRAINING.model_copy(update={"learning_rate": 0.05})
    train(weights, TensorData.from_file(data_path), short, seed=0)
    save_supernet(path, weights)
    stored = artifacts.add_file(path, "application/vnd.safetensors")
    store.finish_supernet(claim(store), supernet.id, stored, {})
    yield World(settings, store, artifacts, store.get_supernet(supernet.id))
    store.close()


def ended_search(world: World) -> SearchRow:
    """A search that has observed the smallest network alone, whose accuracy is the real one."""
    store, version = world.store, world.supernet.version
    assert version is not None
    search, _ = store.add_search(
        name="small",
        supernet_id=world.supernet.id,
        searcher={"kind": "random"},
        objectives=[Objective(metric="top1_percent").model_dump(mode="json")],
        limits=[],
        evaluations=1,
        evaluator={
            "accuracy": ACCURACY.model_dump(mode="json"),
            "latency": LATENCY.model_dump(mode="json"),
        },
        resources={},
        seed=0,
    )
    job = claim(store)
    smallest = SPACE.smallest()
    data = TensorData.from_file(world.artifacts.path(job.spec["data_set"]["version"]))
    supernet = load_supernet(world.artifacts.path(version))
    _, accuracy = evaluate_architecture(supernet, smallest, data, ACCURACY)
    provenance = {"top1_percent": accuracy_provenance(accuracy, ACCURACY, version, data)}
    outcome = Measured({"top1_percent": accuracy.top1_percent}, provenance)
    store.record_proposals(job, search.id, [Proposal(0, smallest)])
    row = store.record_evaluation(job, search.id, smallest, outcome)
    # What no real search would do: it has no latency, so the refinement scales to its own.
    store.record_observations(job, search.id, [(0, row.id)])
    store.finish_search(job, search.id, {})
    return search


class StopAfter(StopFlag):
    """Asks to stop once a condition holds."""

    def __init__(self, condition: Any) -> None:
        super().__init__()
        self._condition = condition

    def is_set(self) -> bool:
        return bool(self._condition())


def test_a_refinement_that_was_stopped_goes_on_and_ends_better(
    ray_cluster: None, world: World
) -> None:
    store, search = world.store, ended_search(world)
    smallest = SPACE.smallest()
    found = store.search_points(search.id)[0].evaluation
    figures = {"metrics": found.metrics, "intervals": {}, "provenance": found.provenance}
    refinement, _ = store.add_refinement(
        name="best",
        search_id=search.id,
        chosen=[Chosen(smallest.digest, dict(smallest), figures)],
        selection={},
        training=as_json(TRAINING),
        distillation=1.0,
        runs=2,
        resources=ResourceSettings().model_dump(mode="json"),
        export=True,
        report_test=True,
        seed=4,
    )
    stopped = world.context(StopAfter(lambda: store.fine_tunings(refinement.id)))
    with pytest.raises(JobStopped):
        run_refine(stopped)
    (first,) = store.fine_tunings(refinement.id)
    store.preempt_job(stopped.job, "it was asked to")

    run_refine(world.context())

    runs = store.fine_tunings(refinement.id)
    assert [(run.run, run.seed) for run in runs] == [(0, 4), (1, 5)]
    assert runs[0].version == first.version  # not trained again
    assert runs[1].version != first.version
    (network,) = store.refined_networks(refinement.id)
    assert network.before is not None
    assert network.after is not None
    assert network.soup is not None
    before, after = network.before["metrics"], network.after["metrics"]
    assert before["top1_percent"] == found.metrics["top1_percent"]
    assert after["top1_percent"] > before["top1_percent"]
    assert after["top1_percent"] == network.soup["top1_percent"]
    assert after["top1_percent"] >= max(run.accuracy["top1_percent"] for run in runs)
    assert min(before["latency_ms"], after["latency_ms"]) > 0
    purpose = network.after["provenance"]["latency_ms"]["purpose"]
    assert (purpose, network.after["provenance"]["latency_ms"]["num_networks"]) == ("finalist", 2)

    files = {file["name"]: file for file in network.files}
    assert set(files) == {"network.onnx", "network.safetensors", "card.json"}
    model = onnxruntime.InferenceSession(world.artifacts.path(files["network.onnx"]["sha256"]))
    (logits,) = model.run(None, {"images": np.zeros((1, 1, 8, 8), dtype=np.float32)})
    assert logits.shape == (1, 10)
    assert network.card is not None
    assert network.card["before"] == network.before
    assert network.card["refinement"]["soup"] == network.soup
    assert [run["seed"] for run in network.card["refinement"]["runs"]] == [4, 5]
    result = store.get_refinement(refinement.id).result
    assert result is not None
    assert result["reported"] == smallest.digest
    reading = store.find_test_reading(
        stopped.job.spec["data_set"]["version"], files["network.onnx"]["sha256"]
    )
    assert reading is not None
    assert reading.refinement_id == refinement.id
    assert result["test_report"]["num_correct"] == reading.result["num_correct"]
    assert store.get_job(refinement.job_id).status == "succeeded"


def test_an_assessment_that_was_stopped_goes_on_and_ranks(ray_cluster: None, world: World) -> None:
    store = world.store
    assessment, _ = store.add_assessment(
        supernet_id=world.supernet.id,
        samples=36,
        strata=3,
        accuracy=ACCURACY.model_dump(mode="json"),
        standalone={
            "count": 3,
            "training": as_json(TRAINING),
            "use_asha": True,
            "resources": ResourceSettings(num_workers=2).model_dump(mode="json"),
        },
        resources=ResourceSettings().model_dump(mode="json"),
        seed=0,
    )
    stopped = world.context(StopAfter(lambda: store.assessed(assessment.id)))
    with pytest.raises(JobStopped):
        run_assess(stopped)
    recorded = {row.number: row.created_at for row in store.assessed(assessment.id)}
    assert len(recorded) == MAX_GROUP
    store.preempt_job(stopped.job, "it was asked to")

    def any_alone() -> bool:
        return any(row.standalone is not None for row in store.assessed(assessment.id))

    stopped = world.context(StopAfter(any_alone))
    with pytest.raises(JobStopped):
        run_assess(stopped)
    early = {row.number: row.standalone for row in store.assessed(assessment.id) if row.standalone}
    assert 1 <= len(early) < 3
    store.preempt_job(stopped.job, "it was asked to, again")

    run_assess(world.context())

    rows = store.assessed(assessment.id)
    assert len(rows) == 36
    assert recorded.items() <= {row.number: row.created_at for row in rows}.items()
    macs = [row.metrics["macs"] for row in rows]
    assert macs == sorted(macs)
    assert rows[0].architecture == dict(SPACE.smallest())
    assert rows[-1].architecture == dict(SPACE.largest())
    alone = {row.number: row.standalone for row in rows if row.standalone is not None}
    assert sorted(alone) == evenly_spread(3, 36)
    assert early.items() <= alone.items()
    for result in alone.values():
        assert result["status"] in ("trained", "stopped")
        assert 1 <= len(result["history"]) <= result["epochs"]
        assert result["epochs"] == 2 or result["status"] == "stopped"
        assert result["provenance"]["num_images"] == 397
    summary = store.get_assessment(assessment.id).summary
    assert summary is not None
    shares = [row.metrics["top1_percent"] for row in rows]
    assert min(shares) <= summary["mean_pareto_top1_percent"] <= max(shares)
    counted = summary["standalone"]
    assert counted["num_trained"] == sum(r["status"] == "trained" for r in alone.values()) >= 1
    assert counted["num_trained"] + counted["num_stopped"] == 3
    assert counted["kendall"]["num_pairs"] == counted["num_trained"]
    assert store.get_job(assessment.job_id).status == "succeeded"

"""A stitched training as a runner does it, on a real Ray: stitched once, reported, trained."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch
from examples import claim

from search_space.stitching import StitchSettings
from server.artifacts import ArtifactStore
from server.execution.context import JobContext, JobFailedError, StopFlag
from server.execution.stitching import stitched
from server.execution.train import run_train
from server.main import open_store
from server.settings import Settings
from server.store import Store
from server.tables import SupernetRow
from supernet.base import Supernet
from supernet.checkpoints import load_supernet
from supernet.data import TensorData
from supernet.datasets import DigitsSource, load_source, write_data_set
from supernet.evaluate import evaluate_architecture
from supernet.settings import AccuracySettings, TrainingSettings
from workers import cluster
from workers.settings import ClusterSettings

# Ray Data, which Ray Train starts, warns of its own defaults.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context"),
]

SPACE = StitchSettings.from_preset("tiny", rank=2)
TRAINING = TrainingSettings(epochs=1, batch_size=100, learning_rate=0.001, warmup_epochs=0)


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    cluster.connect(ClusterSettings(num_cpus=4, num_gpus=0))
    yield
    cluster.disconnect()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = open_store(settings)
    yield store
    store.close()


def submitted(store: Store, settings: Settings, folder: Path, second: int = 1) -> SupernetRow:
    """A training that starts from two anchors' weights, the second one of anchor `second`."""
    artifacts = ArtifactStore(settings.artifacts_folder)
    data_path = folder / "digits.safetensors"
    write_data_set(load_source(DigitsSource(), folder), data_path)
    stored = artifacts.add_file(data_path, "application/vnd.safetensors")
    data_set, _ = store.add_data_set("digits", {}, stored, {"train": 1000}, (1, 8, 8), 10)
    files = []
    for number in (0, second):
        anchor = SPACE.anchors[number].network
        weights = Supernet(anchor, generator=torch.Generator().manual_seed(number)).state_dict()
        safetensors.torch.save_file(weights, folder / "anchor")
        files.append(artifacts.add_file(folder / "anchor", "application/vnd.safetensors"))
    space, _ = store.add_space(SPACE, SPACE.build())
    anchors = [{"kind": "weights", "path": "x", "version": file.sha256} for file in files]
    row, _ = store.add_supernet(
        name="a",
        space_id=space.id,
        data_set_id=data_set.id,
        training=TRAINING.model_dump(mode="json"),
        resources={"num_workers": 1, "cpus_per_worker": 1},
        seed=0,
        start={"kind": "anchors", "anchors": anchors, "images": 50, "seed": 0, "ridge": 0.0},
        start_files=files,
    )
    return row


def context(store: Store, settings: Settings) -> JobContext:
    artifacts = ArtifactStore(settings.artifacts_folder)
    return JobContext(claim(store), store, artifacts, settings, StopFlag())


def test_a_stitched_supernet_is_stitched_once_reported_and_trained(
    ray_cluster: None, store: Store, settings: Settings, tmp_path: Path
) -> None:
    row = submitted(store, settings, tmp_path)
    job = context(store, settings)
    start = stitched(job, SPACE)
    report = store.stitches(row.job_id)
    assert report is not None
    supernet = load_supernet(start.path)
    data = TensorData.from_file(tmp_path / "digits.safetensors")
    assert [each["route"] for each in report["networks"]] == list(SPACE.build().choices[0].options)
    for network in report["networks"]:
        architecture = supernet.space.validate({"route": network["route"]})
        _, accuracy = evaluate_architecture(supernet, architecture, data, AccuracySettings())
        assert network["top1_percent"] == pytest.approx(accuracy.top1_percent, abs=0.3)
        assert network["num_images"] == 397
    assert [fit["layer"] for fit in report["layers"]] == [
        layer.name for layer in SPACE.stitch_layers()
    ]

    run_train(job)  # as a later attempt would: nothing of the above is done again
    trained = store.get_supernet(row.id)
    assert trained.version is not None
    kinds = [event.type for event in store.job_events(row.job_id, 0, 1000)]
    assert [kinds.count(kind) for kind in ("stitching", "evaluating_stitches", "stitches")] == [
        1
    ] * 3
    final = load_supernet(job.artifacts.path(trained.version)).state_dict()
    for layer in SPACE.stitch_layers():
        name = f"{layer.name}.weight"
        assert torch.equal(final[name], supernet.state_dict()[name])
        assert final[f"{layer.name}.low_rank_up"].norm() > 0


def test_an_anchor_s_file_that_does_not_fit_fails_the_job_with_its_name(
    ray_cluster: None, store: Store, settings: Settings, tmp_path: Path
) -> None:
    submitted(store, settings, tmp_path, second=0)
    with pytest.raises(JobFailedError, match=r"anchors\.1\.tensors must be those of the anchor"):
        stitched(context(store, settings), SPACE)

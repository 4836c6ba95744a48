"""Where trainings start, from the request to the filled supernet."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from alembic import command
from alembic.config import Config
from examples import (
    SPACE_SETTINGS,
    add_data_set,
    add_supernet,
    artifact,
    claim,
    trained_supernet,
)
from live import Live
from torch import Tensor

from server import schema
from server.artifacts import ArtifactStore
from server.database import open_engine
from server.execution.train import starting_point
from server.settings import Settings
from server.store.resources import SCRATCH
from supernet.base import Supernet
from supernet.checkpoints import save_supernet
from supernet.files import sha256_of

Write = Callable[[Path, Supernet], Any]


def drawn(seed: int, num_classes: int = 10) -> Supernet:
    settings = SPACE_SETTINGS.model_copy(update={"num_classes": num_classes})
    return Supernet(settings, generator=torch.Generator().manual_seed(seed))


def weights(path: Path, supernet: Supernet) -> None:
    safetensors.torch.save_file(supernet.state_dict(), path)


def once_for_all(path: Path, supernet: Supernet) -> None:
    """Writes what needs no other names: enough to be told from other files."""
    torch.save(supernet.state_dict(), path)


def submit(live: Live, **body: Any) -> dict[str, Any]:
    body = {
        "name": "second",
        "data_set": add_data_set(live.store).id,
        "training": {"batch_size": 8},
        **body,
    }
    response = live.client.post("/v1/supernets", json=body)
    assert response.status_code == 202, response.text
    answer: dict[str, Any] = response.json()
    return answer


def filled(live: Live, num_classes: int = 10) -> dict[str, Tensor]:
    """What the job that is next in line would begin with, its own weights drawn from seed 5."""
    start = starting_point(
        claim(live.store).spec["start"], ArtifactStore(live.settings.artifacts_folder)
    )
    assert start is not None
    supernet = drawn(5, num_classes)
    start.apply(supernet)
    return supernet.state_dict()


def test_a_training_starts_from_scratch_unless_told_otherwise(sqlite_live: Live) -> None:
    answer = submit(sqlite_live, space={"kind": "mobilenetv3", "preset": "digits"})
    assert answer["start"] == {"kind": "scratch"}
    job = claim(sqlite_live.store)
    assert job.spec["start"] == {"kind": "scratch"}
    assert starting_point(SCRATCH, ArtifactStore(sqlite_live.settings.artifacts_folder)) is None


def test_an_earlier_supernet_with_other_classes(live: Live, tmp_path: Path) -> None:
    store, artifacts = live.store, ArtifactStore(live.settings.artifacts_folder)
    first, _ = add_supernet(store)
    save_supernet(tmp_path / "trained", drawn(1))
    artifact = artifacts.add_file(tmp_path / "trained", "application/octet-stream")
    store.finish_supernet(claim(store), first.id, artifact, {})

    live.settings.data_folder.mkdir()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 8, 8), dtype=np.uint8)
    np.savez(live.settings.data_folder / "mine.npz", images=images, labels=np.arange(60) % 3)
    source = {"kind": "arrays", "path": "mine.npz"}
    data_set = live.client.post("/v1/data-sets", json={"name": "mine", "source": source}).json()
    answer = submit(
        live,
        space={"kind": "mobilenetv3", "preset": "digits", "num_classes": 3},
        data_set=data_set["id"],
        start={"kind": "supernet", "supernet": first.id},
    )

    expected = {"kind": "supernet", "supernet": first.id, "version": artifact.sha256}
    assert answer["start"] == expected
    assert live.client.get(f"/v1/supernets/{answer['id']}").json()["start"] == expected
    found, trained, own = filled(live, 3), drawn(1).state_dict(), drawn(5, 3).state_dict()
    for name, tensor in found.items():
        wanted = own if name.startswith("classifier.") else trained
        assert torch.equal(tensor, wanted[name]), name


@pytest.mark.parametrize(("kind", "write"), [("weights", weights), ("once_for_all", once_for_all)])
def test_a_file_is_kept_as_it_was_when_the_training_was_submitted(
    sqlite_live: Live, kind: str, write: Write
) -> None:
    folder = sqlite_live.settings.data_folder
    folder.mkdir()
    path = folder / "largest"
    write(path, drawn(1))
    version = sha256_of(path)
    answer = submit(
        sqlite_live,
        space=SPACE_SETTINGS.model_dump(mode="json"),
        start={"kind": kind, "path": "largest"},
    )
    assert answer["start"] == {"kind": kind, "path": "largest", "version": version}
    path.unlink()
    wanted = drawn(1).state_dict()
    for name, tensor in filled(sqlite_live).items():
        assert torch.equal(tensor, wanted[name]), name


def test_supernets_of_before_were_trained_from_scratch(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    engine = open_engine(settings)
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    with engine.execution_options(writes=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    with sqlite3.connect(tmp_path / "espalier.db") as raw:
        raw.execute(
            "INSERT INTO supernets (id, name, space_id, data_set_id, training, resources, seed,"
            " job_id, created_at) VALUES ('net_1', 'old', 's', 'd', '{}', '{}', 0, 'j',"
            " '2026-01-01 00:00:00')"
        )
    raw.close()
    schema.upgrade(engine)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT start FROM supernets").scalar_one()
    engine.dispose()
    assert found == '{"kind": "scratch"}'


def test_a_student_names_its_teacher_by_version(sqlite_live: Live) -> None:
    teacher = trained_supernet(sqlite_live.store)
    smallest = dict(SPACE_SETTINGS.build().smallest())
    schedule = {"kind": "single", "architecture": smallest, "distillation": 1.0}
    answer = submit(
        sqlite_live,
        space=SPACE_SETTINGS.model_dump(mode="json"),
        training={"batch_size": 8, "schedule": schedule},
        teacher=teacher.id,
    )
    expected = {"supernet": teacher.id, "version": teacher.version}
    assert answer["teacher"] == expected
    assert claim(sqlite_live.store).spec["teacher"] == expected


def test_a_training_waits_for_the_supernet_that_it_starts_or_is_distilled_from(
    sqlite_live: Live,
) -> None:
    store, client = sqlite_live.store, sqlite_live.client
    first, training = add_supernet(store)
    smallest = dict(SPACE_SETTINGS.build().smallest())
    schedule = {"kind": "single", "architecture": smallest, "distillation": 1.0}
    answer = submit(
        sqlite_live,
        space=SPACE_SETTINGS.model_dump(mode="json"),
        training={"batch_size": 8, "schedule": schedule},
        start={"kind": "supernet", "supernet": first.id},
        teacher=first.id,
    )
    start = {"kind": "supernet", "supernet": first.id}
    teacher = {"supernet": first.id}
    assert answer["start"] == start | {"version": None}
    assert answer["teacher"] == teacher | {"version": None}
    assert client.get(f"/v1/jobs/{answer['job']}").json()["after"] == [training.id]
    job = claim(store)
    assert job.id == training.id
    assert store.claim_job("another", 60.0, ["train"]) is None
    store.finish_supernet(job, first.id, artifact("e"), {})

    spec = claim(store).spec
    shown = client.get(f"/v1/supernets/{answer['id']}").json()
    for found in (spec, shown):
        assert found["start"] == start | {"version": "e" * 64}
        assert found["teacher"] == teacher | {"version": "e" * 64}

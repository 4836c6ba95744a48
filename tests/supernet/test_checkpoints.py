import logging
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from supernet_examples import SETTINGS, random_architectures, random_images, small_supernet

from supernet.base import Supernet
from supernet.checkpoints import (
    CheckpointFolder,
    CheckpointMismatchError,
    InvalidSupernetError,
    TrainingState,
    load_supernet,
    save_supernet,
)

IDENTITY = {"space": "abc", "settings": "def", "seed": 1}


def state(step: int, value: float = 0.0) -> TrainingState:
    model, optimizer = {"a.weight": torch.full((3,), value)}, {"a.weight": torch.ones(3)}
    return TrainingState(
        IDENTITY,
        step,
        (0.1, 2.0),
        {"scale": 4.0},
        model,
        optimizer,
        average={"a.weight": torch.zeros(3)},
        teacher={"b.weight": torch.full((2,), 5.0)},
    )


def test_a_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "new")
    assert folder.newest(IDENTITY) is None
    folder.save(state(7, 1.5))
    found = folder.newest(IDENTITY)
    assert found is not None
    assert (found.step, found.sums, found.identity) == (7, (0.1, 2.0), IDENTITY)
    assert torch.equal(found.model["a.weight"], torch.full((3,), 1.5))
    assert torch.equal(found.optimizer["a.weight"], torch.ones(3))
    assert torch.equal(found.average["a.weight"], torch.zeros(3))
    assert torch.equal(found.teacher["b.weight"], torch.full((2,), 5.0))
    assert found.loss_scale == {"scale": 4.0}


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_the_newest_are_kept(tmp_path: Path, kept: int) -> None:
    folder = CheckpointFolder(tmp_path, kept=kept)
    for step in (5, 10, 15, 20, 15):
        folder.save(state(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"attempt000000-step0000000{step}.safetensors" for step in (10, 15, 20)[-kept:]
    ]
    folder.save(state(25))
    found = folder.newest(IDENTITY)
    assert found is not None
    assert found.step == 25


def test_what_a_killed_attempt_left_half_written_is_cleared(tmp_path: Path) -> None:
    earlier = tmp_path / ".attempt000000-step000000005.safetensors.77.partial"
    later = tmp_path / ".attempt000002-step000000005.safetensors.78.partial"
    for leftover in (earlier, later):
        leftover.write_bytes(b"half")
    CheckpointFolder(tmp_path, 1).save(state(5))
    assert not earlier.exists()
    assert later.exists()


def test_an_abandoned_attempt_neither_sees_nor_deletes_what_its_successor_wrote(
    tmp_path: Path,
) -> None:
    old, new = CheckpointFolder(tmp_path, 1), CheckpointFolder(tmp_path, 2)
    old.save(state(5))
    found = new.newest(IDENTITY)
    assert found is not None
    assert found.step == 5
    new.save(state(6))
    for step in (10, 15, 20):
        old.save(state(step))
    for folder, step in ((old, 20), (new, 6)):
        found = folder.newest(IDENTITY)
        assert found is not None
        assert found.step == step


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_truncated_checkpoint_is_skipped(
    tmp_path: Path, length: int, caplog: pytest.LogCaptureFixture
) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.save(state(5))
    path = folder.save(state(10))
    path.write_bytes(path.read_bytes()[:length])
    with caplog.at_level(logging.WARNING):
        found = folder.newest(IDENTITY)
    assert found is not None
    assert found.step == 5
    assert path.name in caplog.text


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.save(state(5))
    for name, expected in (("space", "xyz"), ("settings", "uvw"), ("seed", 2)):
        with pytest.raises(CheckpointMismatchError) as caught:
            folder.newest({**IDENTITY, name: expected})
        assert (caught.value.field, caught.value.expected) == (name, expected)
        assert repr(expected) in str(caught.value)
        assert repr(IDENTITY[name]) in str(caught.value)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


FULL_DISK = """
import pathlib, sys, torch
from supernet.checkpoints import CheckpointFolder, CheckpointWriteError, TrainingState
folder = CheckpointFolder(pathlib.Path(sys.argv[1]))
small = {"w": torch.zeros(1000)}
folder.save(TrainingState({}, 1, model=small))
try:
    folder.save(TrainingState({}, 2, model={"w": torch.zeros(1_000_000)}))
except CheckpointWriteError as error:
    print(error)
assert folder.newest({}).step == 1
print(sorted(path.name for path in folder.path.iterdir()))
"""


def check_full_disk(printed: str, reason: str) -> None:
    message, files = printed.splitlines()
    assert f"checkpoint could not be written ({reason})" in message
    assert "attempt000000-step000000002" in message
    assert files == "['attempt000000-step000000001.safetensors']"


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare to mount a small file system")
    mount = f"mount -t tmpfs -o size=200k tmpfs {tmp_path}"
    unshared = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*unshared, mount], capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small file system in a name space of its own")
    command = [*unshared, f'{mount} && exec "$@"', "sh", sys.executable, "-c", FULL_DISK, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check_full_disk(done.stdout, "No space left on device")


def test_a_limit_on_file_size_leaves_the_previous_checkpoint(tmp_path: Path) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
    command = [sys.executable, "-c", limited + FULL_DISK, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check_full_disk(done.stdout, "File too large")


def test_a_stored_supernet_comes_back_and_its_version_names_it(tmp_path: Path) -> None:
    supernet = small_supernet()
    version = save_supernet(tmp_path / "a", supernet)
    assert save_supernet(tmp_path / "b", supernet) == version
    assert save_supernet(tmp_path / "c", small_supernet(1)) != version
    loaded = load_supernet(tmp_path / "a")
    assert loaded.settings == SETTINGS
    assert not loaded.training
    for architecture in random_architectures(supernet.space, 3):
        x = random_images(architecture)
        assert torch.equal(loaded(x, architecture), supernet(x, architecture))


def test_a_restricted_supernet_comes_back_restricted(tmp_path: Path) -> None:
    smallest = small_supernet().space.smallest()
    alone = Supernet(SETTINGS, allowed={name: [value] for name, value in smallest.items()})
    save_supernet(tmp_path / "a", alone)
    loaded = load_supernet(tmp_path / "a")
    assert loaded.space.digest == alone.space.digest
    assert loaded.allowed == alone.allowed


def test_what_is_no_stored_supernet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    save_supernet(path, small_supernet())
    path.write_bytes(path.read_bytes()[:-4])
    checkpoint = CheckpointFolder(tmp_path / "folder").save(state(1))
    for bad in (path, tmp_path / "missing", checkpoint):
        with pytest.raises(InvalidSupernetError, match="must be a stored supernet"):
            load_supernet(bad)

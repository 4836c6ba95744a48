"""Beyond one machine: an existing cluster of two nodes, and what all nodes must see."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from two_nodes import NUM_TASKS

from supernet.settings import AccuracySettings
from workers.evaluation import SupernetEvaluatorSpec
from workers.sharing import NotSharedError, check_marked, mark
from workers.train_worker import would_repeat


@pytest.mark.slow
@pytest.mark.ray
def test_a_node_of_an_existing_cluster_dies_and_its_work_is_done_on_the_other(
    tmp_path: Path,
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    ended = subprocess.run(
        [sys.executable, Path(__file__).with_name("two_nodes.py"), tmp_path / "found"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads((tmp_path / "found").read_text())
    assert found == {"cpus": 2, "numbers": list(range(NUM_TASKS)), "nodes": 2}
    assert "worker died in task" in ended.stderr


def test_a_worker_that_cannot_see_a_file_says_which_and_what_to_do(tmp_path: Path) -> None:
    supernet = tmp_path / "supernet"
    spec = SupernetEvaluatorSpec(supernet, tmp_path / "data", AccuracySettings())
    with pytest.raises(NotSharedError) as info:
        spec.build(1)
    message = str(info.value)
    assert message.startswith(f"node {socket.gethostname()} cannot see {supernet}: ")
    assert "ESPALIER_HOME must be a folder that all nodes of the Ray cluster share" in message


def test_a_folder_of_the_same_name_elsewhere_is_not_the_job_s(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    elsewhere.mkdir()
    mark(here, 3)
    check_marked(here, 3)
    for folder, attempt in ((elsewhere, 3), (here, 4)):
        with pytest.raises(NotSharedError) as info:
            check_marked(folder, attempt)
        assert would_repeat(info.value)  # so that the training fails at once, with this message

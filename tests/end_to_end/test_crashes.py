"""Kills real processes of a real service in the middle of its work and starts them again."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from service_process import (
    TINY_SPACE,
    RayHead,
    Service,
    descendants,
    find_process,
    wait_until,
)

from search_space.families import space_settings
from search_space.family import NetworkSettings
from searchers.nsga2 import NSGA2Settings
from searchers.protocol import Limit, Objective, Observation, Problem
from searchers.replay import Asked, Told
from server.database import open_engine
from server.settings import Settings
from server.store import Store
from supernet.base import Supernet
from supernet.checkpoints import save_supernet
from supernet.data import TensorData
from supernet.settings import TrainingSettings
from supernet.training import train

pytestmark = [pytest.mark.slow, pytest.mark.ray]

TRAINING = {"epochs": 12, "checkpoint_every_epochs": 2}
EVALUATIONS, BATCH = 40, 5


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayHead]:
    """A Ray cluster that is not started yet."""
    head = RayHead(tmp_path_factory.mktemp("ray"))
    yield head
    head.kill()


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
    head: RayHead,  # outlives the service
) -> Iterator[tuple[Service, dict[str, Any]]]:
    """A service, and the supernet that it trained although all its processes were killed."""
    service = Service(tmp_path_factory.mktemp("service") / "home")
    service.start()
    try:
        data_set = service.post("/v1/data-sets", {"name": "digits", "source": {"kind": "digits"}})
        body = {"name": "tiny", "space": TINY_SPACE, "data_set": data_set["id"], "seed": 3}
        supernet = service.post("/v1/supernets", {**body, "training": TRAINING})
        job = supernet["job"]
        service.wait_for_progress(job, 5)
        family = [pid for pid, _ in descendants(service.pid)]
        service.kill()
        wait_until(lambda: not any(map(is_alive, family)), 30, lambda: f"alive: {family}")
        head.start()
        service.start(**head.variables)  # and with another Ray
        service.wait_for_job(job)
        yield service, service.get(f"/v1/supernets/{supernet['id']}")
    finally:
        service.stop()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_a_training_whose_processes_were_killed_ends_with_the_same_weights(
    trained: tuple[Service, dict[str, Any]], tmp_path: Path
) -> None:
    service, supernet = trained
    data_set = service.get(f"/v1/data-sets/{supernet['data_set']}")
    version = data_set["version"]
    settings = space_settings(TINY_SPACE)
    assert isinstance(settings, NetworkSettings)
    undisturbed = Supernet(settings, generator=torch.Generator().manual_seed(3))
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as many as the worker had: sums of floats depend on it
    try:
        train(
            undisturbed,
            TensorData.from_file(service.home / "artifacts" / version[:2] / version),
            TrainingSettings.model_validate(TRAINING),
            seed=3,
        )
    finally:
        torch.set_num_threads(num_threads)
    assert supernet["version"] == save_supernet(tmp_path / "undisturbed", undisturbed)


def test_a_killed_training_resumes_from_its_checkpoints(
    trained: tuple[Service, dict[str, Any]],
) -> None:
    service, supernet = trained
    job = service.job(supernet["job"])
    assert job["attempt"] == 2
    events = all_events(service, supernet["job"])
    first_epochs = {}
    for event in events:
        if event["type"] == "progress":
            first_epochs.setdefault(event["attempt"], event["data"]["done"])
    assert first_epochs[2] > 4  # where a checkpoint was, not at the start


def test_a_search_loses_and_repeats_nothing_when_its_processes_are_killed(
    trained: tuple[Service, dict[str, Any]], head: RayHead
) -> None:
    service, supernet = trained
    body = {
        "name": "killed",
        "supernet": supernet["id"],
        "searcher": {"kind": "nsga2", "population_size": BATCH},
        "objectives": [{"metric": "top1_percent"}, {"metric": "latency_ms"}],
        "limits": [{"metric": "latency_ms", "upper": 10.0}],
        "evaluations": EVALUATIONS,
        "evaluator": {"latency": {"repeats": 9, "finalist_repeats": 12}},
        "seed": 1,
    }
    search = service.post("/v1/searches", body)
    job, evaluations = search["job"], f"/v1/searches/{search['id']}/evaluations"
    committed: dict[str, Any] = {}

    def remember() -> None:
        for item in all_items(service, evaluations):
            evaluation = item["evaluation"]
            committed[evaluation["architecture_digest"]] = evaluation

    service.wait_for_progress(job, 5)
    remember()
    kill(find_process(head.pid, "_EvaluationActor"))
    service.wait_for_progress(job, 15)
    remember()
    kill(find_process(service.pid, "server.supervised"))
    service.wait_for_progress(job, 25)
    remember()
    attempt = service.job(job)["attempt"]
    head.kill()
    head.start()
    assert service.wait_for_job(job)["attempt"] > attempt

    final = {
        item["evaluation"]["architecture_digest"]: item["evaluation"]
        for item in all_items(service, evaluations)
    }
    assert len(all_items(service, evaluations)) == len(final) == EVALUATIONS
    assert len(committed) >= 25
    for digest, evaluation in committed.items():
        assert final[digest] == evaluation
    assert {evaluation["status"] for evaluation in final.values()} == {"measured"}
    assert_log_is_that_of_an_undisturbed_search(service.home, search["id"])

    again = service.post("/v1/searches", {**body, "name": "again", "evaluations": BATCH})
    service.wait_for_job(again["job"])
    assert service.get(f"/v1/searches/{again['id']}")["result"]["reused"] == BATCH


def assert_log_is_that_of_an_undisturbed_search(home: Path, search_id: str) -> None:
    """A fresh searcher that is told the same outcomes makes the same proposals."""
    engine = open_engine(Settings(home=home))
    log = Store(engine).search_log(search_id)
    engine.dispose()
    problem = Problem(
        space_settings(TINY_SPACE).build(),
        (Objective(metric="top1_percent"), Objective(metric="latency_ms")),
        (Limit(metric="latency_ms", upper=10.0),),
    )
    searcher = NSGA2Settings(population_size=BATCH).build(problem, seed=1)
    proposals, observations = [], []
    for entry in log:
        match entry:
            case Asked():
                assert list(searcher.ask(len(entry.proposals))) == list(entry.proposals)
                proposals += entry.proposals
            case Told():
                searcher.tell(entry.observations)
                observations += entry.observations
    assert [type(entry) for entry in log] == [Asked, Told] * (EVALUATIONS // BATCH)
    assert all(isinstance(observation, Observation) for observation in observations)
    assert np.array_equal([p.number for p in proposals], np.arange(EVALUATIONS))


def test_a_second_runner_on_one_sqlite_file_is_refused(
    trained: tuple[Service, dict[str, Any]],
) -> None:
    service, _ = trained
    refused = subprocess.run(
        [sys.executable, "-m", "server.runner"],
        env={**os.environ, "ESPALIER_HOME": str(service.home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 1
    assert "a SQLite database takes one runner" in refused.stderr
    assert "Traceback" not in refused.stderr


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def all_items(service: Service, path: str) -> list[dict[str, Any]]:
    return list(pages(service.get, path))


def pages(get: Callable[[str], dict[str, Any]], path: str) -> Iterator[dict[str, Any]]:
    next_path: str | None = f"{path}?limit=20"
    while next_path is not None:
        page = get(next_path)
        yield from page["items"]
        next_path = page["next"]


def all_events(service: Service, job_id: str) -> list[dict[str, Any]]:
    found, after, ended = [], 0, False
    while not ended:
        page = service.get(f"/v1/jobs/{job_id}/events?after={after}&limit=500")
        found += page["items"]
        after, ended = page["last"], page["ended"]
    return found

"""Refinements through the store and the API, with the runner's part played through the store."""

from typing import Any

import pytest
from examples import artifact, claim, running_search, search_with_a_front
from live import Live

from server.artifacts import ArtifactStore
from server.client import Client
from server.errors import ConflictError, InvalidRequestError, StaleAttemptError
from server.store import Chosen, ClaimedJob, ExportFile, Store
from server.tables import SearchRow
from server.training_alone import FINE_TUNING, completed
from supernet.settings import TrainingSettings

TRAINING = {"epochs": 2}


def chosen(*digests: str) -> list[Chosen]:
    return [Chosen(digest, {"a": 1}, figures(90.0)) for digest in digests]


def figures(top1_percent: float) -> dict[str, Any]:
    interval = (top1_percent - 1, top1_percent + 1)
    return {
        "metrics": {"top1_percent": top1_percent, "latency_ms": 0.5},
        "intervals": {"top1_percent": list(interval), "latency_ms": [0.4, 0.6]},
        "provenance": {"top1_percent": {"interval_percent": list(interval)}},
    }


def add_refinement(store: Store, search: SearchRow, *digests: str) -> Any:
    return store.add_refinement(
        name="best",
        search_id=search.id,
        chosen=chosen(*digests),
        selection={"rule": "the first"},
        training=TRAINING,
        distillation=1.0,
        runs=2,
        resources={},
        export=True,
        report_test=True,
        seed=5,
    )


def ended_search(store: Store) -> SearchRow:
    search, job = running_search(store)
    store.finish_search(job, search.id, {})
    return search


def test_only_the_front_of_a_search_that_has_ended_is_refined(store: Store) -> None:
    search, job = running_search(store)
    with pytest.raises(ConflictError, match="must have ended before its front is refined"):
        add_refinement(store, search, "a" * 16)
    store.finish_search(job, search.id, {})
    refinement, queued = add_refinement(store, search, "b" * 16, "a" * 16)
    job = claim(store)
    assert (job.id, job.kind) == (queued.id, "refine")
    assert job.spec["supernet"]["version"] == artifact("f").sha256
    assert job.spec["evaluator"] == search.evaluator
    networks = store.refined_networks(refinement.id)
    assert [network.architecture_digest for network in networks] == ["b" * 16, "a" * 16]
    assert store.list_refinements(5).rows[0].id == refinement.id


def test_every_step_of_a_refinement_is_kept_and_fenced(store: Store) -> None:
    search = ended_search(store)
    refinement, _ = add_refinement(store, search, "a" * 16)
    job = claim(store)
    accuracy = {"top1_percent": 91.0, "provenance": {"interval_percent": [90.0, 92.0]}}

    def record(job: ClaimedJob, run: int, letter: str) -> None:
        store.record_fine_tuning(
            job,
            refinement.id,
            "a" * 16,
            run,
            seed=5 + run,
            artifact=artifact(letter),
            accuracy=accuracy,
        )

    record(job, 1, "1")
    record(job, 0, "0")
    record(job, 0, "2")  # an attempt that did not know of the first
    rows = store.fine_tunings(refinement.id)
    assert [(row.run, row.seed, row.version[0]) for row in rows] == [(0, 5, "0"), (1, 6, "1")]

    soup = {"members": [1, 0], "top1_percent": 92.0}
    store.record_refined_weights(job, refinement.id, "a" * 16, artifact("3"), soup)
    store.record_comparison(job, refinement.id, {"a" * 16: (figures(90.0), figures(92.0))})
    files = [ExportFile("network.onnx", artifact("e"))]
    store.record_refined_files(job, refinement.id, "a" * 16, files, {"seed": 5})
    (network,) = store.refined_networks(refinement.id)
    assert (network.version, network.soup) == ("3" * 64, soup)
    assert network.before is not None
    assert network.after is not None
    assert network.files[0]["sha256"] == "e" * 64

    data_set_id = job.spec["data_set"]["id"]
    reading, again = (
        store.record_refinement_reading(job, refinement.id, data_set_id, "n", {"top1": value})
        for value in (98.0, 1.0)
    )
    assert (again.id, again.result) == (reading.id, {"top1": 98.0})
    found = store.find_test_reading(job.spec["data_set"]["version"], "n")
    assert found is not None
    assert (found.refinement_id, found.export_id) == (refinement.id, None)

    store.finish_refinement(job, refinement.id, {"reported": "a" * 16, "test_report": None})
    assert store.get_job(refinement.job_id).status == "succeeded"
    with pytest.raises(StaleAttemptError):
        record(job, 2, "4")


# --- over the API ------------------------------------------------------------------------------


def body_for(search: SearchRow, **changes: Any) -> dict[str, Any]:
    return {"name": "best", "search": search.id, "count": 2} | changes


def test_the_best_of_a_front_are_taken_and_its_files_downloaded(live: Live) -> None:
    search, digests = search_with_a_front(live.store)
    response = live.client.post("/v1/refinements", json=body_for(search, report_test=True))
    assert response.status_code == 202, response.text
    refinement = response.json()
    assert response.headers["Location"] == f"/v1/refinements/{refinement['id']}"
    assert [n["architecture_digest"] for n in refinement["networks"]] == digests[:2]
    assert refinement["networks"][0]["found"]["metrics"]["top1_percent"] == 97.0
    assert refinement["selection"]["rule"] == (
        "the first 2 of 3 points on the front, by top1_percent from its best"
    )
    assert (refinement["training"]["epochs"], refinement["training"]["learning_rate"]) == (5, 0.01)
    assert refinement["training"]["label_smoothing"] == 0.25  # the supernet's
    assert "schedule" not in refinement["training"]
    assert (refinement["reported"], refinement["networks"][0]["after"]) == (None, None)

    job, store, artifacts = claim(live.store), live.store, live.settings.artifacts_folder
    digest = digests[0]
    stored = ArtifactStore(artifacts).add_bytes(b"weights", "application/vnd.onnx")
    store.record_refined_files(
        job, refinement["id"], digest, [ExportFile("network.onnx", stored)], {"format": "x"}
    )
    store.record_comparison(job, refinement["id"], {digest: (figures(97.0), figures(98.0))})
    with Client(str(live.client.base_url)) as client:
        first, second = client.refinement(refinement["id"]).networks
        assert first.before is not None
        assert first.after is not None
        assert first.after.intervals["top1_percent"] == (97.0, 99.0)
        (file,) = first.files
        assert live.client.get(file.url).content == b"weights"
        assert second.files == []
        assert [found.id for found in client.refinements()] == [refinement["id"]]
    missing = file.url.replace("network.onnx", "other.onnx")
    assert live.client.get(missing).status_code == 404
    assert live.client.get(file.url.replace(digest, "0" * 16)).status_code == 404
    subject = live.client.get(f"/v1/jobs/{refinement['job']}").json()["subject"]
    assert live.client.get(subject).json()["id"] == refinement["id"]


def test_a_search_without_a_front_has_nothing_to_refine(sqlite_live: Live) -> None:
    search, _ = search_with_a_front(sqlite_live.store, max_latency_ms=0.1)
    response = sqlite_live.client.post("/v1/refinements", json=body_for(search))
    assert response.status_code == 409
    assert "none of 4 measured architectures keeps all limits" in response.json()["detail"]


def test_what_a_fine_tuning_leaves_open_is_the_supernets() -> None:
    supernet = {"epochs": 60, "batch_size": 32, "schedule": {"kind": "sandwich"}}
    given = TrainingSettings(augmentation={"flip": True}, epochs=3)
    training = completed(given, supernet, "/training", num_images=99, defaults=FINE_TUNING)
    assert (training["epochs"], training["learning_rate"]) == (3, 0.01)
    assert (training["batch_size"], training["augmentation"]["flip"]) == (32, True)
    assert training["momentum"] == TrainingSettings().momentum
    with pytest.raises(InvalidRequestError) as caught:
        completed(given, {"batch_size": 0}, "/training", num_images=99)
    assert [fault.pointer for fault in caught.value.faults] == ["/training/batch_size"]
    for bounds in ({"num_images": 31}, {"num_images": 99, "num_workers": 17}):
        with pytest.raises(InvalidRequestError, match=r"/training/batch_size must .*, got 32"):
            completed(given, supernet, "/training", **bounds)

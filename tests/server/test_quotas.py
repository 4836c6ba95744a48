"""What a project may have at most is refused with the limit and the count."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from examples import KINDS, add_data_set, add_search, add_space, artifact, claim, trained_supernet
from key_examples import client_with, make_key
from live import Live

from server.callers import Caller
from server.errors import JobQuotaError, StorageQuotaError
from server.store import Quotas, Store


@pytest.fixture
def small(store: Store) -> Store:
    """The store of somebody whose project may have two jobs and 1000 bytes."""
    store.add_project("small", Quotas(max_active_jobs=2, max_bytes=1000))
    return store.acting_for(Caller(project_id="small"))


def submit(store: Store, space_id: str, data_set_id: str) -> Any:
    return store.add_supernet(
        name="x",
        space_id=space_id,
        data_set_id=data_set_id,
        training={"epochs": 1, "schedule": {"kind": "sandwich"}},
        resources={"num_workers": 1},
        seed=1,
    )


def test_jobs_that_wait_and_run_are_counted_and_ended_ones_are_not(
    store: Store, small: Store
) -> None:
    ids = (add_space(small).id, add_data_set(small).id)
    for _ in range(2):
        submit(small, *ids)
    job = claim(store)
    _, usage = store.get_project("small")
    assert (usage.num_active_jobs, usage.num_running_jobs) == (2, 1)
    with pytest.raises(JobQuotaError, match=r"may have 2 jobs .*\(max_active_jobs\), and has 2"):
        submit(small, *ids)
    store.fail_job(job, {"type": "x", "message": "y"})
    submit(small, *ids)
    with pytest.raises(JobQuotaError):
        submit(small, *ids)
    # Others are not held up.
    trained_supernet(store.acting_for(Caller(project_id="default")).within("default"))


def test_jobs_submitted_at_once_do_not_share_the_last_place(store: Store, small: Store) -> None:
    ids = (add_space(small).id, add_data_set(small).id)
    barrier = threading.Barrier(4)

    def submit_one(_: int) -> bool:
        barrier.wait()
        try:
            submit(small, *ids)
        except JobQuotaError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(submit_one, range(4))) == [False, False, True, True]


def test_no_more_jobs_of_a_project_run_than_may(store: Store, small: Store) -> None:
    store.set_quotas("small", {"max_running_jobs": 1})
    ids = (add_space(small).id, add_data_set(small).id)
    submit(small, *ids)
    submit(small, *ids)
    first = claim(store)
    assert store.claim_job("another", 60.0, KINDS) is None
    other = store.acting_for(Caller(project_id="other"))
    submit(other, ids[0], add_data_set(other).id)
    assert claim(store, "another").project_id == "other"
    store.fail_job(first, {"type": "x", "message": "y"})
    assert claim(store).project_id == "small"


def test_a_dead_runner_s_job_does_not_hold_its_project_s_place(store: Store, small: Store) -> None:
    store.set_quotas("small", {"max_running_jobs": 1})
    submit(small, add_space(small).id, add_data_set(small).id)
    first = claim(store, lease_seconds=-1.0)
    assert claim(store, "another").id == first.id


def test_bytes_of_uploads_and_of_files_count_together(store: Store, small: Store) -> None:
    upload, _ = small.add_upload("a", 600, "a" * 64)
    with pytest.raises(
        StorageQuotaError,
        match=r"1000 bytes .*\(max_bytes\), and has 600, and 401 more were asked for",
    ):
        small.add_upload("b", 401, "b" * 64)
    again, created = small.add_upload("a", 600, "a" * 64)  # it is there, and can be gone on with
    assert (again.id, created) == (upload.id, False)
    add_data_set(small)  # 100 bytes
    assert store.get_project("small")[1].num_bytes == 700
    add_data_set(small, "other")  # of the same content, which counts once
    assert store.get_project("small")[1].num_bytes == 700
    small.add_upload("c", 300, "c" * 64)
    with pytest.raises(StorageQuotaError, match="and has 1000"):
        add_data_set(small, "more", "e")
    with pytest.raises(StorageQuotaError, match=r"and has 1000$"):
        submit(small, add_space(small).id, small.list_data_sets(1).rows[0].id)
    small.delete_upload(upload.id)
    submit(small, add_space(small).id, small.list_data_sets(1).rows[0].id)
    # What is shared by its content counts in every project that has it.
    add_data_set(store.acting_for(Caller(project_id="default")))
    assert store.get_project("default")[1].num_bytes == artifact("d").size_bytes


def test_files_that_runners_make_count_in_the_job_s_project(store: Store) -> None:
    store.add_project("small", Quotas(max_bytes=1000))
    theirs = store.acting_for(Caller(project_id="small"))
    supernet, _ = submit(theirs, add_space(theirs).id, add_data_set(theirs).id)
    store.finish_supernet(claim(store), supernet.id, artifact("f"), {})
    assert store.get_project("small")[1].num_bytes == 200
    add_search(theirs, theirs.get_supernet(supernet.id))
    store.set_quotas("small", {"max_bytes": 200})
    with pytest.raises(StorageQuotaError):
        add_search(theirs, theirs.get_supernet(supernet.id), seed=2)


def test_the_api_says_403_and_not_to_ask_again(sqlite_live: Live) -> None:
    store = sqlite_live.store
    admin, _ = make_key(store, project="small")
    with client_with(sqlite_live.client, admin) as client:
        quotas = {"max_bytes": 1000, "max_active_jobs": 0}
        shown = client.patch("/v1/projects/small", json=quotas).json()
        assert (shown["max_bytes"], shown["max_active_jobs"], shown["max_running_jobs"]) == (
            1000,
            0,
            None,
        )
        upload = {"name": "a", "size_bytes": 2000, "sha256": "0" * 64}
        response = client.post("/v1/uploads", json=upload)
        assert response.status_code == 403
        assert "max_bytes" in response.json()["detail"]
        supernet = trained_supernet(store.within("default"))
        theirs = store.within("small")
        body = {"name": "x", "space": add_space(theirs).id, "data_set": add_data_set(theirs).id}
        response = client.post("/v1/supernets", json=body)
        assert response.status_code == 403, response.text
        assert "may have 0 jobs" in response.json()["detail"]
        assert "Retry-After" not in response.headers
        assert supernet.id not in client.get("/v1/supernets").text
        shown = client.patch("/v1/projects/small", json={"max_active_jobs": None}).json()
        assert (shown["max_bytes"], shown["max_active_jobs"]) == (1000, None)
        assert client.post("/v1/supernets", json=body).status_code in (201, 202)
        listed = {one["id"]: one for one in client.get("/v1/projects").json()["items"]}
        assert listed["small"]["num_active_jobs"] == 1
        assert listed["small"]["num_bytes"] == 100
        assert set(listed) == {"default", "small"}
        for bad in ({"max_bytes": -1}, {"max_bytes": 1.5}, {"max_gpus": 1}):
            assert client.patch("/v1/projects/small", json=bad).status_code == 422
        assert client.post("/v1/projects", json={"id": "small"}).status_code == 409
        assert client.patch("/v1/projects/nowhere", json=quotas).status_code == 404

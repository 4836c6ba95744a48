"""The store's contract for what is measured; on both dialects."""

import time

import numpy as np
import pytest
from examples import (
    SPACE,
    SPACE_SETTINGS,
    add_data_set,
    add_export,
    add_search,
    add_space,
    add_supernet,
    artifact,
    claim,
    running_search,
    trained_supernet,
)
from sqlalchemy.exc import IntegrityError

from search_space.outcomes import Failed, Infeasible, Measured
from search_space.space import Architecture
from searchers.protocol import Observation, Proposal
from searchers.replay import Asked, Told
from server.errors import ConflictError, InvalidRequestError, NotFoundError
from server.store import ExportFile, Finalist, Store


def architectures(count: int) -> list[Architecture]:
    genes = SPACE.sample(count, np.random.default_rng(0))
    found = [SPACE.decode(row) for row in genes]
    assert len({architecture.digest for architecture in found}) == count
    return found


def measured(top1_percent: float) -> Measured:
    provenance = {"top1_percent": {"num_images": 397, "interval_percent": [90.0, 99.0]}}
    return Measured({"top1_percent": top1_percent, "latency_ms": 1.25}, provenance)


def test_a_data_set_is_registered_once(store: Store) -> None:
    counts = {"train": 1, "validation": 1, "test": 1}
    first, created = store.add_data_set("a", {"kind": "x"}, artifact("a"), counts, (1, 8, 8), 2)
    again, created_again = store.add_data_set(
        "a", {"kind": "x"}, artifact("a"), counts, (1, 8, 8), 2
    )
    assert (created, created_again) == (True, False)
    assert again.id == first.id
    with pytest.raises(ConflictError, match="exists with other content"):
        store.add_data_set("a", {"kind": "x"}, artifact("b"), counts, (1, 8, 8), 2)
    other, _ = store.add_data_set("b", {"kind": "x"}, artifact("a"), counts, (1, 8, 8), 2)
    assert [row.id for row in store.list_data_sets(10).rows] == sorted(
        [first.id, other.id], reverse=True
    )


def test_a_space_is_registered_under_its_digest(store: Store) -> None:
    row, created = store.add_space(SPACE_SETTINGS, SPACE)
    again, created_again = store.add_space(SPACE_SETTINGS, SPACE)
    assert (created, created_again) == (True, False)
    assert row.id == again.id == SPACE.digest
    assert int(row.size) == SPACE.size
    assert SPACE_SETTINGS.model_validate(row.settings) == SPACE_SETTINGS
    assert [space.id for space in store.list_spaces(10).rows] == [SPACE.digest]


def test_missing_rows_are_named(store: Store) -> None:
    for get, kind in (
        (store.get_data_set, "data set"),
        (store.get_space, "space"),
        (store.get_supernet, "supernet"),
        (store.get_search, "search"),
        (store.get_export, "export"),
        (store.get_job, "job"),
    ):
        with pytest.raises(NotFoundError, match=f"there is no {kind} 'nothing'"):
            get("nothing")


def test_a_search_waits_for_its_supernet_but_not_for_one_that_failed(store: Store) -> None:
    supernet, job = add_supernet(store)
    waiting = add_search(store, supernet)
    assert store.awaited_by([waiting.job_id]) == {waiting.job_id: [job.id]}
    store.fail_job(claim(store), {"type": "x", "message": "y"})
    assert store.get_job(waiting.job_id).status == "failed"
    with pytest.raises(ConflictError, match=f"{job.id} is failed"):
        add_search(store, supernet)


def test_a_search_holds_its_evaluator_by_value(store: Store) -> None:
    supernet = trained_supernet(store)
    first = add_search(store, supernet, seed=0)
    second = add_search(store, supernet, seed=1)
    assert first.evaluator == {
        "supernet_version": "f" * 64,
        "data_set_version": "d" * 64,
        "accuracy": {},
        "latency": None,
    }
    assert first.evaluator_digest == second.evaluator_digest
    assert store.get_job(first.job_id).spec["evaluator"] == first.evaluator


def test_the_log_replays_asks_and_tells_in_their_order(store: Store) -> None:
    search, job = running_search(store)
    proposals = [Proposal(number, a) for number, a in enumerate(architectures(4))]
    outcomes = [measured(90.0), Infeasible("does not fit"), Failed("worker died"), measured(91.0)]
    rows = [
        store.record_evaluation(job, search.id, proposal.architecture, outcome)
        for proposal, outcome in zip(proposals, outcomes, strict=True)
    ]
    store.record_proposals(job, search.id, proposals[:3])
    store.record_observations(job, search.id, [(1, rows[1].id)])
    store.record_proposals(job, search.id, proposals[3:])
    store.record_observations(job, search.id, [(2, rows[2].id), (0, rows[0].id)])

    log = store.search_log(search.id)

    def observed(number: int) -> Observation:
        return Observation(proposals[number], outcomes[number])

    assert log == [
        Asked(tuple(proposals[:3])),
        Told((observed(1),)),
        Asked((proposals[3],)),
        Told((observed(2), observed(0))),
    ]
    expected = {search.id: {"measured": 1, "infeasible": 1, "failed": 1}}
    assert store.search_counts([store.get_search(search.id)]) == expected
    store.finish_search(job, search.id, {"evaluations": 3})
    finished = store.get_search(search.id)
    assert finished.result == {
        "evaluations": 3,
        "reused": 0,
        "counts": expected[search.id],
    }
    assert store.search_counts([finished]) == expected
    assert [point.number for point in store.search_points(search.id)] == [0, 1, 2]
    assert [point.number for point in store.search_points(search.id, limit=1, after=0)] == [1]


def test_architectures_keep_order_types_and_digest(store: Store) -> None:
    search, job = running_search(store)
    architecture = Architecture({"z": 1, "b": 0.5, "a": "relu", "c": 3.0})
    store.record_proposals(job, search.id, [Proposal(0, architecture)])
    (entry,) = store.search_log(search.id)
    assert isinstance(entry, Asked)
    stored = entry.proposals[0].architecture
    assert stored.digest == architecture.digest
    assert list(stored.items()) == list(architecture.items())


def test_no_architecture_is_proposed_twice_and_no_proposal_told_twice(store: Store) -> None:
    search, job = running_search(store)
    (architecture,) = architectures(1)
    store.record_proposals(job, search.id, [Proposal(0, architecture)])
    with pytest.raises(IntegrityError):
        store.record_proposals(job, search.id, [Proposal(1, architecture)])
    row = store.record_evaluation(job, search.id, architecture, measured(90.0))
    store.record_observations(job, search.id, [(0, row.id)])
    with pytest.raises(IntegrityError):
        store.record_observations(job, search.id, [(0, row.id)])
    assert len(store.search_log(search.id)) == 2


def test_a_result_is_recorded_once_and_reused_by_equal_evaluators(store: Store) -> None:
    supernet = trained_supernet(store)
    first, second = add_search(store, supernet, 0), add_search(store, supernet, 1)
    jobs = {claimed.id: claimed for claimed in (claim(store), claim(store))}
    (architecture,) = architectures(1)
    row = store.record_evaluation(jobs[first.job_id], first.id, architecture, measured(90.0))
    again = store.record_evaluation(jobs[second.job_id], second.id, architecture, measured(80.0))
    assert again.id == row.id
    assert again.metrics == {"top1_percent": 90.0, "latency_ms": 1.25}
    assert again.search_id == first.id
    found = store.find_evaluations(second.id, [architecture.digest, "0" * 16])
    assert {digest: row.id for digest, row in found.items()} == {architecture.digest: row.id}
    assert len(store.list_evaluations(10).rows) == 1
    assert len(store.list_evaluations(10, architecture_digest="0" * 16).rows) == 0
    assert len(store.list_evaluations(10, space_id=SPACE.digest).rows) == 1


def test_latencies_stay_on_the_scale_of_the_first_one(store: Store) -> None:
    search, job = running_search(store)
    assert store.reference_baseline_ms(search.id) is None
    for number, architecture in enumerate(architectures(2)):
        provenance = {"latency_ms": {"reference_baseline_ms": 1.0 + number}}
        outcome = Measured({"latency_ms": 1.0}, provenance)
        store.record_evaluation(job, search.id, architecture, outcome)
        time.sleep(0.002)  # ids sort by milliseconds
    assert store.reference_baseline_ms(search.id) == 1.0


@pytest.mark.parametrize(("threads", "expected"), [(1, 0.125), (2, None)])
def test_a_first_search_is_scaled_as_its_supernets_extremes_were(
    store: Store, threads: int, expected: float | None
) -> None:
    supernet, _ = add_supernet(store)
    how = {"reference_baseline_ms": 0.125, "settings": {"threads": 1}}
    summary = {"largest": {"metrics": {}, "provenance": {"latency_ms": how}}}
    store.finish_supernet(claim(store), supernet.id, artifact("f"), summary)
    search, _ = store.add_search(
        name="fast",
        supernet_id=supernet.id,
        searcher={"kind": "random"},
        objectives=[{"metric": "latency_ms", "goal": "minimize"}],
        limits=[],
        evaluations=1,
        evaluator={"accuracy": {}, "latency": {"threads": threads}},
        resources={},
        seed=0,
    )
    assert store.reference_baseline_ms(search.id) == expected


def test_a_failure_counts_only_for_the_search_that_met_it(store: Store) -> None:
    supernet = trained_supernet(store)
    first, second = add_search(store, supernet, 0), add_search(store, supernet, 1)
    jobs = {claimed.id: claimed for claimed in (claim(store), claim(store))}
    (architecture,) = architectures(1)
    failure = store.record_evaluation(
        jobs[first.job_id], first.id, architecture, Failed("worker died")
    )
    again = store.record_evaluation(jobs[first.job_id], first.id, architecture, measured(90.0))
    assert again.id == failure.id
    assert store.find_evaluations(second.id, [architecture.digest]) == {}
    result = store.record_evaluation(jobs[second.job_id], second.id, architecture, measured(90.0))
    assert result.status == "measured"
    assert store.find_evaluations(first.id, [architecture.digest])[architecture.digest].id == (
        result.id
    )


def test_a_dropped_network_counts_only_for_the_search_that_dropped_it(store: Store) -> None:
    supernet = trained_supernet(store)
    first, second = add_search(store, supernet, 0), add_search(store, supernet, 1)
    jobs = {claimed.id: claimed for claimed in (claim(store), claim(store))}
    (architecture,) = architectures(1)
    how = {"dropped": True, "floor_percent": 95.0, "num_images": 40}
    dropped = Measured({"top1_percent": 80.0}, {"top1_percent": how})
    row = store.record_evaluation(jobs[first.job_id], first.id, architecture, dropped)
    assert row.status == "measured"
    assert row.outcome == dropped
    again = store.record_evaluation(jobs[first.job_id], first.id, architecture, measured(90.0))
    assert again.id == row.id  # the search itself goes by it
    assert store.find_evaluations(second.id, [architecture.digest]) == {}
    # Another one drops it too, or evaluates it in full; that is then everybody's.
    other = store.record_evaluation(jobs[second.job_id], second.id, architecture, dropped)
    assert other.id != row.id
    third = add_search(store, supernet, 2)
    job = claim(store)
    result = store.record_evaluation(job, third.id, architecture, measured(90.0))
    assert result.id not in {row.id, other.id}
    for search in (first, second, third):
        found = store.find_evaluations(search.id, [architecture.digest])
        assert found[architecture.digest].id == result.id
    by_evaluator = store.list_evaluations(10, evaluator_digest=first.evaluator_digest).rows
    assert [row.id for row in by_evaluator] == [result.id]


def test_finalists_are_kept_by_occasion(store: Store) -> None:
    search, job = running_search(store)
    assert store.last_measurements(search.id) == {}
    for latency_ms in (1.0, 2.0):
        finalists = [Finalist("a" * 16, {"latency_ms": latency_ms}, {"latency_ms": {}})]
        store.record_measurements(job, search.id, finalists)
    (row,) = store.last_measurements(search.id).values()
    assert (row.occasion, row.metrics) == (2, {"latency_ms": 2.0})
    store.finish_search(job, search.id, {"front": []})
    counts = {"measured": 0, "infeasible": 0, "failed": 0}
    assert store.get_search(search.id).result == {"front": [], "reused": 0, "counts": counts}
    assert store.get_job(search.job_id).status == "succeeded"


def test_an_export_names_its_files_and_its_reading_of_the_test_split(store: Store) -> None:
    search, job = running_search(store)
    (architecture,) = architectures(1)
    with pytest.raises(InvalidRequestError, match="must be of an architecture that search"):
        store.add_export(search.id, architecture.digest, report_test=True)
    store.record_proposals(job, search.id, [Proposal(0, architecture)])
    row = store.record_evaluation(job, search.id, architecture, measured(90.0))
    store.record_observations(job, search.id, [(0, row.id)])
    store.finish_search(job, search.id, {})
    export = add_export(store, search, architecture.digest)
    job = claim(store)
    assert job.spec["export_id"] == export.id
    assert job.spec["architecture"] == dict(architecture)

    data_set = add_data_set(store)
    assert store.find_test_reading(data_set.version, "n") is None
    reading = store.record_test_reading(job, export.id, data_set.id, "n", {"top1_percent": 98.0})
    again = store.record_test_reading(job, export.id, data_set.id, "n", {"top1_percent": 1.0})
    assert again.id == reading.id
    assert again.result == {"top1_percent": 98.0}
    found = store.find_test_reading(data_set.version, "n")
    assert found is not None
    assert found.id == reading.id

    files = [ExportFile("network.onnx", artifact("e"))]
    store.record_export(job, export.id, files, {"seed": 1}, {"top1_percent": 98.0})
    row = store.get_export(export.id)
    assert row.files == [
        {
            "name": "network.onnx",
            "sha256": "e" * 64,
            "size_bytes": 100,
            "media_type": "application/octet-stream",
        }
    ]
    assert store.get_job(export.job_id).status == "succeeded"
    digest = architecture.digest
    assert len(store.list_exports(5, architecture_digest=digest).rows) == 1


def test_nothing_of_a_refused_submission_is_stored(store: Store) -> None:
    space = add_space(store)
    with pytest.raises(NotFoundError, match="data set"):
        store.add_supernet(
            name="x", space_id=space.id, data_set_id="none", training={}, resources={}, seed=0
        )
    assert store.list_jobs(10).rows == []
    assert store.list_supernets(10).rows == []
    assert store.list_searches(10).rows == []

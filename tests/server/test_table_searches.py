"""Searches whose evaluations are a table's, from the request to the front."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from live import Live
from pyarrow import parquet
from runners import running, wait_for
from sqlalchemy import update
from table_examples import CHOICES, NUM_ROWS, table_search, table_text, write_table

from search_space.table_files import read_table
from searchers.pareto import non_dominated
from server.database import open_engine
from server.execution.context import JobContext, StopReason
from server.execution.search import run_search
from server.job_states import JobStatus
from server.store import ClaimedJob
from server.tables import ProposalRow

EVALUATOR = {"kind": "table", "path": "table.csv", "choices": list(CHOICES)}


def submit(live: Live, body: dict[str, Any]) -> dict[str, Any]:
    response = live.client.post("/v1/searches", json=body)
    assert response.status_code == 202, response.text
    return dict(response.json())


def run(live: Live, *searches: dict[str, Any]) -> None:
    with running(live.store, live.settings, run_search, kind="search"):
        for search in searches:
            wait_for(live.store, search["job"], JobStatus.SUCCEEDED)


def fault(live: Live, body: dict[str, Any]) -> dict[str, Any]:
    response = live.client.post("/v1/searches", json=body)
    assert response.status_code == 422, response.text
    found = response.json()["errors"][0]
    return dict(found)


def test_a_searcher_that_cannot_do_the_problem_is_refused(live: Live) -> None:
    write_table(live.settings.data_folder)
    reward = {"kind": "mnasnet", "metric": "joules", "target": 5}
    found = fault(live, table_search(searcher={"kind": "ppo", "reward": reward}))
    assert (found["pointer"], found["value"]) == ("/searcher/reward/metric", "joules")
    assert "['latency_ms']" in found["rule"]
    assert "searchers that can do this problem: espalier, gp, linas, local_search" in found["rule"]


def test_a_search_that_exhausts_a_table_finds_its_exact_front(live: Live) -> None:
    path = write_table(live.settings.data_folder)
    search = submit(live, table_search(evaluations=500))
    path.unlink()  # the search has a copy
    run(live, search)
    shown = live.client.get(f"/v1/searches/{search['id']}").json()
    assert shown["evaluator"]["kind"] == "table"
    assert shown["supernet"] is None
    assert shown["result"]["space_exhausted"]
    # 144 architectures: those without a row, and the one without a latency, are infeasible.
    assert shown["counts"] == {"measured": NUM_ROWS - 1, "infeasible": 45, "failed": 0}

    front = live.client.get(f"/v1/searches/{search['id']}/front").json()
    found = {
        (point["metrics"]["accuracy"], point["metrics"]["latency_ms"]) for point in front["points"]
    }
    rows = [line.split(",")[len(CHOICES) :] for line in table_text().splitlines()[1:]]
    losses = np.array([[-float(a), float(b)] for a, b in rows if b])
    expected = losses[non_dominated(losses)]
    assert found == {(-a, b) for a, b in expected.tolist()}
    how = front["points"][0]["provenance"]["accuracy"]
    assert how["source"] == "table"
    assert how["table_version"] == shown["evaluator"]["table_version"]


def stop_after(context: JobContext, num_evaluations: int) -> None:
    """Stops an attempt as soon as it reports so many evaluations."""
    record = context.store.record_progress

    def record_progress(job: ClaimedJob, progress: dict[str, Any]) -> int:
        if progress["done"] >= num_evaluations:
            context.stop.set(StopReason.SHUTDOWN)
        return record(job, progress)

    context.store.record_progress = record_progress  # type: ignore[method-assign]


def test_a_log_that_does_not_fit_fails_the_job_at_its_entry(sqlite_live: Live) -> None:
    write_table(sqlite_live.settings.data_folder)
    search = submit(sqlite_live, table_search())

    def tampering(context: JobContext) -> None:
        """Stops the first attempt; before the second, somebody has changed a proposal."""
        if context.job.attempt == 1:
            stop_after(context, 20)
        else:
            engine = open_engine(sqlite_live.settings)
            with engine.execution_options(writes=True).begin() as connection:
                twelfth = ProposalRow.search_id == search["id"], ProposalRow.number == 12
                changed = dict(zip(CHOICES, (7, 32, 4, 3), strict=True))
                connection.execute(update(ProposalRow).where(*twelfth).values(architecture=changed))
            engine.dispose()
        run_search(context)

    with running(sqlite_live.store, sqlite_live.settings, tampering, kind="search"):
        wait_for(sqlite_live.store, search["job"], JobStatus.FAILED)
    error = sqlite_live.store.get_job(search["job"]).error
    assert error is not None
    # Batches of ten: an ask, a tell, an ask.
    assert "cannot be continued: at entry 2 of its log" in error["message"]
    assert "proposal 12 is on record as" in error["message"]


def test_a_search_that_was_stopped_goes_on_to_the_same_front(live: Live) -> None:
    write_table(live.settings.data_folder)
    stopped, undisturbed, again = (submit(live, table_search(name=name)) for name in "abc")

    def stopping(context: JobContext) -> None:
        """Runs a search; all but one stop in their first attempt after 20 evaluations."""
        if context.job.id != undisturbed["job"] and context.job.attempt == 1:
            stop_after(context, 20)
        run_search(context)

    with running(live.store, live.settings, stopping, kind="search"):
        wait_for(live.store, stopped["job"], JobStatus.SUCCEEDED)
        wait_for(live.store, undisturbed["job"], JobStatus.SUCCEEDED)
        wait_for(live.store, again["job"], JobStatus.SUCCEEDED)
    assert live.store.get_job(stopped["job"]).attempt == 2
    fronts = [
        live.client.get(f"/v1/searches/{search['id']}/front").json()["points"]
        for search in (stopped, undisturbed)
    ]
    assert fronts[0] == fronts[1]
    # All read the same columns of the same table: those after the first looked nothing up.
    for search, reused in ((stopped, 0), (undisturbed, 60), (again, 60)):
        result = live.client.get(f"/v1/searches/{search['id']}").json()["result"]
        assert (result["evaluations"], result["reused"]) == (60, reused)


def test_a_parquet_file_is_a_table(sqlite_live: Live) -> None:
    path = write_table(sqlite_live.settings.data_folder)
    table = read_table(path, CHOICES, ["accuracy", "latency_ms"])
    rows = pyarrow.Table.from_pylist(list(table.architectures()))
    for name, column in table.metrics.items():
        rows = rows.append_column(name, pyarrow.array(column))
    parquet.write_table(rows, path.with_name("table.parquet"))
    evaluator = {**EVALUATOR, "path": "table.parquet"}
    search = submit(sqlite_live, table_search(evaluator=evaluator, evaluations=10))
    run(sqlite_live, search)
    front = sqlite_live.client.get(f"/v1/searches/{search['id']}/front").json()["points"]
    for point in front:
        row = point["provenance"]["accuracy"]["row"]
        assert point["metrics"] == {name: column[row] for name, column in table.metrics.items()}
    assert front
    path.with_name("table.parquet").write_bytes(b"PAR1 and nothing else")
    refused = fault(sqlite_live, table_search(evaluator=evaluator))
    assert refused["pointer"] == "/evaluator/path"


def test_a_space_that_is_given_is_searched_as_it_is(sqlite_live: Live) -> None:
    write_table(sqlite_live.settings.data_folder)
    choices = [
        {"name": name, "options": options}
        for name, options in zip(CHOICES, ([3, 5], [8, 9], [1, 2], [1]), strict=True)
    ]
    space = {"kind": "custom", "name": "part", "choices": choices}
    search = submit(sqlite_live, table_search(space=space, evaluations=50))
    run(sqlite_live, search)
    shown = sqlite_live.client.get(f"/v1/searches/{search['id']}").json()
    assert sum(shown["counts"].values()) == 8
    assert shown["counts"]["infeasible"] >= 4  # no row has a width of 9


def test_an_upload_may_be_a_table(sqlite_live: Live, tmp_path: Path) -> None:
    content = table_text().encode()
    body = {
        "name": "table",
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    upload = sqlite_live.client.post("/v1/uploads", json=body).json()["id"]
    headers = {"Upload-Offset": "0", "Content-Type": "application/octet-stream"}
    sqlite_live.client.patch(f"/v1/uploads/{upload}", content=content, headers=headers)
    evaluator = {"kind": "table", "upload": upload, "choices": list(CHOICES)}
    refused = fault(sqlite_live, table_search(evaluator=evaluator))
    assert refused["pointer"] == "/evaluator/upload"
    sqlite_live.client.post(f"/v1/uploads/{upload}/complete")
    search = submit(sqlite_live, table_search(evaluator=evaluator))
    assert search["evaluator"]["table_version"] == body["sha256"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"evaluator": {**EVALUATOR, "path": "../espalier.db"}}, "/evaluator/path"),
        ({"evaluator": {**EVALUATOR, "path": "absent.csv"}}, "/evaluator/path"),
        ({"evaluator": {**EVALUATOR, "choices": ["kernels"]}}, "/evaluator/choices"),
        ({"evaluator": {**EVALUATOR, "choices": ["kernel"]}}, "/evaluator/choices"),
        ({"evaluator": {**EVALUATOR, "choices": ["kernel", "kernel"]}}, "/evaluator/choices"),
        ({"evaluator": {**EVALUATOR, "choices": []}}, "/evaluator/choices"),
        ({"evaluator": {**EVALUATOR, "metrics": ["accuracy", "joules"]}}, "/evaluator/metrics/1"),
        ({"evaluator": {**EVALUATOR, "upload": "upl_0"}}, "/evaluator"),
        ({"objectives": [{"metric": "top2", "goal": "maximize"}]}, "/objectives/0/metric"),
        ({"limits": [{"metric": "joules", "upper": 1}]}, "/limits/0/metric"),
        ({"objectives": [{"metric": "accuracy"}]}, "/objectives/0/goal"),
        ({"supernet": "net_0"}, "/supernet"),
        (
            {
                "space": {
                    "kind": "custom",
                    "name": "x",
                    "choices": [{"name": "kernel", "options": [3]}],
                }
            },
            "/evaluator/choices",
        ),
    ],
)
def test_what_does_not_fit_the_table_is_refused(
    sqlite_live: Live, changes: dict[str, Any], pointer: str
) -> None:
    write_table(sqlite_live.settings.data_folder)
    assert fault(sqlite_live, table_search(**changes))["pointer"] == pointer


def test_a_table_of_infeasible_rows_is_refused(sqlite_live: Live) -> None:
    path = write_table(sqlite_live.settings.data_folder)
    path.write_text("kernel,accuracy\n3,nan\n5,\n", encoding="utf-8")
    body = table_search(
        objectives=[{"metric": "accuracy", "goal": "maximize"}],
        evaluator={**EVALUATOR, "choices": ["kernel"]},
    )
    assert fault(sqlite_live, body)["pointer"] == "/evaluator/path"


def test_the_example_table_is_as_large_as_it_says(tmp_path: Path) -> None:
    table = read_table(write_table(tmp_path), CHOICES, ["accuracy", "latency_ms"])
    assert table.num_rows == NUM_ROWS

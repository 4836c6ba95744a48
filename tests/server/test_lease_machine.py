"""Leases against a model: whatever runners and people do in whatever order, the store agrees."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from examples import KINDS, add_data_set, add_space, artifact
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from postgres_server import PostgresServer
from sqlalchemy import Engine, text

from server import schema
from server.database import open_engine
from server.errors import ConflictError, LeaseLostError, ServerError, StaleAttemptError
from server.job_states import JobStatus
from server.schemas.job_options import JobOptions, RetryPolicy
from server.settings import Settings
from server.store import ClaimedJob, ClaimLimits, StopRequest, Store

LONG_AGO = "'2020-01-01 00:00:00'"
MAX_LOST_LEASES = 2
MAX_RUNNING = 3
POLICY = RetryPolicy(max_attempts=2, delay_seconds=0, backoff=1)
PICK = st.integers(0, 9)
RECENT = st.integers(0, 4)
WAITING = ("queued", "preempted", "paused")
ENDED = ("succeeded", "failed", "cancelled")


@dataclass
class Model:
    """What a job should be."""

    number: int
    priority: int
    retries: bool
    after: list[str]
    status: str = "queued"
    attempt: int = 0
    owner: str | None = None
    is_expired: bool = False
    is_overdue: bool = False
    pause_requested: bool = False
    lost: int = 0
    failures: int = 0
    children: list[str] = field(default_factory=list)


class Leases(RuleBasedStateMachine):
    """One database; `engine` and `store` are set by the test that runs the machine."""

    engine: Engine
    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.models: dict[str, Model] = {}
        self.runners = 0
        self.claims: list[ClaimedJob] = []

    @initialize(numbers=st.lists(st.integers(-2, 2), min_size=3, max_size=5))
    def begin(self, numbers: list[int]) -> None:
        with self.engine.execution_options(writes=True).begin() as connection:
            for table in (
                "supernets",
                "job_dependencies",
                "job_needs",
                "job_events",
                "jobs",
            ):
                connection.execute(text(f"DELETE FROM {table}"))
        self.space_id = add_space(self.store).id
        self.data_set_id = add_data_set(self.store).id
        for number in numbers:
            self.submit(number, retries=number > 0, picks=[])
        for _ in range(2):
            self.claim()

    # --- what people do ------------------------------------------------------------------------

    @precondition(lambda self: len(self.models) < 9)
    @rule(
        priority=st.integers(-2, 2),
        retries=st.booleans(),
        picks=st.lists(st.integers(0, 9), max_size=2),
    )
    def submit(self, priority: int, retries: bool, picks: list[int]) -> None:
        parents = sorted({self.job_of(pick) for pick in picks})
        options = JobOptions(
            priority=priority,
            retry=POLICY if retries else None,
            after=tuple(p for p in parents if self.models[p].status not in ("failed", "cancelled")),
            deadline_seconds=86_400,
        )
        _, job = self.store.add_supernet(
            name="x",
            space_id=self.space_id,
            data_set_id=self.data_set_id,
            training={},
            resources={},
            seed=0,
            options=options,
        )
        self.models[job.id] = Model(len(self.models), priority, retries, list(options.after))
        for parent in options.after:
            self.models[parent].children.append(job.id)

    @precondition(lambda self: self.runners % 3 == 0)
    @rule(pick=PICK, how=st.sampled_from(["cancel", "kill"]))
    def give_up(self, pick: int, how: str) -> None:
        job_id = self.job_of(pick)
        (self.cancel if how == "cancel" else self.kill)(job_id)

    def cancel(self, job_id: str) -> None:
        model = self.models[job_id]
        if model.status in ("succeeded", "failed"):
            self.refused(ConflictError, self.store.request_cancel, job_id)
            return
        self.store.request_cancel(job_id)
        if model.status in WAITING:
            self.end(job_id, "cancelled")
        elif model.status == "running":
            model.status, model.pause_requested = "cancelling", False

    def kill(self, job_id: str) -> None:
        model = self.models[job_id]
        if model.status in ("succeeded", "failed"):
            self.refused(ConflictError, self.store.kill_job, job_id)
            return
        self.store.kill_job(job_id)
        if model.status != "cancelled":
            self.end(job_id, "cancelled")

    @rule(pick=PICK)
    def pause(self, pick: int) -> None:
        job_id = self.job_of(pick)
        model = self.models[job_id]
        if model.status in (*ENDED, "cancelling"):
            self.refused(ConflictError, self.store.request_pause, job_id)
            return
        self.store.request_pause(job_id)
        if model.status == "running":
            model.pause_requested = True
        else:
            model.status = "paused"

    @rule(pick=PICK)
    def resume(self, pick: int) -> None:
        job_id = self.job_of(pick)
        model = self.models[job_id]
        if model.status in (*ENDED, "cancelling"):
            self.refused(ConflictError, self.store.resume_job, job_id)
            return
        self.store.resume_job(job_id)
        model.pause_requested = False
        if model.status == "paused":
            model.status = "queued"

    @rule(pick=PICK, priority=st.integers(-2, 2))
    def change_priority(self, pick: int, priority: int) -> None:
        job_id = self.job_of(pick)
        model = self.models[job_id]
        if model.status not in WAITING:
            self.refused(ConflictError, self.store.set_priority, job_id, priority)
            return
        self.store.set_priority(job_id, priority)
        model.priority = priority

    # --- what time does ------------------------------------------------------------------------

    @rule(pick=PICK)
    def expire(self, pick: int) -> None:
        job_id = self.job_of(pick)
        model = self.models[job_id]
        if model.status in ("running", "cancelling"):
            self.sql(
                "UPDATE jobs SET lease_expires_at = '2020-01-01 00:00:00' WHERE id = :id", job_id
            )
            model.is_expired = True

    @precondition(lambda self: self.runners % 4 == 3)
    @rule(pick=PICK)
    def overdue(self, pick: int) -> None:
        job_id = self.job_of(pick)
        self.sql(f"UPDATE jobs SET deadline_at = {LONG_AGO} WHERE id = :id", job_id)
        self.models[job_id].is_overdue = True

    # --- what runners do -----------------------------------------------------------------------

    @precondition(lambda self: self.could_claim())
    @rule()
    def claim(self) -> None:
        self.runners += 1
        owner = f"runner{self.runners}"
        claimed = self.store.claim_job(owner, 3600, KINDS, limits=ClaimLimits(total=MAX_RUNNING))
        self.settle()
        expected = self.next_job()
        if expected is None:
            assert claimed is None
            return
        assert claimed is not None
        assert claimed.id == expected
        model = self.models[expected]
        model.status, model.owner, model.is_expired = "running", owner, False
        model.attempt += 1
        assert (claimed.attempt, claimed.owner) == (model.attempt, owner)
        self.claims.append(claimed)

    @precondition(lambda self: self.claims)
    @rule(recent=RECENT)
    def heartbeat(self, recent: int) -> None:
        claimed = self.claim_of(recent)
        model = self.models[claimed.id]
        if not self.owns(claimed):
            self.refused(LeaseLostError, self.store.heartbeat, claimed, 3600)
            return
        asked = self.store.heartbeat(claimed, 3600)
        model.is_expired = False
        if model.status == "cancelling":
            assert asked is StopRequest.CANCEL
        elif model.is_overdue:
            assert asked is StopRequest.DEADLINE
        else:
            assert asked is (StopRequest.PAUSE if model.pause_requested else None)

    @precondition(lambda self: self.claims)
    @rule(recent=RECENT, done=st.integers(0, 9))
    def write(self, recent: int, done: int) -> None:
        claimed = self.claim_of(recent)
        if not self.owns(claimed):
            before = self.store.get_job(claimed.id).progress
            self.refused(StaleAttemptError, self.store.record_progress, claimed, {"done": done})
            assert self.store.get_job(claimed.id).progress == before
            return
        self.store.record_progress(claimed, {"done": done})

    @precondition(lambda self: self.claims)
    @rule(recent=RECENT, how=st.sampled_from(["succeed", "fail"]))
    def finish_work(self, recent: int, how: str) -> None:
        self.finish(recent, how)

    @precondition(lambda self: self.claims)
    @rule(recent=RECENT, how=st.sampled_from(["preempt", "preempt", "cancel", "deadline"]))
    def let_go(self, recent: int, how: str) -> None:
        self.finish(recent, how)

    def finish(self, recent: int, how: str) -> None:
        claimed = self.claim_of(recent)
        model = self.models[claimed.id]
        if how == "cancel" and model.status == "running" and self.owns(claimed):
            return  # runners only do that when they were asked to
        if how == "deadline" and not model.is_overdue and self.owns(claimed):
            return
        call = {
            "succeed": lambda: self.succeed(claimed),
            "fail": lambda: self.store.fail_job(claimed, {"type": "failed", "message": "m"}),
            "preempt": lambda: self.store.preempt_job(claimed, "shutdown"),
            "cancel": lambda: self.store.cancel_job(claimed),
            "deadline": lambda: self.store.fail_overdue_job(claimed),
        }[how]
        if not self.owns(claimed):
            self.refused(StaleAttemptError, call)
            return
        call()
        self.finished(claimed.id, how)

    def finished(self, job_id: str, how: str) -> None:
        model = self.models[job_id]
        if how == "fail":
            model.failures += 1
            is_granted = model.retries and model.failures < POLICY.max_attempts
            if is_granted and model.status == "running" and not model.is_overdue:
                self.rest(job_id, "queued")
                return
        if how == "preempt" and model.status == "running":
            self.rest(job_id, "preempted")
            return
        ends = {"succeed": "succeeded", "preempt": "cancelled", "cancel": "cancelled"}
        self.end(job_id, ends.get(how, "failed"))

    def succeed(self, claimed: ClaimedJob) -> None:
        supernet_id = claimed.spec["supernet_id"]
        self.store.finish_supernet(claimed, supernet_id, artifact("f"), {})

    # --- the model -----------------------------------------------------------------------------

    def could_claim(self) -> bool:
        """Whether a claim finds something to do or to settle: most random moments have nothing."""
        is_expired = any(model.is_expired for model in self.models.values())
        is_overdue = any(m.is_overdue and m.status in WAITING for m in self.models.values())
        return is_expired or is_overdue or self.next_job() is not None or self.runners % 5 == 0

    def job_of(self, pick: int) -> str:
        """One of the jobs, mostly one that has not ended."""
        alive = [job_id for job_id, model in self.models.items() if model.status not in ENDED]
        chosen = alive if alive and pick < 8 else list(self.models)
        return chosen[pick % len(chosen)]

    def claim_of(self, recent: int) -> ClaimedJob:
        """One of the claims, mostly one that is still good."""
        good = [claimed for claimed in self.claims if self.owns(claimed)]
        chosen = good if good and recent < 4 else self.claims
        return chosen[-1 - recent % len(chosen)]

    def owns(self, claimed: ClaimedJob) -> bool:
        model = self.models[claimed.id]
        is_owned = model.status in ("running", "cancelling")
        return is_owned and (model.attempt, model.owner) == (claimed.attempt, claimed.owner)

    def rest(self, job_id: str, status: str) -> None:
        model = self.models[job_id]
        model.status = "paused" if model.pause_requested else status
        model.owner, model.pause_requested, model.is_expired = None, False, False

    def end(self, job_id: str, status: str) -> None:
        model = self.models[job_id]
        model.status, model.owner = status, None
        model.pause_requested = model.is_expired = False
        if status != "succeeded":
            for child in model.children:
                if self.models[child].status in WAITING:
                    self.end(child, "failed")

    def settle(self) -> None:
        for job_id, model in self.models.items():
            if not (model.status in ("running", "cancelling") and model.is_expired):
                continue
            if model.status == "cancelling":
                self.end(job_id, "cancelled")
                continue
            model.lost += 1
            if model.is_overdue or model.lost > MAX_LOST_LEASES:
                self.end(job_id, "failed")
            else:
                self.rest(job_id, "preempted")
        for job_id, model in self.models.items():
            if model.status in WAITING and model.is_overdue:
                self.end(job_id, "failed")

    def next_job(self) -> str | None:
        running = sum(m.status in ("running", "cancelling") for m in self.models.values())
        ready = [
            (-model.priority, job_id)
            for job_id, model in self.models.items()
            if model.status in ("queued", "preempted")
            and all(self.models[parent].status == "succeeded" for parent in model.after)
        ]
        return min(ready)[1] if ready and running < MAX_RUNNING else None

    def refused(self, error: type[ServerError], call: Any, *arguments: Any) -> None:
        with pytest.raises(error):
            call(*arguments)

    def sql(self, statement: str, job_id: str = "") -> None:
        with self.engine.execution_options(writes=True).begin() as connection:
            connection.execute(text(statement), {"id": job_id} if job_id else {})

    @invariant()
    def the_store_agrees(self) -> None:
        rows = self.store.get_jobs(list(self.models))
        for job_id, model in self.models.items():
            row = rows[job_id]
            facts = (row.status, row.attempt, row.lease_owner, row.lost_leases, row.failed_attempts)
            assert facts == (model.status, model.attempt, model.owner, model.lost, model.failures)
            assert row.pause_requested == model.pause_requested
            assert (row.finished_at is not None) == (model.status in ENDED)
            assert (row.lease_expires_at is not None) == (model.owner is not None)

    def teardown(self) -> None:
        for job_id, model in self.models.items():
            moves = [
                event.type
                for event in self.store.job_events(job_id, 0, 500)
                if event.type in set(JobStatus)
            ]
            assert moves[-1] == model.status
            assert sum(move in ENDED for move in moves) == (model.status in ENDED)
            assert moves.count("running") == model.attempt


def run_machine(engine: Engine, max_examples: int, steps: int) -> None:
    class Machine(Leases):
        pass

    Machine.engine = engine
    Machine.store = Store(engine, max_lost_leases=MAX_LOST_LEASES)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=max_examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def sqlite_engine() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(Settings(home=Path(folder)))
        schema.upgrade(engine)
        yield engine
        engine.dispose()


def test_leases_agree_with_the_model_on_sqlite(sqlite_engine: Engine) -> None:
    run_machine(sqlite_engine, max_examples=12, steps=40)


@pytest.mark.postgres
def test_leases_agree_with_the_model_on_postgresql(
    postgres: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    url = postgres.new_database(postgres_template)
    engine = open_engine(Settings(home=tmp_path, database_url=url))
    run_machine(engine, max_examples=5, steps=40)
    engine.dispose()

"""The runner: claims jobs by lease and runs them, one at a time so that measurements are quiet.

`python -m server.runner` is one process. On SQLite it is the only one, which a file lock sees to;
on PostgreSQL there may be any number. A job runs in a thread of its own; the main thread keeps the
job's lease, passes on requests to stop, and ends the whole process when the job does not heed them.
"""

import os
import shutil
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import structlog

from server.artifacts import ArtifactStore, open_artifacts
from server.campaigns.duty import INTERVAL_S as CAMPAIGNS_INTERVAL_S
from server.campaigns.duty import advance_campaigns
from server.database import open_engine
from server.duties import Duty, on_duty
from server.errors import (
    DatabaseUnavailableError,
    DiskFullError,
    LeaseLostError,
    SchemaError,
    StaleAttemptError,
    StorageUnavailableError,
)
from server.execution.assess import run_assess
from server.execution.context import (
    JobContext,
    JobFailedError,
    JobStopped,
    StopFlag,
    StopReason,
)
from server.execution.export import run_export
from server.execution.refine import run_refine
from server.execution.search import run_search
from server.execution.train import run_train
from server.job_states import JobStatus
from server.locks import FileLock, RunnerLockedError
from server.logs import configure_logs
from server.maintenance.retention import retention_duties
from server.processes import stop_with_parent
from server.schema import require_current
from server.settings import Settings
from server.store import ClaimedJob, Store
from server.webhooks import delivering
from workers import cluster
from workers.cluster import ClusterError
from workers.settings import ClusterSettings

logger = structlog.get_logger(__name__)

Executor = Callable[[JobContext], None]
"""Does a job and records its result, which ends it as succeeded."""

EXECUTORS: Mapping[str, Executor] = {
    "train": run_train,
    "search": run_search,
    "export": run_export,
    "refine": run_refine,
    "assess": run_assess,
}
HEARTBEAT_S = 1.0
"""How often a lease is renewed, and thus how soon a cancellation is noticed."""

RETRY_S = 5.0
"""How long to wait for a database or a cluster that is not there."""

EXIT_HARD_STOP = 70
"""Exit status after a job that did not stop in time."""


class Runner:
    """Claims and runs jobs until it is asked to stop.

    Args:
        store: the database.
        artifacts: content-addressed files.
        settings: lease, poll and grace periods.
        executors: what to do for each kind of job.
        connect: returns when the cluster that the executors need is there; raises `ClusterError`.
            Called from the thread of `run`, and again when the cluster may have been lost.
        sole: whether no other runner can be alive, so that jobs found running have no owner.
        duties: periodic work of the service, done beside the jobs.
    """

    def __init__(
        self,
        store: Store,
        artifacts: ArtifactStore,
        settings: Settings,
        executors: Mapping[str, Executor],
        connect: Callable[[], None],
        *,
        sole: bool,
        duties: Sequence[Duty] = (),
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._settings = settings
        self._executors = executors
        self._connect = connect
        self._has_orphans = sole
        self._duties = duties
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._shutdown = threading.Event()

    def stop(self) -> None:
        """Asks the runner to end; its job stops at its next step and waits for another runner."""
        self._shutdown.set()

    def run(self) -> None:
        """Works until `stop`; waits for a database or a cluster that is not there."""
        logger.info("runner started", owner=self._owner)
        with on_duty(self._store, self._duties):
            self._take_jobs()
        logger.info("runner stopped", owner=self._owner)

    def _take_jobs(self) -> None:
        while not self._shutdown.is_set():
            try:
                self._connect()
                job = self._claim()
            except (DatabaseUnavailableError, ClusterError) as error:
                logger.warning("cannot take jobs", error=str(error))
                self._shutdown.wait(RETRY_S)
                continue
            if job is not None:
                self._run_job(job)
            else:
                self._shutdown.wait(self._settings.poll_seconds)

    def _claim(self) -> ClaimedJob | None:
        if self._has_orphans:
            for job_id in self._store.release_orphans(self._owner):
                logger.info("took a job from a dead runner", job_id=job_id)
            self._has_orphans = False
        return self._store.claim_job(
            self._owner, self._settings.lease_seconds, tuple(self._executors)
        )

    def _run_job(self, job: ClaimedJob) -> None:
        """Runs one job in a thread and keeps its lease until the thread ends."""
        log = logger.bind(job_id=job.id, kind=job.kind, attempt=job.attempt)
        log.info("job started")
        stop = StopFlag()
        # A database that is away for a while costs the job time, no attempt; so does a full disk.
        store = self._store.within(job.project_id).patient(stop.is_set)
        artifacts = self._artifacts.patient(stop.is_set)
        context = JobContext(job, store, artifacts, self._settings, stop)
        thread = threading.Thread(target=self._execute, args=(context,), name=job.id, daemon=True)
        thread.start()
        asked_at: float | None = None
        while True:
            thread.join(HEARTBEAT_S)
            if not thread.is_alive():
                return
            if self._shutdown.is_set():
                stop.set(StopReason.SHUTDOWN)
            self._renew_lease(job, stop)
            if stop.reason is None:
                continue
            if asked_at is None:
                asked_at = time.monotonic()
                log.info("job asked to stop", reason=stop.reason.value)
            if (
                thread.is_alive()
                and time.monotonic() - asked_at > self._settings.stop_grace_seconds
            ):
                log.error("job did not stop in time, ending the runner")
                # Ray's processes end with this one; the next runner settles the job.
                os._exit(EXIT_HARD_STOP)

    def _renew_lease(self, job: ClaimedJob, stop: StopFlag) -> None:
        """Keeps the job for this runner; passes on that it was cancelled or is another's.

        While the database does not answer, the work goes on or waits for it: should another take
        the job over meanwhile, the fence refuses what comes late.
        """
        try:
            if self._store.heartbeat(job, self._settings.lease_seconds):
                stop.set(StopReason.CANCEL)
        except LeaseLostError:
            stop.set(StopReason.LEASE_LOST)
        except DatabaseUnavailableError as error:
            logger.warning("cannot renew the lease", job_id=job.id, error=str(error))

    def _execute(self, context: JobContext) -> None:
        """Runs the job's executor and settles how the job ended; the job thread's only function."""
        job = context.job
        # For all that is logged in this thread, by whomever.
        structlog.contextvars.bind_contextvars(job_id=job.id, kind=job.kind, attempt=job.attempt)
        log = logger.bind(job_id=job.id, kind=job.kind, attempt=job.attempt)
        try:
            try:
                self._executors[job.kind](context)
                log.info("job succeeded")
            except JobStopped:
                self._settle_stopped(context)
            except JobFailedError as error:
                log.warning("job failed", error=str(error))
                self._store.fail_job(job, {"type": "failed", "message": str(error)})
            except (StaleAttemptError, DatabaseUnavailableError):
                raise
            except Exception as error:
                # Whoever waits for the storage gives up when the job is to stop.
                waited = isinstance(error, (DiskFullError, StorageUnavailableError))
                if waited and context.stop.is_set():
                    self._settle_stopped(context)
                else:
                    self._settle_unexpected(context, error)
            self._tidy(context)
        except StaleAttemptError as error:
            log.warning("late result refused", error=str(error))
        except DatabaseUnavailableError as error:
            # Its lease runs out, and the next attempt goes on from what is stored.
            log.error("job given up: the database does not answer", error=str(error))

    def _settle_stopped(self, context: JobContext) -> None:
        job, reason = context.job, context.stop.reason
        logger.info("job stopped", job_id=job.id, reason=reason and reason.value)
        if reason is StopReason.CANCEL:
            self._store.cancel_job(job)
        elif reason is StopReason.SHUTDOWN:
            self._store.preempt_job(job, StopReason.SHUTDOWN.value)

    def _settle_unexpected(self, context: JobContext, error: Exception) -> None:
        """Fails the job, unless it was the cluster that failed: then it waits for another."""
        job = context.job
        logger.exception("job raised", job_id=job.id, kind=job.kind, attempt=job.attempt)
        if cluster.is_alive():
            message = f"{type(error).__name__}: {error}"
            self._store.fail_job(job, {"type": "internal", "message": message})
        else:
            self._store.preempt_job(job, "Ray was lost")

    def _tidy(self, context: JobContext) -> None:
        """Removes the job's folder once nothing will come back to it; a failed one's is kept."""
        status = self._store.get_job(context.job.id).state
        if status in (JobStatus.SUCCEEDED, JobStatus.CANCELLED):
            shutil.rmtree(context.work_folder, ignore_errors=True)


def connect_cluster(runner_stop: Callable[[], None]) -> None:
    """Returns when this process is connected to a Ray that answers; `RAY_ADDRESS` may name it.

    Must be called from the main thread: a local Ray ends with the thread that started it. Ray
    replaces the handler of SIGTERM, so ours is put back.

    Args:
        runner_stop: what SIGTERM and SIGINT shall do.

    Raises:
        ClusterError: there is none to be had.
    """
    if not cluster.is_alive():
        cluster.disconnect()
        cluster.connect(ClusterSettings())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner_stop())


def main(arguments: Sequence[str] = ()) -> int:
    """Runs a runner until SIGTERM or SIGINT; returns the exit status.

    Args:
        arguments: `--supervised` where a parent holds the other end of standard input.
    """
    settings = Settings()
    configure_logs(settings.log_level, settings.log_format)
    try:
        with ExitStack() as stack:
            if settings.is_sqlite:
                settings.home.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(settings.home / "runner.lock"))
            runner = open_runner(settings)
            if "--supervised" in arguments:
                stop_with_parent(runner.stop)
            runner.run()
            cluster.disconnect()
    except (RunnerLockedError, SchemaError, DatabaseUnavailableError) as error:
        print(f"espalier runner: {error}", file=sys.stderr)  # noqa: T201 - for the terminal
        return 1
    return 0


def duties_of(settings: Settings) -> Sequence[Duty]:
    """Returns what every runner does besides its jobs."""
    return (
        Duty("campaigns", CAMPAIGNS_INTERVAL_S, advance_campaigns),
        Duty("webhooks", 1.0, delivering(settings.webhook_private_hosts)),
        *retention_duties(settings),
    )


def open_runner(settings: Settings) -> Runner:
    """Returns a runner on the settings' database and artifacts, with all executors.

    Raises:
        SchemaError: the database is not at this version's schema.
        DatabaseUnavailableError: it does not answer.
    """
    engine = open_engine(settings)
    require_current(engine)
    store = Store(engine, max_lost_leases=settings.max_lost_leases)
    artifacts = open_artifacts(settings)
    runner = Runner(
        store,
        artifacts,
        settings,
        EXECUTORS,
        connect=lambda: connect_cluster(runner.stop),
        sole=settings.is_sqlite,
        duties=duties_of(settings),
    )
    return runner


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

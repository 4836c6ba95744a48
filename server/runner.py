"""The runner: claims jobs by lease and runs them, by default one at a time for quiet measurements.

`python -m server.runner` is one process, `server.supervised` one that ends with its parent. On
SQLite it is the only one, which a file lock sees to; on PostgreSQL there may be any number. A job
runs in a thread of its own; the main thread keeps the leases, passes on requests to stop, and ends
the whole process when a job does not heed them.
"""

import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from queue import Empty, SimpleQueue

import structlog
from sqlalchemy.engine import make_url

from server.artifacts import ArtifactStore, open_artifacts
from server.campaigns.duty import INTERVAL_S as CAMPAIGNS_INTERVAL_S
from server.campaigns.duty import advance_campaigns
from server.configuration import ConfigurationError
from server.database import open_engine
from server.duties import Duty, on_duty
from server.errors import DatabaseUnavailableError, SchemaError, StaleAttemptError
from server.execution.attempt import Executor, run_attempt
from server.execution.context import JobContext, StopFlag, StopReason
from server.execution.executors import EXECUTORS
from server.execution.heartbeats import renew_lease
from server.locks import FileLock, RunnerLockedError
from server.logs import configure_logs
from server.maintenance.retention import retention_duties
from server.schema import require_current
from server.settings import Settings
from server.store import ClaimedJob, ClaimLimits, RunnerFacts, Store
from server.webhooks import delivering
from workers import cluster
from workers.cluster import ClusterError, ClusterResources
from workers.settings import ClusterSettings

logger = structlog.get_logger(__name__)

HEARTBEAT_S = 1.0
"""How often a lease is renewed, and thus how soon a cancellation is noticed."""

RETRY_S = 5.0
"""How long to wait for a database or a cluster that is not there."""

KILL_GRACE_S = 5.0
"""How long a killed job may take to stop; nothing that it still does is worth waiting for."""

EXIT_HARD_STOP = 70
"""Exit status after a job that did not stop in time."""


@dataclass
class _RunningJob:
    """A claimed job and the thread that does it.

    Attributes:
        context: of the attempt.
        thread: ends with it.
        asked_for: why it was asked to stop; None as long as it was not.
        asked_at: when it was first asked for that reason.
    """

    context: JobContext
    thread: threading.Thread
    asked_for: StopReason | None = None
    asked_at: float = 0.0


class Runner:
    """Claims and runs jobs until it is asked to stop.

    Args:
        store: the database.
        artifacts: content-addressed files.
        settings: lease, poll and grace periods, and how many jobs run at once.
        executors: what to do for each kind of job.
        connect: returns what the cluster offers that the executors need when it is there, None if
            they need none; raises `ClusterError`. Called from the thread of `run`, and again when
            the cluster may have been lost.
        sole: whether no other runner can be alive, so that jobs found running have no owner.
        duties: periodic work of the service, done beside the jobs.
    """

    def __init__(
        self,
        store: Store,
        artifacts: ArtifactStore,
        settings: Settings,
        executors: Mapping[str, Executor],
        connect: Callable[[], ClusterResources | None],
        *,
        sole: bool,
        duties: Sequence[Duty] = (),
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._settings = settings
        self._executors = executors
        self._connect = connect
        self._sole = sole
        self._has_orphans = sole
        self._duties = duties
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._is_ending = False
        self._is_connecting = False
        # Not an event: a signal may come while the thread that it interrupts holds an event's lock.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._running: list[_RunningJob] = []
        self._registered: RunnerFacts | None = None
        self._seen_at = 0.0

    def stop(self) -> None:
        """Asks the runner to end; its jobs stop at their next step and wait for another runner."""
        self._is_ending = True
        self._wake.put(None)

    @property
    def is_connecting(self) -> bool:
        """Whether the runner waits for a cluster: it has no job then, and does not heed `stop`."""
        return self._is_connecting

    def run(self) -> None:
        """Works until `stop`; waits for a database or a cluster that is not there."""
        logger.info("runner started", owner=self._owner)
        with on_duty(self._store, self._duties):
            self._take_jobs()
            self._sign_off()
        logger.info("runner stopped", owner=self._owner)

    def _take_jobs(self) -> None:
        while True:
            # Before a claim, which settles the leases that have expired: so have ours after a
            # database that was away, or a machine that slept.
            are_kept = self._watch_all()
            is_ending = self._is_ending
            if is_ending and not self._running:
                return
            wait_s = HEARTBEAT_S
            is_full = len(self._running) >= self._settings.max_running_jobs
            if are_kept and not is_ending and not is_full:
                wait_s = self._take_job()
            # The end of a job's thread wakes us too.
            with suppress(Empty):
                self._wake.get(timeout=wait_s)

    def _watch_all(self) -> bool:
        """Looks after all jobs; returns whether the database answered."""
        self._running = [job for job in self._running if job.thread.is_alive()]
        if self._running:
            self._be_seen()
        answered = [self._watch(job) for job in self._running]
        return all(answered)

    def _take_job(self) -> float:
        """Starts a job if there is one to do; returns how long to wait before the next look."""
        try:
            if not self._running:
                self._find_cluster()
            # To find it may have taken long.
            job = None if self._is_ending else self._claim()
        except (DatabaseUnavailableError, ClusterError) as error:
            logger.warning("cannot take jobs", error=str(error))
            return HEARTBEAT_S if self._running else RETRY_S
        if job is not None:
            self._start(job)
        is_full = len(self._running) >= self._settings.max_running_jobs
        return HEARTBEAT_S if is_full else min(self._settings.poll_seconds, HEARTBEAT_S)

    def _find_cluster(self) -> None:
        """Makes sure of the cluster, and lets others know what it offers; not if asked to end."""
        self._is_connecting = True
        try:
            # Whoever asks it to end just now either has been heard here or sees it connecting.
            if self._is_ending:
                return
            offer = self._connect()
        finally:
            self._is_connecting = False
        self._register(offer)

    def _register(self, cluster_resources: ClusterResources | None) -> None:
        """Lets others know that this runner lives, and what its cluster offers now."""
        offer = cluster_resources or ClusterResources(os.cpu_count() or 1, 0)
        facts = RunnerFacts(
            id=self._owner,
            host=socket.gethostname(),
            num_cpus=offer.num_cpus,
            num_gpus=offer.num_gpus,
            custom=dict(offer.custom),
            version=version("espalier"),
        )
        if facts != self._registered:
            self._store.register_runner(facts, sole=self._sole)
            self._registered = facts
        else:
            self._be_seen()

    def _be_seen(self) -> None:
        """Renews the sign of life, three times in the length of a lease."""
        now = time.monotonic()
        if now - self._seen_at < self._settings.lease_seconds / 3:
            return
        assert self._registered is not None
        try:
            if not self._store.runner_seen(self._owner):
                # It was taken for dead, or the database has been restored.
                self._store.register_runner(self._registered, sole=self._sole)
            self._seen_at = now
        except DatabaseUnavailableError as error:
            logger.warning("cannot renew the sign of life", error=str(error))

    def _sign_off(self) -> None:
        if self._registered is not None:
            try:
                self._store.remove_runner(self._owner)
            except DatabaseUnavailableError as error:
                logger.warning("cannot sign off", error=str(error))

    def _claim(self) -> ClaimedJob | None:
        if self._has_orphans:
            for job_id in self._store.release_orphans(self._owner):
                logger.info("took a job from a dead runner", job_id=job_id)
            self._has_orphans = False
        settings = self._settings
        assert self._registered is not None
        return self._store.claim_job(
            self._owner,
            settings.lease_seconds,
            tuple(self._executors),
            limits=ClaimLimits(settings.max_running_jobs_total, settings.max_running_jobs_per_key),
            # What the only runner cannot do, nobody can: it says why, instead of leaving it.
            offered=None if self._sole else self._registered.offered,
        )

    def _start(self, job: ClaimedJob) -> None:
        logger.info("job started", job_id=job.id, kind=job.kind, attempt=job.attempt)
        stop = StopFlag()
        # A database that is away for a while costs the job time, no attempt; so does a full disk.
        store = self._store.within(job.project_id).patient(stop.is_set)
        artifacts = self._artifacts.patient(stop.is_set)
        context = JobContext(job, store, artifacts, self._settings, stop)
        thread = threading.Thread(target=self._execute, args=(context,), name=job.id, daemon=True)
        self._running.append(_RunningJob(context, thread))
        thread.start()

    def _watch(self, running: _RunningJob) -> bool:
        """Keeps a job's lease; ends this process if the job was asked to stop and does not.

        Returns:
            Whether the database answered.
        """
        job, stop = running.context.job, running.context.stop
        if self._is_ending:
            stop.set(StopReason.SHUTDOWN)
        is_kept = renew_lease(self._store, job, stop, self._settings.lease_seconds)
        if stop.reason is None:
            return is_kept
        if running.asked_for is not stop.reason:
            running.asked_for, running.asked_at = stop.reason, time.monotonic()
            logger.info("job asked to stop", job_id=job.id, reason=stop.reason.value)
        is_killed = stop.reason is StopReason.KILL
        grace_s = KILL_GRACE_S if is_killed else self._settings.stop_grace_seconds
        if running.thread.is_alive() and time.monotonic() - running.asked_at > grace_s:
            logger.error("job did not stop in time, ending the runner", job_id=job.id)
            self._give_back_others(running)
            # Ray's processes end with this one; the next runner settles the job.
            os._exit(EXIT_HARD_STOP)
        return is_kept

    def _give_back_others(self, stuck: _RunningJob) -> None:
        """Spares the jobs beside the one that takes this process down a lost lease."""
        for other in self._running:
            if other is not stuck and other.thread.is_alive():
                try:
                    self._store.preempt_job(other.context.job, "another job took its runner down")
                except (StaleAttemptError, DatabaseUnavailableError) as error:
                    logger.warning("cannot give a job back", error=str(error))

    def _execute(self, context: JobContext) -> None:
        """The only function of a job's thread."""
        try:
            run_attempt(context, self._executors[context.job.kind], self._store)
        finally:
            self._wake.put(None)


def connect_cluster(runner_stop: Callable[[], None]) -> ClusterResources:
    """Returns what the Ray offers that this process is connected to; `RAY_ADDRESS` may name it.

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
    stop_at_signals(runner_stop)
    return cluster.resources()


def stop_at_signals(stop: Callable[[], None]) -> None:
    """Lets SIGTERM and SIGINT call `stop`."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def main(tell: Callable[[Runner], None] = lambda _: None) -> int:
    """Runs a runner until SIGTERM or SIGINT; returns the exit status.

    Args:
        tell: called with the runner before it begins.
    """
    settings = Settings()
    configure_logs(settings.log_level, settings.log_format)
    try:
        with ExitStack() as stack:
            settings.home.mkdir(parents=True, exist_ok=True)
            runner = open_runner(settings)
            if settings.is_sqlite:
                stack.enter_context(FileLock(runner_lock(settings)))
            tell(runner)
            # Also before there is a Ray: one that is interrupted while it starts leaves processes
            # behind for a minute.
            stop_at_signals(runner.stop)
            runner.run()
            cluster.disconnect()
    except (
        RunnerLockedError,
        SchemaError,
        DatabaseUnavailableError,
        ConfigurationError,
    ) as error:
        print(f"espalier runner: {error}", file=sys.stderr)  # noqa: T201 - for the terminal
        return 1
    return 0


def runner_lock(settings: Settings) -> Path:
    """Returns the file that the one runner of a SQLite database locks.

    It lies beside the database, which several data folders may name.
    """
    database = make_url(settings.database_url).database
    assert database is not None
    path = Path(database).resolve()
    return path.with_name(f"{path.name}.runner-lock")


def duties_of(settings: Settings) -> Sequence[Duty]:
    """Returns what every runner does besides its jobs."""
    return (
        Duty("campaigns", CAMPAIGNS_INTERVAL_S, advance_campaigns),
        Duty("webhooks", 1.0, delivering(settings.webhook_private_hosts), thread="webhooks"),
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
    sys.exit(main())

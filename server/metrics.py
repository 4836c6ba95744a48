"""What Prometheus reads at `/metrics`: requests of this process, and figures of the database.

Each application has a registry of its own: there is no global state, and two applications in one
process count apart. Figures of the database are read when they are asked for, at most every few
seconds however many ask; while the database does not answer, `espalier_database_up` is 0 and they
are left out, but the answer is there all the same.
"""

import shutil
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import DatabaseUnavailableError
from server.store import Figures, Store

logger = structlog.get_logger(__name__)

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
"""Bounds of the durations of requests; the longest read a data set."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_EVENT_STREAM = b"text/event-stream"


class Metrics:
    """The metrics of one application.

    Args:
        store: the database, acting for the service itself.
        home: the data folder, whose disk is watched.
        version: of the program.
        cache_seconds: how old figures of the database may be.
        silent_seconds: a runner that was not heard of for longer is taken to be dead.

    Attributes:
        requests: answered, by method, route and status.
        durations: of them, by method and route.
        streams: of events, those that are open.
    """

    def __init__(
        self, store: Store, home: Path, version: str, *, cache_seconds: float, silent_seconds: float
    ) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter(
            "espalier_http_requests", "Requests answered.", labels, registry=self._registry
        )
        self.durations = Histogram(
            "espalier_http_request_duration_seconds",
            "Time to the end of an answer; of a stream of events, to its beginning.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self.streams = Gauge(
            "espalier_open_streams", "Streams of events that are open.", registry=self._registry
        )
        ProcessCollector(registry=self._registry)
        read = _cached(lambda: _figures(store, silent_seconds), cache_seconds)
        self._registry.register(_DatabaseCollector(read, home, version))

    def answer(self, accept: str) -> tuple[bytes, str]:
        """Returns all metrics in the format that a client asks for, and its media type."""
        try:
            encode, media_type = choose_encoder(accept)
        except (TypeError, ValueError):  # it stumbles over versions that are no numbers
            encode, media_type = choose_encoder("")
        return encode(self._registry), media_type


class RequestMetrics:
    """Counts requests by method, route and status; a route is a template, so they are few.

    Args:
        app: whose requests are counted.
        metrics: of the application.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500  # of a request that ends without an answer
        is_stream = False

        async def send_and_note(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = int(message["status"])
                if any(_EVENT_STREAM in value for _, value in message.get("headers", ())):
                    is_stream = True
                    self._metrics.streams.inc()
                    self._observe(scope, started)
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            if is_stream:
                self._metrics.streams.dec()
            else:
                self._observe(scope, started)
            labels = (_method_of(scope), _route_of(scope), str(status))
            self._metrics.requests.labels(*labels).inc()

    def _observe(self, scope: Scope, started: float) -> None:
        seconds = time.perf_counter() - started
        labels = (_method_of(scope), _route_of(scope))
        self._metrics.durations.labels(*labels).observe(seconds)


def _method_of(scope: Scope) -> str:
    # Anybody may send any word as a method.
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route_of(scope: Scope) -> str:
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "none"


class _DatabaseCollector(Collector):
    """Reads the state of the service when it is asked for."""

    def __init__(self, read: Callable[[], Figures | None], home: Path, program: str) -> None:
        self._read = read
        self._home = home
        self._program = program

    def describe(self) -> Iterable[Metric]:
        """Returns nothing: to register the collector must not read the database."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yields the state of the service."""
        yield InfoMetricFamily("espalier", "The program.", {"version": self._program})
        disk = shutil.disk_usage(self._home)
        yield _gauge("espalier_disk_free_bytes", "Free space of the data folder's disk.", disk.free)
        figures = self._read()
        up = figures is not None
        yield _gauge("espalier_database_up", "Whether the database answers.", float(up))
        if figures is not None:
            yield from _families(figures)


def _figures(store: Store, silent_seconds: float) -> Figures | None:
    """Returns the figures of the database; None if it does not answer."""
    try:
        return store.figures(silent_seconds)
    except DatabaseUnavailableError as error:
        logger.warning("no metrics of the database", error=str(error))
        return None


def _families(figures: Figures) -> Iterable[Metric]:
    jobs = GaugeMetricFamily("espalier_jobs", "Jobs.", labels=("kind", "status"))
    for (kind, status), count in sorted(figures.jobs.items()):
        jobs.add_metric((kind, status), count)
    yield jobs
    for name, text, counts in (
        ("evaluations", "Evaluations.", figures.evaluations),
        ("occurrences", "Firings of campaigns.", figures.occurrences),
        ("deliveries", "Deliveries to webhooks.", figures.deliveries),
    ):
        family = GaugeMetricFamily(f"espalier_{name}", text, labels=("status",))
        for status, count in sorted(counts.items()):
            family.add_metric((status,), count)
        yield family
    for name, text, value in (
        ("oldest_waiting_job_seconds", "Age of the oldest waiting job.", figures.oldest_waiting_s),
        ("runners", "Runners that live.", figures.runners),
        ("lost_leases", "How often jobs were lost with their runner.", figures.lost_leases),
        ("artifacts", "Files recorded.", figures.artifacts),
        ("artifacts_bytes", "Size of the files recorded.", figures.artifacts_bytes),
        ("database_bytes", "Size of the database.", figures.database_bytes),
    ):
        yield _gauge(f"espalier_{name}", text, value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _cached(read: Callable[[], Figures | None], seconds: float) -> Callable[[], Figures | None]:
    """Returns a function that reads at most every so many seconds, once for all who ask.

    That there was no answer is remembered as well: to wait for none takes long.
    """
    lock = threading.Lock()
    known: tuple[float, Figures | None] | None = None

    def read_cached() -> Figures | None:
        nonlocal known
        with lock:
            if known is None or time.monotonic() - known[0] >= seconds:
                figures = read()
                known = (time.monotonic(), figures)
            return known[1]

    return read_cached

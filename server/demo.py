"""`espalier demo`: the main job on real data, from an empty folder to a network in files.

Starts a service of its own and drives it through the REST API alone, as any client would.
"""

import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from rich.console import Console
from rich.text import Text

from server.cli import tables
from server.cli.progress import JobProgress
from server.cli.searches import download_all
from server.client import Client, ClientError
from server.job_states import JobStatus
from server.local_service import LocalService, ServiceDiedError
from server.schemas.jobs import JobView
from server.schemas.responses import ExportView, SupernetView
from server.schemas.searches import FrontView, PointView
from supernet.settings import TrainingSettings

NUM_STEPS = 6
NUM_EVALUATIONS = 60
MAX_CPUS = 2
LOG_LINES = 15
PATIENCE_S = 30.0

OBJECTIVES = [{"metric": "top1_percent"}, {"metric": "latency_ms"}]


class DemoError(Exception):
    """A step of the demo failed; the message says which and why."""


def run_demo(
    output: Path,
    home: Path,
    console: Console,
    *,
    training: TrainingSettings | None = None,
    num_evaluations: int = NUM_EVALUATIONS,
) -> None:
    """Runs the demo; may be run again in the same folders.

    Args:
        output: where the pictures, the network and the service's log go.
        home: the service's data folder.
        console: where to tell what happens.
        training: how to train; by default as recommended for the space.
        num_evaluations: how many networks the search evaluates.

    Raises:
        SystemExit: with 1 where something failed.
    """
    started = time.monotonic()
    service = LocalService(home, output / "service.log")
    try:
        with _terminable(), service, Client(service.url, patience_s=PATIENCE_S) as client:
            demo = Demo(client, output, console, training, num_evaluations)
            try:
                demo.start(service, home)
                demo.run()
            finally:
                console.print("\nStopping the service.", style="dim")
        took = timedelta(seconds=time.monotonic() - started)
        demo.tell_where_everything_is(home, took)
    except (DemoError, ServiceDiedError, ClientError) as error:
        _explain(error, service, console)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        console.print("Interrupted.")
        raise SystemExit(130) from None


class Demo:
    """The steps, in their order.

    Args:
        client: of the service.
        output: where files go.
        console: where to tell what happens.
        training: how to train; by default as recommended for the space.
        num_evaluations: how many networks the search evaluates.
    """

    def __init__(
        self,
        client: Client,
        output: Path,
        console: Console,
        training: TrainingSettings | None,
        num_evaluations: int,
    ) -> None:
        self._client = client
        self._output = output
        self._console = console
        self._training = training or TrainingSettings.preset("digits")
        self._num_evaluations = num_evaluations
        self._num_cpus = min(MAX_CPUS, available_cpus())
        self._step = 0
        self._search_id = ""

    def start(self, service: LocalService, home: Path) -> None:
        """Waits for the service."""
        self._begin("Start the service")
        with self._console.status("waiting for /readyz"):
            service.wait_until_ready(self._client)
        version = self._client.version()
        self._tell(f"{version.name} {version.version} at {service.url}, data in {shown(home)}")

    def run(self) -> None:
        """Does the job."""
        data_set_id, space_id = self._register()
        supernet = self._train(data_set_id, space_id)
        self._search(supernet)
        chosen = self._choose()
        self._export(chosen)

    def _register(self) -> tuple[str, str]:
        self._begin("Register the data set and the space")
        data_set = self._client.create_data_set({"name": "digits", "source": {"kind": "digits"}})
        counts = " / ".join(f"{count:,}" for count in data_set.counts.values())
        self._tell(f"digits ({data_set.id}): {counts} images")
        space = self._client.create_space({"kind": "mobilenetv3", "preset": "digits"})
        self._tell(f"mobilenetv3 ({space.id}): {int(space.size):,} networks")
        return data_set.id, space.id

    def _train(self, data_set_id: str, space_id: str) -> SupernetView:
        self._begin("Train the supernet, once")
        supernet = self._client.create_supernet(
            {
                "name": "digits demo",
                "space": space_id,
                "data_set": data_set_id,
                "training": self._training.model_dump(mode="json"),
                "resources": {"cpus_per_worker": self._num_cpus},
            }
        )
        self._follow("training", supernet.job)
        trained = self._client.supernet(supernet.id)
        for name in ("smallest", "largest"):
            metrics = extreme(trained, name)
            num_params = tables.count_text(metrics["num_params"])
            self._tell(
                f"{name} network: {metrics['top1_percent']:.1f} % validation top-1, "
                f"{metrics['latency_ms']:.3f} ms, {num_params} parameters"
            )
        return trained

    def _search(self, supernet: SupernetView) -> None:
        self._begin(f"Search: {self._num_evaluations} of its networks, evaluated and timed")
        fastest, slowest = (
            extreme(supernet, name)["latency_ms"] for name in ("smallest", "largest")
        )
        limit_ms = latency_limit(fastest, slowest)
        self._tell(
            f"limit: {limit_ms:g} ms, the geometric mean of {fastest:.3f} and {slowest:.3f} ms"
        )
        search = self._client.create_search(
            {
                "name": f"digits, at most {limit_ms:g} ms",
                "supernet": supernet.id,
                "objectives": OBJECTIVES,
                "limits": [{"metric": "latency_ms", "upper": limit_ms}],
                "evaluations": self._num_evaluations,
                "evaluator": {"latency": {}},
                "resources": {"num_workers": self._num_cpus},
            }
        )
        self._search_id = search.id
        self._follow("search", search.job)

    def _choose(self) -> PointView:
        """Shows the front; returns the chosen network."""
        self._begin("The Pareto front")
        front = self._client.front(self._search_id)
        self._console.print(tables.front_table(front))
        for note in tables.front_notes(front):
            self._tell(note, style="dim")
        for image_format in ("png", "svg"):
            path = self._output / f"pareto.{image_format}"
            path.write_bytes(self._client.front_picture(self._search_id, image_format))
        if not front.feasible:
            raise DemoError("no network that was measured keeps the latency limit")
        chosen = choose(front)
        self._tell(f"chosen: {chosen.architecture_digest}, {CHOICE_RULE}")
        return chosen

    def _export(self, chosen: PointView) -> None:
        self._begin("Export it, and read the test split once")
        export = self._client.create_export(
            {
                "search": self._search_id,
                "architecture_digest": chosen.architecture_digest,
                "report_test": True,
            }
        )
        self._follow("export", export.job)
        done = self._client.export(export.id)
        folder = self._output / "network"
        download_all(self._client, done.files, folder)
        self._console.print(tables.export_table(done))
        self._tell(test_sentence(done))

    def tell_where_everything_is(self, home: Path, took: timedelta) -> None:
        """Says where to find what was made."""
        done = Text.assemble(("Done", "bold green"), f" in {tables.duration_text(took)}.\n")
        self._console.print(done)
        self._console.print(
            tables.facts(
                {
                    "network": shown(self._output / "network"),
                    "pictures": f"{shown(self._output / 'pareto.png')} and .svg",
                    "database": shown(home / "espalier.db"),
                    "log": shown(self._output / "service.log"),
                }
            )
        )
        self._console.print("\nTo ask the service more:")
        self._console.print(f"  espalier serve --home {shown(home)} &", markup=False)
        self._console.print(f"  espalier search front {self._search_id}", markup=False)

    def _begin(self, title: str) -> None:
        self._step += 1
        self._console.print(f"\n{self._step}/{NUM_STEPS} {title}", style="bold", markup=False)

    def _tell(self, sentence: str, style: str = "") -> None:
        self._console.print(f"  {sentence}", style=style, markup=False)

    def _follow(self, title: str, job_id: str) -> JobView:
        """Shows a job until it has succeeded.

        Raises:
            DemoError: it does not.
        """
        with JobProgress(title, self._console) as progress:
            job = self._client.wait(job_id, on_event=progress)
        if job.status is not JobStatus.SUCCEEDED:
            reason = tables.error_text(job) or job.status.value
            raise DemoError(f"the {title} job {job.id} has not succeeded: {reason}")
        return job


CHOICE_RULE = "the most accurate within the limit"


def choose(front: FrontView) -> PointView:
    """Returns the most accurate network of a feasible front.

    Not the cheapest of those that cannot be told apart from it: on some hundred images intervals
    are so wide that nearly the whole front overlaps, and the rule would end at its cheapest point.
    """
    return max(front.points, key=lambda point: point.metrics["top1_percent"])


def latency_limit(fastest_ms: float, slowest_ms: float) -> float:
    """Returns the geometric mean of two latencies, rounded to two significant digits."""
    return float(f"{math.sqrt(fastest_ms * slowest_ms):.2g}")


def extreme(supernet: SupernetView, name: str) -> dict[str, Any]:
    """Returns the metrics of a trained supernet's `smallest` or `largest` network.

    Raises:
        DemoError: it could not be evaluated.
    """
    part = (supernet.summary or {})[name]
    metrics: dict[str, Any] = part["metrics"]
    if "latency_ms" not in metrics:
        raise DemoError(f"the {name} network could not be measured: {part.get('reason')}")
    return metrics


def test_sentence(export: ExportView) -> str:
    """Returns what the exported file achieved on the test split."""
    assert export.test_report is not None  # it was asked for
    return tables.test_text(export.test_report) + f", {export.test_report['runtime']}"


def available_cpus() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shown(path: Path) -> str:
    """Returns a path as seen from here, if it lies below."""
    with contextlib.suppress(ValueError):
        return str(path.absolute().relative_to(Path.cwd()))
    return str(path)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Turns SIGTERM and SIGHUP into an exit that closes what is open."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _explain(error: Exception, service: LocalService, console: Console) -> None:
    """Says what went wrong, with the end of the service's log."""
    console.print("Failed:", style="bold red", end=" ")
    console.print(str(error), markup=False)
    console.print(f"\nThe last warnings and errors in {shown(service.log)}:", markup=False)
    for line in service.complaints(LOG_LINES):
        text = Text.from_ansi(f"  {line}", style="dim", no_wrap=True, overflow="ellipsis")
        console.print(text)

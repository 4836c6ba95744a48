"""A runner in a process whose clock is wrong: `python odd_clock.py DAYS FOLDER`.

It writes the file `at work` once it has a job, and ends when the job is done, which is when the
file `go on` is there.
"""

import datetime
import sys
import threading
import time
from pathlib import Path
from typing import Any

import server.runner
import workers.cluster
from server.artifacts import open_artifacts
from server.execution.context import JobContext
from server.main import open_store
from server.runner import Runner, duties_of
from server.settings import Settings


def step_clocks(offset: datetime.timedelta) -> None:
    """Moves the wall clock that Python's own code reads; PostgreSQL's and SQLite's stay."""
    real_time, real_time_ns = time.time, time.time_ns
    real_datetime = datetime.datetime

    class OddMeta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real_datetime)

    class OddDatetime(real_datetime, metaclass=OddMeta):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return real_datetime.now(tz) + offset

    time.time = lambda: real_time() + offset.total_seconds()
    time.time_ns = lambda: real_time_ns() + int(offset.total_seconds() * 1e9)
    for name, module in list(sys.modules.items()):
        if name.startswith(("server", "workers")) and vars(module).get("datetime") is real_datetime:
            module.datetime = OddDatetime  # type: ignore[attr-defined]


def main() -> None:
    offset, folder = datetime.timedelta(days=float(sys.argv[1])), Path(sys.argv[2])
    settings = Settings()
    store = open_store(settings)
    done = threading.Event()

    def executor(context: JobContext) -> None:
        context.progress(1, 2, "epochs")
        (folder / "at work").touch()
        while not (folder / "go on").exists():
            context.check_stop()
            time.sleep(0.02)
        context.store.fail_job(context.job, {"type": "failed", "message": "as asked"})
        done.set()

    step_clocks(offset)
    assert abs(time.time() - datetime.datetime.now(datetime.UTC).timestamp()) > 3600
    runner = Runner(
        store,
        open_artifacts(settings),
        settings,
        {"train": executor},
        lambda: None,
        sole=settings.is_sqlite,
        duties=duties_of(settings),
    )
    thread = threading.Thread(target=runner.run)
    thread.start()
    assert done.wait(30)
    runner.stop()
    thread.join()
    store.close()
    assert server.runner.cluster is workers.cluster  # no second copy was stepped instead


if __name__ == "__main__":
    main()

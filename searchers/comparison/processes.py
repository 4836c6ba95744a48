"""Many tasks over the cores of this machine, each process with one thread."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


class TaskFailedError(RuntimeError):
    """A task raised, which is its cause, or its process ended."""


def in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], num_processes: int
) -> Iterator[tuple[Task, Result]]:
    """Yields each task with its result, in the order in which they are done.

    Processes have one thread each for linear algebra: more would fight for the cores, and sums
    would depend on their number. They end with this one, even if it is killed.

    Args:
        function: of a module, so that other processes find it.
        tasks: begun in this order.
        num_processes: 1 or more.

    Raises:
        TaskFailedError: one failed; those that were not begun are given up.
    """
    if not tasks:
        return
    context = multiprocessing.get_context("spawn")
    count = min(num_processes, len(tasks))
    with _one_thread(), ProcessPoolExecutor(count, context, initializer=_prepare) as pool:
        futures = {pool.submit(function, task): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], _result(futures[future], future.result)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _result(task: Task, result: Callable[[], Result]) -> Result:
    try:
        return result()
    except BrokenProcessPool:
        raise TaskFailedError("a process ended before its task (is there enough memory?)") from None
    except Exception as error:
        raise TaskFailedError(f"{task} failed: {type(error).__name__}: {error}") from error


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sets what libraries read when they are loaded: children inherit it."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _prepare() -> None:
    """Lets a process end quietly when it is interrupted, or when its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()

"""Runs a function of the workers' for a job, with the job's ways to stop and to fail."""

from collections.abc import Callable
from typing import Any, TypeVar

from server.execution.context import JobContext, JobFailedError, JobStopped
from workers.exporting import TaskCancelledError, TaskFailedError, run_task

Result = TypeVar("Result")


def run(context: JobContext, function: Callable[..., Result], *arguments: Any) -> Result:
    """Returns what a function gives in a worker process.

    Raises:
        JobStopped: the job shall stop.
        JobFailedError: the function raised, or its workers died.
    """
    try:
        return run_task(function, *arguments, should_cancel=context.stop.is_set)
    except TaskCancelledError:
        raise JobStopped from None
    except TaskFailedError as error:
        raise JobFailedError(str(error)) from error

"""Runs a function of the workers' for a job, with the job's ways to stop and to fail."""

from collections.abc import Callable
from typing import Any, TypeVar

from server.execution.context import JobContext, JobFailedError, JobStopped
from workers.exporting import TaskCancelledError, TaskFailedError, run_task

Result = TypeVar("Result")


def run(
    context: JobContext, function: Callable[..., Result], *arguments: Any, num_cpus: int = 1
) -> Result:
    """Returns what a function gives in a worker process.

    Args:
        context: of the job.
        function: runs there.
        arguments: of the function.
        num_cpus: that the process is given.

    Raises:
        JobStopped: the job shall stop.
        JobFailedError: the function raised, or its workers died.
    """
    try:
        return run_task(function, *arguments, should_cancel=context.stop.is_set, num_cpus=num_cpus)
    except TaskCancelledError:
        raise JobStopped from None
    except TaskFailedError as error:
        raise JobFailedError(str(error)) from error

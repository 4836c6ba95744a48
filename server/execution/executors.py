"""Which function does a job of which kind.

Each is imported when the first job of its kind runs: they bring torch and Ray Train along, which
take seconds that a runner without such jobs need not spend.
"""

from collections.abc import Mapping
from importlib import import_module

from server.execution.attempt import Executor
from server.execution.context import JobContext


def _later(module: str, function: str) -> Executor:
    def execute(context: JobContext) -> None:
        executor: Executor = getattr(import_module(f"server.execution.{module}"), function)
        executor(context)

    return execute


EXECUTORS: Mapping[str, Executor] = {
    "train": _later("train", "run_train"),
    "search": _later("search", "run_search"),
    "export": _later("export", "run_export"),
    "refine": _later("refine", "run_refine"),
    "assess": _later("assess", "run_assess"),
}

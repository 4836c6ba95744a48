"""Which errors mean what: out of memory, and what a message keeps of an error."""

from collections.abc import Iterator
from typing import Any

_OUT_OF_MEMORY_SIGNS = (
    "out of memory",
    "can't allocate memory",  # torch on the CPU
    "bad_alloc",  # ONNX Runtime
    "bad allocation",
    "failed to allocate memory",
)
_RAYS_SIGNS = (
    "outofmemoryerror",  # Ray's error, and torch's for a GPU, by its class
    "low memory of the machine",  # our pools' word for it
    "running low on memory",  # Ray's memory monitor, in the message of a dead worker
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, for Python, for torch (either device) or for ONNX Runtime.

    torch raises a plain RuntimeError on the CPU and ONNX Runtime one of its own, so that for those
    the message decides.
    """
    if isinstance(error, MemoryError):
        return True
    message = str(error).lower()
    return any(sign in message for sign in _OUT_OF_MEMORY_SIGNS)


def summary(error: BaseException, limit: int = 500) -> str:
    """Returns an error's class and message on one line of at most `limit` characters."""
    message = " ".join(str(error).split())
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return text if len(text) <= limit else text[: limit - 3] + "..."


def origins(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and those that it came from; what a worker raised included."""
    seen: set[int] = set()
    pending: list[Any] = [error]
    while pending:
        one = pending.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        # Ray's errors of tasks hold what the worker raised as `cause`, Ray Train's those of all.
        pending += [one.__cause__, getattr(one, "cause", None)]
        pending += getattr(one, "worker_failures", {}).values()


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that memory ran out anywhere.

    Unlike `is_out_of_memory` this also knows the workers that Ray killed for their node's memory,
    and errors that only live on in the message of another.
    """
    for one in origins(error):
        text = f"{type(one).__name__}: {one}".lower()
        if is_out_of_memory(one) or any(sign in text for sign in _RAYS_SIGNS):
            return True
    return False

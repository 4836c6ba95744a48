"""Which errors mean what: out of memory, and what a message keeps of an error."""

_OUT_OF_MEMORY_SIGNS = (
    "out of memory",
    "can't allocate memory",  # torch on the CPU
    "bad_alloc",  # ONNX Runtime
    "bad allocation",
    "failed to allocate memory",
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

"""Logs: one JSON object per line on standard error, of our own and of libraries' loggers.

Every line of a request carries `request_id`, every line of a job `job_id` and `attempt`, also those
that libraries and workers' drivers write: they are bound to the context, not passed along. No
secrets: passwords in addresses are masked, and tracebacks show no variables.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from server.configuration import masked
from server.settings import LogFormat, LogLevel


def configure_logs(level: LogLevel, log_format: LogFormat) -> None:
    """Sends the logs of this process to standard error, as JSON lines or as lines for people."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Variables of the frames would show keys and passwords.
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
        if log_format == "json"
        else structlog.processors.format_exc_info,
        _mask_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _drop_coloured,
            structlog.processors.JSONRenderer(default=str)
            if log_format == "json"
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # One line per migration and one per request of the client are not worth reading.
    for name in ("alembic", "httpx", "matplotlib", "PIL"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _drop_coloured(
    _logger: Any, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Drops uvicorn's second copy of its message, with escape sequences for a terminal."""
    event.pop("color_message", None)
    return event


def configure_command_logs() -> None:
    """Sends what a command warns of to standard error: its standard output has other readers."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _mask_secrets,
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        # Looked up for each line: whoever calls commands may have put another stream there.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _mask_secrets(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Replaces passwords, also those in the texts of errors."""
    return {name: _masked_part(name, value) for name, value in event.items()}


def _masked_part(name: str, value: Any) -> Any:
    # What structlog passes along for itself (a record, the error) is no value to be shown.
    return value if name.startswith("_") or name == "exc_info" else masked(name, value)

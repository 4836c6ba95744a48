"""`--priority`, `--deadline` and `--after` of the commands that submit something."""

import re
from datetime import datetime
from typing import Annotated, Any

import typer

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def deadline(text: str) -> dict[str, Any]:
    """Returns a deadline as the API takes it.

    Args:
        text: a duration (`90s`, `30m`, `12h`, `7d`) or a moment in RFC 3339.

    Raises:
        typer.BadParameter: it is neither.
    """
    if match := _DURATION.fullmatch(text):
        return {"deadline_seconds": float(match[1]) * _UNITS_S[match[2]]}
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(
            f"must be 90s, 30m, 12h, 7d or a time with its zone, 2027-01-31T12:00:00Z, got {text!r}"
        )
    return {"deadline_at": moment.isoformat()}


def _check(text: str | None) -> str | None:
    if text is not None:
        deadline(text)
    return text


PriorityOption = Annotated[
    int | None, typer.Option("--priority", help="Of waiting jobs, the highest runs first.")
]
DeadlineOption = Annotated[
    str | None,
    typer.Option(
        "--deadline", callback=_check, help="Fail if it has not ended by then: 12h, 7d, or a time."
    ),
]
AfterOption = Annotated[
    list[str] | None,
    typer.Option("--after", metavar="JOB", help="Wait for this job; may be given again."),
]


def with_job_options(
    body: dict[str, Any], priority: int | None, until: str | None, after: list[str] | None
) -> dict[str, Any]:
    """Returns a body with what the command line says of its job, which overrides what it said."""
    given: dict[str, Any] = {}
    if priority is not None:
        given["priority"] = priority
    if until is not None:
        given |= {"deadline_seconds": None, "deadline_at": None, **deadline(until)}
    if after:
        given["after"] = after
    return {**body, "job": {**body.get("job", {}), **given}} if given else body

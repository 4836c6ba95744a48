"""What is logged: one JSON object per line, tied to its job or request, without secrets."""

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from server.logs import configure_logs


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, config = root.handlers, root.level, structlog.get_config()
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**config)


def records(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


def fail() -> None:
    api_key = "esp_0123456789"
    raise ValueError(f"no answer from postgresql://me:pa55word@db/x, {len(api_key)} tries")


def test_libraries_lines_say_which_job_they_are_of(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    with structlog.contextvars.bound_contextvars(job_id="job_1", attempt=3):
        structlog.get_logger("ours").info("trained", epochs=2)
        logging.getLogger("workers.pools").warning("worker died: %s", "killed")
        logging.getLogger("workers.pools").debug("not worth a line")
    ours, theirs = records(capsys.readouterr().err)
    assert (ours["event"], ours["epochs"], ours["logger"]) == ("trained", 2, "ours")
    assert (theirs["event"], theirs["level"]) == ("worker died: killed", "warning")
    for record in (ours, theirs):
        assert (record["job_id"], record["attempt"]) == ("job_1", 3)
        assert record["timestamp"].endswith("Z")


def test_what_is_said_twice_for_terminals_is_logged_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("info", "json")
    logging.getLogger("uvicorn.error").info("Started", extra={"color_message": "\x1b[36mStarted"})
    (record,) = records(capsys.readouterr().err)
    assert (record["event"], "color_message" in record) == ("Started", False)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_errors_show_where_but_no_secrets(
    capsys: pytest.CaptureFixture[str], log_format: Any
) -> None:
    configure_logs("info", log_format)
    try:
        fail()
    except ValueError:
        structlog.get_logger("ours").exception("bad", api_key="esp_0123456789")
        logging.getLogger("theirs").exception("at %s", "s3://id:pa55word@bucket")
    written = capsys.readouterr().err
    assert "postgresql://me:***@db/x" in written
    assert "in fail" in written or '"name": "fail"' in written
    assert "pa55word" not in written
    assert "esp_0123456789" not in written


def test_a_job_with_values_json_does_not_know_is_logged_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("info", "json")
    structlog.get_logger("ours").info("odd", value={1, 2}, path=sys)
    assert records(capsys.readouterr().err)[0]["event"] == "odd"

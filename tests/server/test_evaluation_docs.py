"""The page on evaluation names all settings and figures, and its examples are valid."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from search_space.family import PAPER_COSTS
from server.routes.search_checks import search_faults
from server.schemas.requests import SearchBody
from supernet.floors import MAX_ERROR
from supernet.settings import AccuracySettings
from workers.protocol import WorkReport
from workers.settings import ResourceSettings
from workers.task_queue import MAX_GROUP

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
SUBMISSION, REPORT, DROPPED = (
    json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
)


def test_the_submission_is_valid() -> None:
    body = SearchBody.model_validate(SUBMISSION)
    assert search_faults(body) == []
    assert body.evaluator.accuracy.successive
    assert SUBMISSION["searcher"]["batch_size"] == 200


def test_settings_are_named_with_their_defaults() -> None:
    for name, field in AccuracySettings.model_fields.items():
        if name != "kind":
            (row,) = [line for line in PAGE.splitlines() if re.match(rf"\| .*`{name}`", line)]
            default = field.default if isinstance(field.default, str) else json.dumps(field.default)
            assert default in row
    memory = ResourceSettings().activation_memory_mib
    assert f"`activation_memory_mib` ({memory})" in PAGE
    assert f"{MAX_GROUP} at most" in PAGE
    assert f"at most {MAX_ERROR}" in PAGE


def test_the_event_has_the_figures_of_the_program() -> None:
    assert list(REPORT) == [field.name for field in fields(WorkReport)]


@pytest.mark.parametrize("metric", PAPER_COSTS)
def test_all_metrics_that_are_known_before_are_named(metric: str) -> None:
    assert f"`{metric}`" in PAGE


def test_provenance_is_told_in_the_programs_words() -> None:
    text = (Path(__file__).parents[2] / "workers" / "provenance.py").read_text(encoding="utf-8")
    assert [name for name in DROPPED if f'"{name}"' not in text] == []

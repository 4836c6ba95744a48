"""docs/jobs.md shows the states of the program, and only settings and options that there are."""

import re
from pathlib import Path

from server import job_states
from server.job_states import ARROWS, OWNED, TERMINAL, TRANSITIONS, JobStatus
from server.schemas.job_options import JobOptions
from server.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text(encoding="utf-8")


def test_the_table_of_the_docs_is_the_programs() -> None:
    rows = re.findall(r"^\| ([a-z]) \| (.+) \| (\w+) \| (.+) \|$", PAGE, flags=re.MULTILINE)
    assert rows == [
        (arrow.letter, ", ".join(arrow.origins), arrow.to, arrow.when) for arrow in ARROWS
    ]


def test_the_diagram_of_the_docs_is_the_programs_and_has_every_arrow() -> None:
    diagram = PAGE.split("```")[1].strip("\n")
    assert job_states.__doc__ is not None
    assert diagram in job_states.__doc__
    for arrow in ARROWS:
        assert re.search(rf"\b{arrow.letter}\b", diagram), arrow
    for status in JobStatus:
        assert status in diagram


def test_arrows_are_lettered_in_order_and_each_move_has_one() -> None:
    letters = [arrow.letter for arrow in ARROWS]
    assert letters == [chr(ord("a") + n) for n in range(len(ARROWS))]
    moves = [(origin, arrow.to) for arrow in ARROWS for origin in arrow.origins]
    assert len(moves) == len(set(moves)) == sum(map(len, TRANSITIONS.values()))
    # Whatever has an owner got it from a runner that claimed it.
    claimed = {arrow.letter for arrow in ARROWS if arrow.to in OWNED}
    assert claimed == {"a", "f"}
    assert all(set(arrow.origins).isdisjoint(TERMINAL) for arrow in ARROWS)


def test_the_docs_name_every_option_and_only_real_settings() -> None:
    for name in JobOptions.model_fields:
        assert f"`{name}`" in PAGE
    for name in re.findall(r"ESPALIER_(\w+)", PAGE):
        assert name.lower() in Settings.model_fields

"""The page for operators says what there is."""

import re

import settings_table
from live import Live

from server.cli.app import app
from server.maintenance.retention import KINDS
from server.settings import Settings


def page() -> str:
    return settings_table.PAGE.read_text(encoding="utf-8")


def test_every_setting_is_described_with_its_default() -> None:
    assert set(settings_table.descriptions()) == set(Settings.model_fields)
    expected = settings_table.table()
    assert settings_table.written() == expected, (
        f"run `python tests/server/settings_table.py`, which writes\n{expected}"
    )


def test_every_metric_is_described(sqlite_live: Live) -> None:
    sqlite_live.client.get("/livez")
    text = sqlite_live.client.get("/metrics").text
    names = set(re.findall(r"^# TYPE (espalier_\w+) (?!gauge\n.*_created)", text, re.MULTILINE))
    names = {name for name in names if not name.endswith("_created")}
    assert len(names) > 8
    described = page()
    assert [name for name in sorted(names) if f"`{name}" not in described] == []


def test_every_kind_that_is_pruned_is_described() -> None:
    assert [kind for kind in KINDS if f"| `{kind}` |" not in page()] == []


def test_the_commands_on_the_page_exist() -> None:
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    used = re.findall(r"espalier (db|artifacts|config) (\w+)", page())
    assert len(used) > 8
    for group, command in used:
        instance = groups[group]
        assert instance is not None
        assert command in {each.name for each in instance.registered_commands}, (group, command)

"""The page for operators says what there is."""

import re
import shlex
from collections.abc import Iterator

import pytest
import settings_table
import typer
from command_line import check_command
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


def commands_in(text: str) -> Iterator[list[str]]:
    """The commands in a page's blocks, and those in the first column of a table of them."""
    text = re.sub(r"\\\n *", "", text)  # a command on several lines
    for line in re.findall(r"^ *\$? ?(espalier [a-z-].*)$", text, re.MULTILINE):
        yield shlex.split(re.sub(r"\s2>&1.*|\s&$", "", line), comments=True)
    for cell in re.findall(r"^\| (`espalier .*?) \|", text, re.MULTILINE):
        first, *others = (shlex.split(words) for words in re.findall("`([^`]+)`", cell))
        yield first
        names = {one.name for one in (*app.registered_groups, *app.registered_commands)}
        for words in others:  # of the same group, unless they begin with another
            yield ["espalier", *words] if words[0] in names else [*first[:2], *words]


def test_the_commands_in_the_documentation_exist() -> None:
    docs = settings_table.PAGE.parent
    pages = [docs.parent / "README.md", *docs.glob("*.md"), docs / "deploy" / "README.md"]
    num_checked = 0
    for path in pages:
        for words in commands_in(path.read_text(encoding="utf-8")):
            try:
                check_command(words)
            except typer.BadParameter:  # FILE.json is no file, and ID is left out
                pass
            except Exception as error:
                raise AssertionError(f"{path.name}: {' '.join(words)}: {error}") from error
            num_checked += 1
    assert num_checked > 80


@pytest.mark.parametrize("words", ["serch front ID", "search plot ID FILE.png", "db upgrade --now"])
def test_other_commands_are_none(words: str) -> None:
    with pytest.raises(Exception, match=r"No such|unexpected"):
        check_command(["espalier", *words.split()])

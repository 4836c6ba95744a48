"""The page about access tells of commands, routes and settings that there are."""

import re
import shlex
from pathlib import Path

import pytest
from command_line import Run
from live import Live

from server.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "access.md").read_text()
COMMANDS = sorted(
    {line.removeprefix("$ ") for line in re.findall(r"^(?:\$ )?espalier .+$", PAGE, re.MULTILINE)}
)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_page_exist_with_their_options(run: Run, command: str) -> None:
    words = shlex.split(command)[1:]
    names = [word for word in words if re.fullmatch(r"[a-z]+", word)][:2]
    if names[0] in ("audit", "serve"):
        names = names[:1]
    shown = run(*names, "--help")
    assert shown.code == 0
    for option in (word for word in words if word.startswith("--")):
        assert option in shown.out, option


def test_the_page_has_every_route_of_access_and_no_other(sqlite_live: Live) -> None:
    paths = sqlite_live.client.get("/openapi.json").json()["paths"]
    told = set(re.findall(r"/v1/[a-z]+", PAGE))
    assert told <= {"/".join(path.split("/")[:3]) for path in paths}
    assert {"/v1/caller", "/v1/keys", "/v1/audit"} <= told


def test_settings_of_the_page_exist() -> None:
    names = {name.lower() for name in re.findall(r"ESPALIER_([A-Z_]+)", PAGE)} - {"api_key"}
    names |= set(re.findall(r"^- `([a-z_]+)`:", PAGE, re.MULTILINE))
    assert {"host", "allowed_hosts", "require_keys"} <= names <= set(Settings.model_fields)

"""The first key is made by the command line; everything else can be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog.testing
from command_line import Run
from key_examples import make_key
from live import Live, serving

from server import api_keys
from server.client import ApiError, Client
from server.local_service import service_environment
from server.main import open_store
from server.settings import Settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESPALIER_HOME", str(tmp_path))
    return tmp_path


def test_a_key_is_made_used_listed_and_revoked(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run("key", "create", "--name", "nightly", "--owner", "bob", "--expires-days", "30")
    assert made.code == 0, made.err
    key = made.out.strip()
    assert api_keys.is_key(key)
    assert key not in made.err
    assert "for project default (read, submit)" in made.complaint
    settings = Settings(home=home)
    with structlog.testing.capture_logs(), serving(settings, open_store(settings)) as live:
        monkeypatch.setenv("ESPALIER_URL", str(live.client.base_url))
        refused = run("job", "list")
        assert refused.code == 1
        assert "needs an API key" in refused.complaint
        monkeypatch.setenv("ESPALIER_API_KEY", key)
        assert run("job", "list", "--json").json == []
        with Client(str(live.client.base_url)) as client:
            assert client.caller().owner == "bob"
        shown = run("key", "list", "--json").json
        assert [(one["name"], one["scopes"]) for one in shown] == [("nightly", ["read", "submit"])]
        assert shown[0]["last_used_at"] is not None
        table = run("key", "list").out
        assert "nightly" in table
        assert "to 20" in table
        assert key not in table
        assert "revoked" in run("key", "revoke", shown[0]["id"]).out
        live.store.close()
    changes = run("audit", "--json").json
    routes = [(one["method"], one["route"], one["resource"]) for one in reversed(changes)]
    assert routes == [
        ("CLI", "espalier key create", shown[0]["id"]),
        ("CLI", "espalier key revoke", shown[0]["id"]),
    ]
    assert "espalier key create" in run("audit").out


def test_projects_are_made_and_limited(home: Path, run: Run) -> None:
    made = run("project", "create", "vision", "--max-active-jobs", "5", "--json").json
    assert (made[0]["max_active_jobs"], made[0]["max_bytes"]) == (5, None)
    changed = run("project", "quota", "vision", "--max-bytes", "1000", "--json").json
    assert (changed[0]["max_active_jobs"], changed[0]["max_bytes"]) == (5, 1000)
    lifted = run("project", "quota", "vision", "--max-active-jobs", "none", "--json").json
    assert (lifted[0]["max_active_jobs"], lifted[0]["max_bytes"]) == (None, 1000)
    assert "0 of 1000" in run("project", "list").out
    key = run("key", "create", "--name", "x", "--project", "vision", "--scope", "read", "--json")
    assert (key.json["project"], key.json["scopes"]) == ("vision", ["read"])
    assert api_keys.is_key(key.json["key"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("key", "create", "--name", "x", "--scope", "write"), "scopes"),
        (("key", "create", "--name", "x", "--project", "nowhere"), "no project 'nowhere'"),
        (("key", "create", "--name", "x", "--expires-days", "-1"), "0.001"),
        (("key", "revoke", "key_none"), "no API key 'key_none'"),
        (("project", "create", "No Name"), "id:"),
        (("project", "create", "default"), "already"),
        (("project", "quota", "default", "--max-bytes", "many"), "must be a number or none"),
        (("project", "quota", "nowhere", "--max-bytes", "1"), "no project"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    home: Path, run: Run, arguments: tuple[str, ...], words: str
) -> None:
    result = run(*arguments)
    assert result.code != 0
    assert words in result.complaint
    assert run("key", "list", "--json").json == []


def test_a_key_of_the_environment_that_is_none_is_refused_and_not_shown(
    sqlite_live: Live, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESPALIER_URL", str(sqlite_live.client.base_url))
    monkeypatch.setenv("ESPALIER_API_KEY", "hunter2\n")
    result = run("job", "list")
    assert result.code == 2
    assert "ESPALIER_API_KEY" in result.complaint
    assert "hunter2" not in result.err


def test_the_client_manages_keys_and_projects(sqlite_live: Live) -> None:
    admin, admin_row = make_key(sqlite_live.store)
    with Client(str(sqlite_live.client.base_url), api_key=admin) as client:
        project = client.create_project({"id": "vision", "max_active_jobs": 1})
        assert client.set_quotas("vision", {"max_bytes": 5}).max_bytes == 5
        assert client.project("vision").max_active_jobs == project.max_active_jobs == 1
        assert [one.id for one in client.projects()] == ["vision", "default"]
        made = client.create_key({"name": "x", "owner": "bob", "project": "vision"})
        assert [key.id for key in client.keys(project="vision")] == [made.id]
        assert client.key(made.id).prefix == api_keys.prefix_of(made.key)
        with Client(str(sqlite_live.client.base_url), api_key=made.key) as theirs:
            assert theirs.caller().project == "vision"
            with pytest.raises(ApiError, match="scope 'admin'"):
                next(theirs.changes())
        assert client.revoke_key(made.id).revoked_at is not None
        routes = [change.route for change in client.changes(key_id=admin_row.id)]
    assert routes == [
        "/v1/keys/{key_id}/revoke",
        "/v1/keys",
        "/v1/projects/{project_id}",
        "/v1/projects",
    ]


def test_to_serve_beyond_loopback_without_keys_is_refused_in_words(tmp_path: Path) -> None:
    environment = service_environment(os.environ, tmp_path, 0)
    result = subprocess.run(
        [sys.executable, "-m", "server.cli", "serve", "--no-runner", "--host", "0.0.0.0"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1
    assert "refusing to listen on 0.0.0.0 without an API key" in result.stderr
    assert "espalier key create" in result.stderr

"""Settings from the environment and a file, and how they are shown."""

import json
from pathlib import Path

import pytest
from command_line import Run
from pydantic import ValidationError

from server import api_keys
from server.configuration import ConfigurationError, masked, without_secrets
from server.settings import Settings


def write(folder: Path, text: str) -> Path:
    path = folder / "espalier.toml"
    path.write_text(text)
    return path


def test_the_environment_goes_over_the_file_and_the_file_over_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = f'home = "{tmp_path}"\nport = 9000\nlog_level = "debug"\n[data_roots]\nfast = "/fast"\n'
    monkeypatch.setenv("ESPALIER_CONFIG", str(write(tmp_path, text)))
    monkeypatch.delenv("ESPALIER_HOME", raising=False)
    monkeypatch.setenv("ESPALIER_PORT", "9001")
    settings = Settings()
    assert (settings.home, settings.port, settings.log_level) == (tmp_path, 9001, "debug")
    assert settings.data_roots == {"fast": Path("/fast")}
    assert settings.lease_seconds == 30.0
    assert Settings(port=9002).port == 9002
    monkeypatch.setenv("ESPALIER_PORT", "")  # as compose files give what is not set
    assert Settings().port == 9000


def test_a_child_process_needs_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = write(tmp_path, 'port = 9000\nartifacts_options = {endpoint = "x", retries = 3}\n')
    monkeypatch.setenv("ESPALIER_CONFIG", str(path))
    settings = Settings(home=tmp_path)
    monkeypatch.delenv("ESPALIER_CONFIG")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lease_second = 3", r"'lease_second' \(did you mean 'lease_seconds'\?\)"),
        ("Port = 3\nxyzzy = 1", r"'Port' \(did you mean 'port'\?\); 'xyzzy'$"),
        ("[server]\nport = 3", "settings only, got 'server'"),
        ("port = ", "must be TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_and_it_says_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, message: str
) -> None:
    path = write(tmp_path, text)
    monkeypatch.setenv("ESPALIER_CONFIG", str(path))
    with pytest.raises(ConfigurationError, match=message) as caught:
        Settings()
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_no_empty_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ESPALIER_CONFIG", str(tmp_path / "nothing.toml"))
    with pytest.raises(ConfigurationError, match=r"nothing\.toml must be readable: No such file"):
        Settings()


def test_values_of_a_file_keep_to_the_rules(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ESPALIER_CONFIG", str(write(tmp_path, "port = 70000")))
    with pytest.raises(ValidationError, match="less than or equal to 65535"):
        Settings()


def test_the_effective_settings_are_shown_without_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Run
) -> None:
    text = f'home = "{tmp_path}"\nlease_seconds = 12\nartifacts_options = {{secret = "s3cret"}}\n'
    path = write(tmp_path, text)
    monkeypatch.delenv("ESPALIER_HOME", raising=False)
    monkeypatch.setenv("ESPALIER_DATABASE_URL", "postgresql://me:pa55word@db/espalier")
    monkeypatch.setenv("ESPALIER_LEASE_SECOND", "3")
    monkeypatch.setenv("ESPALIER_CONFIG", "/elsewhere")  # --config goes over it
    result = run("--config", str(path), "config", "show", "--json")
    assert result.code == 0
    assert set(result.json) == set(Settings.model_fields)
    assert result.json["lease_seconds"] == {"value": "12.0", "source": str(path)}
    assert result.json["database_url"] == {
        "value": "postgresql://me:***@db/espalier",
        "source": "ESPALIER_DATABASE_URL",
    }
    assert result.json["port"] == {"value": "8000", "source": "default"}
    assert result.json["require_keys"]["value"] == "false"
    assert json.loads(result.json["artifacts_options"]["value"]) == {"secret": "***"}
    assert result.json["retention_days"]["value"] == ""
    assert "ESPALIER_LEASE_SECOND is no setting; did you mean ESPALIER_LEASE_SECONDS?" in (
        result.complaint
    )
    table = run("--config", str(path), "config", "show")
    assert run("config", "show").code == 1  # the environment is as before
    assert "postgresql://me:***@db/espalier" in table.out
    for shown in (json.dumps(result.json), table.out, table.err):
        assert "pa55word" not in shown
        assert "s3cret" not in shown


def test_a_command_says_what_is_wrong_with_the_file(tmp_path: Path, run: Run) -> None:
    result = run("--config", str(write(tmp_path, "prot = 1")), "db", "check")
    assert result.code == 1
    assert "did you mean 'port'?" in result.err


def test_secrets_are_masked_wherever_they_are() -> None:
    assert without_secrets("postgresql://me:pa/ss@db/x") == "postgresql://me:***@db/x"
    assert without_secrets("postgresql://h/d?user=me&password=x&sslmode=on") == (
        "postgresql://h/d?user=me&password=***&sslmode=on"
    )
    assert without_secrets("tried a://b:c@d, then e://f:g@h") == (
        "tried a://b:***@d, then e://f:***@h"
    )
    key = api_keys.new_key()
    assert without_secrets(f"refused {key}, whsec_{'a' * 32}") == (
        f"refused {api_keys.prefix_of(key)}_***, whsec_***"
    )
    value = {"api_key": "x", "list": [{"token": "y"}, "redis://:z@h"], "keys": "kept", "n": 1}
    assert masked("options", value) == {
        "api_key": "***",
        "list": [{"token": "***"}, "redis://:***@h"],
        "keys": "kept",
        "n": 1,
    }
    assert masked("password", "") == ""
    assert masked("options", {"connection_string": "AccountKey=x"}) == {"connection_string": "***"}

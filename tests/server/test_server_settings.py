"""What an operator may set."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from server.settings import Settings


def test_the_environment_sets_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ESPALIER_HOME", str(tmp_path / "there"))
    monkeypatch.setenv("ESPALIER_PORT", "9000")
    settings = Settings()
    assert settings.port == 9000
    assert settings.database_url == f"sqlite:///{tmp_path}/there/espalier.db"
    assert settings.artifacts_folder == tmp_path / "there" / "artifacts"
    assert settings.data_folder == tmp_path / "there" / "data"


def test_the_default_home_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ESPALIER_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert Settings().home == tmp_path / "espalier"


def test_a_child_process_gets_equal_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings(
        home=tmp_path,
        port=1234,
        lease_seconds=2.5,
        log_level="warning",
        allowed_hosts=("nas.example", "*"),
        require_keys=True,
        data_roots={"fast": tmp_path / "fast", "archive": Path("relative")},
    )
    assert settings.data_roots["archive"] == Path.cwd() / "relative"
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_addresses_need_no_keys(tmp_path: Path, host: str) -> None:
    assert not Settings(home=tmp_path, host=host).needs_keys
    assert Settings(home=tmp_path, host=host, require_keys=True).needs_keys


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_addresses_need_keys(tmp_path: Path, host: str) -> None:
    assert Settings(home=tmp_path, host=host).needs_keys


def test_names_that_the_service_is_called_by(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, host="fd00::1", allowed_hosts=("Nas.example",))
    loopback = {"localhost", "127.0.0.1", "[::1]"}
    assert settings.accepted_hosts == loopback | {"[fd00::1]", "nas.example"}


@pytest.mark.parametrize("host", ["", "a b", "-x", "http://example.org", "a_b"])
def test_what_is_no_host_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(ValidationError, match="must be an IP address or the name"):
        Settings(home=tmp_path, host=host)
    with pytest.raises(ValidationError):
        Settings(home=tmp_path, allowed_hosts=(host,))


@pytest.mark.parametrize("lease_seconds", [0, -1, float("nan"), float("inf")])
def test_leases_are_positive_and_finite(tmp_path: Path, lease_seconds: float) -> None:
    with pytest.raises(ValidationError):
        Settings(home=tmp_path, lease_seconds=lease_seconds)

"""Where settings come from: environment, file, default; in this order of precedence.

The file is TOML whose keys are the names of the settings. `ESPALIER_CONFIG` names it, as does
`espalier --config FILE`. A key that is no setting is refused, so that a misspelt one is not taken
for set; a variable that is none is only warned of, as whoever starts the process may add some
(Kubernetes adds ESPALIER_PORT_8000_TCP for a service of that name).
"""

import json
import os
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from server.api_keys import hide_keys

PREFIX = "ESPALIER_"
FILE_VARIABLE = "ESPALIER_CONFIG"
OTHER_VARIABLES = frozenset({FILE_VARIABLE, "ESPALIER_URL", "ESPALIER_API_KEY"})
"""Variables that are no settings of the service: read by the commands that speak to one."""

MASK = "***"
_PASSWORD = re.compile(r"(?P<before>[a-z][a-z0-9+.\-]*://[^\s:/@]*:)[^\s@]+(?=@)", re.IGNORECASE)
_QUERY_SECRET = re.compile(
    r"(?P<before>[?&][^=&\s]*(?:password|secret|token|key|signature)[^=&\s]*=)[^&\s]+",
    re.IGNORECASE,
)
_WEBHOOK_SECRET = re.compile(r"(?P<before>whsec_)[A-Za-z0-9+/=_\-]+")
_SECRET_NAME = re.compile(
    r"passw|passphrase|secret|token|(^|_)key$|credential|authorization|connection_string",
    re.IGNORECASE,
)


class ConfigurationError(ValueError):
    """The settings' file cannot be read, or says what no setting is; names it and what to do."""


@dataclass(frozen=True)
class EffectiveValue:
    """A setting as it is in force.

    Attributes:
        name: of the setting.
        value: as text, in the way that a variable of the environment has it; secrets masked.
        source: the variable or the file that set it, or `default`.
    """

    name: str
    value: str
    source: str


class FileSource(PydanticBaseSettingsSource):
    """What the settings' file says, if there is one.

    Raises:
        ConfigurationError: it cannot be read, is not TOML, or holds an unknown key.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self._values = read_file(settings_file(), settings_cls.model_fields)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Returns a field's value, its key and whether it still is JSON: never, in TOML."""
        del field
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Returns all values of the file."""
        return dict(self._values)


def settings_file(environment: Mapping[str, str] | None = None) -> Path | None:
    """Returns the path of the settings' file, if one was named.

    Args:
        environment: this process's own by default.
    """
    name = (os.environ if environment is None else environment).get(FILE_VARIABLE, "")
    return Path(name).expanduser() if name else None


def read_file(path: Path | None, names: Collection[str]) -> dict[str, Any]:
    """Returns the settings in a file; none without a file.

    Args:
        path: of the file.
        names: of all settings.

    Raises:
        ConfigurationError: see `FileSource`.
    """
    if path is None:
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} must be readable: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"{path} must be TOML in UTF-8: {error}") from error
    unknown = [name for name in values if name not in names]
    if unknown:
        listed = "; ".join(f"{name!r}{_nearest(name, names)}" for name in unknown)
        raise ConfigurationError(f"{path} must hold settings only, got {listed}")
    return values


def unknown_variables(environment: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """Returns the variables that look like settings and are none, with the nearest that is one.

    Args:
        environment: of the process.
        names: of all settings.
    """
    known = {f"{PREFIX}{name.upper()}" for name in names}
    given = (name.upper() for name in environment)
    return {
        name: (get_close_matches(name, known, n=1) or [""])[0]
        for name in given
        if name.startswith(PREFIX) and name not in known | OTHER_VARIABLES
    }


def effective(settings: BaseSettings, environment: Mapping[str, str]) -> list[EffectiveValue]:
    """Returns every setting with what set it, secrets masked.

    Args:
        settings: made from the environment and its file.
        environment: that one.
    """
    names = type(settings).model_fields
    file = settings_file(environment)
    in_file = read_file(file, names)
    variables = {name.upper() for name, value in environment.items() if value}
    found = []
    for name, value in settings.model_dump(mode="json").items():
        variable = f"{PREFIX}{name.upper()}"
        source = variable if variable in variables else "default"
        if source == "default" and name in in_file:
            source = str(file)
        found.append(EffectiveValue(name, _text(masked(name, value)), source))
    return found


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def masked(name: str, value: Any) -> Any:
    """Returns a value with all secrets in it replaced.

    Args:
        name: what it is called; the whole value of a name that speaks of a secret is one.
        value: JSON.
    """
    if isinstance(value, dict):
        return {key: masked(str(key), member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [masked(name, member) for member in value]
    if isinstance(value, str):
        return MASK if value and _SECRET_NAME.search(name) else without_secrets(value)
    return value


def without_secrets(text: str) -> str:
    """Returns a text without API keys, webhooks' secrets and passwords in addresses."""
    text = hide_keys(text)
    for pattern in (_PASSWORD, _QUERY_SECRET, _WEBHOOK_SECRET):
        text = pattern.sub(rf"\g<before>{MASK}", text)
    return text


def _nearest(name: str, names: Collection[str]) -> str:
    nearest = get_close_matches(name.lower(), names, n=1)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""

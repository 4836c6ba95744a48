"""What an operator may set: by the environment variable `ESPALIER_` + its name, or in a file.

`server.configuration` says how the two go together.
"""

import ipaddress
import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from server.configuration import PREFIX, FileSource
from workers.settings import ResourceSettings

GIB = 2**30
DEFAULT_REQUESTS_PER_MINUTE = 6000

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
HOST_PATTERN = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"

HostName = Annotated[str, Field(pattern=rf"^(\*|\[[0-9A-Fa-f:.]+\]|{HOST_PATTERN})$")]
RootName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
ResourcesKind = Literal["train", "search", "refine", "assess"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "text"]


def default_home() -> Path:
    """Returns the data folder of this user: `espalier` in the XDG data directory."""
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "espalier"


class Settings(BaseSettings):
    """The settings of the service and of its runners.

    Attributes:
        home: the data folder; holds the SQLite file, the artifacts and by default the data sets.
        database_url: a SQLAlchemy address; by default a SQLite file in `home`.
        host: the address to listen on; on any but a loopback one, the service refuses to start
            before there is an API key.
        port: the port to listen on; 0 takes a free one.
        allowed_hosts: names by which the service may be called (the Host header), beside loopback
            names and `host`, as a JSON list; "*" allows all.
        require_keys: whether requests need an API key also on loopback and where there are none.
        max_body_bytes: a larger request body is refused with 413.
        lease_seconds: a job whose runner has not been heard of for this long is taken over.
        poll_seconds: how often an idle runner looks for a job, and a busy one after its lease.
        stop_grace_seconds: a job that does not stop within this time takes its runner down.
        max_lost_leases: a job that was lost with its runner more often than this has failed.
        max_running_jobs: how many jobs one runner works on at once; with more than one they disturb
            each other's measurements.
        max_running_jobs_total: how many jobs run at once on all runners; unlimited by default.
        max_running_jobs_per_key: how many of those that were submitted with one API key.
        default_resources: what the workers of jobs get that do not say, by kind of job (`train`,
            `search`, `refine`, `assess`), as a JSON object.
        sqlite_synchronous: `normal` survives the crash of any process, `full` also that of the
            machine.
        sqlite_busy_timeout_s: how long a transaction waits for another process's.
        data_root: the folder that data sets given by a path are read from; `home`/data by default.
        data_roots: further such folders by name, as a JSON object; a source says which it means.
        max_data_set_bytes: the images of one data set, decoded; registering one takes about twice
            as much memory.
        max_archive_bytes: all files in an archive of images, unpacked.
        max_chunk_bytes: the largest part that an upload takes at once.
        max_upload_bytes: the largest file that may be uploaded.
        requests_per_minute: how many each caller may make; 0 for any number. By default there is no
            limit where no keys are needed, and 6000 elsewhere.
        max_event_streams: streams of events that one server process keeps open.
        idempotency_hours: how long an idempotency key is remembered.
        webhook_private_hosts: names and addresses of webhooks that may lie on this machine or in a
            private network, as a JSON list; all others must be public.
        shutdown_seconds: how long requests in flight and the runner get to end on their own.
        log_level: the least severe messages that are logged.
        log_format: `json` gives one object per line, `text` lines for people.
        artifacts_url: where artifacts are kept if not in `home`: an fsspec address such as
            `s3://bucket/folder`.
        artifacts_options: what the storage at `artifacts_url` is opened with, as a JSON object.
        artifacts_cache_bytes: how much of a remote storage is kept in `home` for reading.
        artifacts_grace_hours: a file that no row refers to is garbage only when it is as old; more
            than any job may take between the two, or 0 where nothing runs.
        metrics_cache_seconds: how old the figures of the database in `/metrics` may be.
        retention_days: events and work folders of jobs that ended so long ago, uploads that are as
            old and not used, deliveries and other records are removed by the runners; never if not
            set.
        audit_retention_days: entries of the audit log as old are removed likewise.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    home: Path = Field(default_factory=default_home)
    database_url: str = Field(default="", repr=False)  # may hold a password
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    allowed_hosts: tuple[HostName, ...] = ()
    require_keys: bool = False
    max_body_bytes: int = Field(default=8 * 2**20, ge=1024)
    lease_seconds: float = Field(default=30.0, gt=0, le=86_400, allow_inf_nan=False)
    poll_seconds: float = Field(default=0.5, gt=0, le=60, allow_inf_nan=False)
    stop_grace_seconds: float = Field(default=30.0, gt=0, le=3600, allow_inf_nan=False)
    max_lost_leases: int = Field(default=20, ge=0)
    max_running_jobs: int = Field(default=1, ge=1, le=1024)
    max_running_jobs_total: int | None = Field(default=None, ge=1)
    max_running_jobs_per_key: int | None = Field(default=None, ge=1)
    default_resources: dict[ResourcesKind, ResourceSettings] = Field(default_factory=dict)
    sqlite_synchronous: Literal["normal", "full"] = "normal"
    sqlite_busy_timeout_s: float = Field(default=10.0, ge=0, le=3600, allow_inf_nan=False)
    data_root: Annotated[Path | None, Field(validate_default=True)] = None
    data_roots: dict[RootName, Path] = Field(default_factory=dict)
    max_data_set_bytes: int = Field(default=8 * GIB, ge=1024)
    max_archive_bytes: int = Field(default=64 * GIB, ge=1024)
    max_chunk_bytes: int = Field(default=64 * 2**20, ge=1024)
    max_upload_bytes: int = Field(default=64 * GIB, ge=1024)
    requests_per_minute: int | None = Field(default=None, ge=0)
    max_event_streams: int = Field(default=100, ge=1)
    idempotency_hours: float = Field(default=24.0, gt=0, le=8760, allow_inf_nan=False)
    webhook_private_hosts: frozenset[str] = frozenset()
    shutdown_seconds: float = Field(default=10.0, gt=0, le=3600, allow_inf_nan=False)
    log_level: LogLevel = "info"
    log_format: LogFormat = "json"
    artifacts_url: str = ""
    artifacts_options: dict[str, Any] = Field(default_factory=dict)
    artifacts_cache_bytes: int = Field(default=32 * GIB, ge=0)
    artifacts_grace_hours: float = Field(default=24.0, ge=0, allow_inf_nan=False)
    metrics_cache_seconds: float = Field(default=10.0, ge=0, le=3600, allow_inf_nan=False)
    retention_days: float | None = Field(default=None, gt=0, le=36_500, allow_inf_nan=False)
    audit_retention_days: float | None = Field(default=None, gt=0, le=36_500, allow_inf_nan=False)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Returns where values come from, the strongest first."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, FileSource(settings_cls)

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            if not re.fullmatch(HOST_PATTERN, host):
                raise ValueError(
                    f"host must be an IP address or the name of this machine, got {host!r}"
                ) from None
        return host

    @model_validator(mode="after")
    def _fill_paths(self) -> Self:
        # A frozen model is completed through object.__setattr__, as pydantic does itself.
        home = self.home.expanduser().absolute()
        object.__setattr__(self, "home", home)
        root = self.data_root.expanduser().absolute() if self.data_root else home / "data"
        object.__setattr__(self, "data_root", root)
        roots = {name: path.expanduser().absolute() for name, path in self.data_roots.items()}
        object.__setattr__(self, "data_roots", roots)
        if not self.database_url:
            # An address: what is not itself in one is written as its code.
            file = str(home / "espalier.db").replace("%", "%25").replace("?", "%3F")
            object.__setattr__(self, "database_url", f"sqlite:///{file}")
        return self

    @property
    def rate_limit(self) -> int:
        """How many requests each caller may make in a minute; 0 for any number."""
        if self.requests_per_minute is not None:
            return self.requests_per_minute
        return DEFAULT_REQUESTS_PER_MINUTE if self.needs_keys else 0

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this machine reach the service."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def needs_keys(self) -> bool:
        """Whether requests need an API key even where nobody has ever made one."""
        return self.require_keys or not self.is_loopback

    @property
    def accepted_hosts(self) -> frozenset[str]:
        """The names that requests may be for, in lower case, as the Host header has them."""
        own = f"[{self.host}]" if ":" in self.host else self.host
        return LOOPBACK_NAMES | {name.lower() for name in (own, *self.allowed_hosts)}

    @property
    def data_folder(self) -> Path:
        """The folder that data sets given by a path are read from."""
        assert self.data_root is not None
        return self.data_root

    @property
    def artifacts_folder(self) -> Path:
        """Where content-addressed files lie."""
        return self.home / "artifacts"

    @property
    def uploads_folder(self) -> Path:
        """Where uploaded files lie, also those that are not complete yet."""
        return self.home / "uploads"

    @property
    def work_folder(self) -> Path:
        """Where running jobs keep their checkpoints and other files of their own."""
        return self.home / "work"

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        return self.database_url.startswith("sqlite")

    @property
    def cache_folder(self) -> Path:
        """Where copies of files of a remote storage lie."""
        return self.home / "artifacts-cache"

    def environment(self) -> dict[str, str]:
        """Returns the environment variables that give a child process these settings.

        What is not set is left out: there is no text for it.
        """
        values = self.model_dump(mode="json", exclude_none=True)
        return {
            f"{PREFIX}{name.upper()}": json.dumps(value)
            if isinstance(value, dict | list)
            else str(value)
            for name, value in values.items()
            if value is not None
        }

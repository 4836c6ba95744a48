"""`espalier key`, `project` and `audit`: who may do what.

These commands work on the database itself, as its operator: the first key has to be made before
anybody has one. Elsewhere the same is done through the API, with a key of the scope `admin`.
"""

import getpass
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from rich.table import Table

from server import api_keys
from server.callers import DEFAULT_PROJECT, Caller
from server.cli import tables
from server.cli.common import JsonOption, LimitOption, message_console, show
from server.schemas.access import (
    ChangeView,
    KeyBody,
    KeyView,
    NewKeyView,
    ProjectBody,
    ProjectView,
    QuotaBody,
    quotas_of,
)

if TYPE_CHECKING:  # the store is slow to import, and most commands need none
    from server.store import Store

Model = TypeVar("Model", bound=BaseModel)

key_app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
project_app = typer.Typer(help="Make projects and limit them.", no_args_is_help=True)

ProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", help="A project's name.")]
MaxActiveOption = Annotated[
    str | None, typer.Option("--max-active-jobs", help="Jobs that wait or run; none: any number.")
]
MaxRunningOption = Annotated[
    str | None, typer.Option("--max-running-jobs", help="Jobs that run; none: any number.")
]
MaxBytesOption = Annotated[
    str | None, typer.Option("--max-bytes", help="Uploads and files together; none: any number.")
]


@contextmanager
def _operators_store() -> Iterator["Store"]:
    from server.main import open_store
    from server.settings import Settings

    store = open_store(Settings())
    try:
        yield store
    finally:
        store.close()


def _record(store: "Store", command: str, resource: str, project_id: str = DEFAULT_PROJECT) -> None:
    from server.store import Change

    caller = Caller(owner=f"{getpass.getuser()} (command line)", project_id=project_id)
    store.record_change(caller, Change("CLI", f"espalier {command}", resource, 200))


@key_app.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="What it is for.")],
    owner: Annotated[str | None, typer.Option(help="Whom it is for; you by default.")] = None,
    project: Annotated[str, typer.Option(help="What it opens.")] = DEFAULT_PROJECT,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="read, submit or admin; may be repeated. By default read and submit."),
    ] = None,
    expires_days: Annotated[
        float | None,
        typer.Option(min=0.001, max=36_500, help="Valid for so long; or for ever."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an API key and print it: it is shown this once."""
    now = datetime.now(UTC)
    expires_at = now + timedelta(days=expires_days) if expires_days is not None else None
    given = {
        "name": name,
        "owner": owner or getpass.getuser(),
        "project": project,
        "scopes": scope or ["read", "submit"],
        "expires_at": expires_at,
    }
    body = _checked(KeyBody, given)
    key = api_keys.new_key()
    with _operators_store() as store:
        from server.routes.access import key_view

        row = store.add_key(
            name=body.name,
            owner=body.owner,
            project_id=body.project,
            scopes=body.scopes,
            prefix=api_keys.prefix_of(key),
            secret_sha256=api_keys.hash_of(key),
            expires_at=body.expires_at,
        )
        _record(store, "key create", row.id, row.project_id)
        shown = NewKeyView(**dict(key_view(row)), key=key)
    if not as_json:
        scopes = ", ".join(shown.scopes)
        message_console().print(
            f"Key {shown.id} of {shown.owner} for project {shown.project} ({scopes}). "
            "Keep it now: only its hash is stored."
        )
    show(key, shown, as_json=as_json)


@key_app.command("list")
def list_keys(
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List API keys, newest first, also those that are no longer valid."""
    with _operators_store() as store:
        from server.routes.access import key_view

        views = [key_view(row) for row in store.list_keys(limit, project_id=project).rows]
    show(keys_table(views, datetime.now(UTC)), views, as_json=as_json)


@key_app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="A key's id.")],
    as_json: JsonOption = False,
) -> None:
    """Make an API key invalid for ever."""
    with _operators_store() as store:
        from server.routes.access import key_view

        row = store.revoke_key(key_id)
        _record(store, "key revoke", row.id, row.project_id)
        view = key_view(row)
    show(keys_table([view], datetime.now(UTC)), view, as_json=as_json)


@project_app.command("create")
def create_project(
    project_id: ProjectArgument,
    max_active_jobs: MaxActiveOption = None,
    max_running_jobs: MaxRunningOption = None,
    max_bytes: MaxBytesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a project; keys are what opens it."""
    quotas = _quotas(max_active_jobs, max_running_jobs, max_bytes)
    body = _checked(ProjectBody, {"id": project_id, **quotas})
    with _operators_store() as store:
        from server.store import Quotas

        store.add_project(body.id, Quotas(**body.model_dump(exclude={"id"})))
        _record(store, "project create", body.id, body.id)
        _show_projects(store, [body.id], as_json=as_json)


@project_app.command("list")
def list_projects(limit: LimitOption = 50, as_json: JsonOption = False) -> None:
    """List projects, what they may have and what they have."""
    with _operators_store() as store:
        names = [row.id for row in store.list_projects(limit).rows]
        _show_projects(store, names, as_json=as_json)


@project_app.command("quota")
def set_quotas(
    project_id: ProjectArgument,
    max_active_jobs: MaxActiveOption = None,
    max_running_jobs: MaxRunningOption = None,
    max_bytes: MaxBytesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change what a project may have; what is not given stays."""
    given = _quotas(max_active_jobs, max_running_jobs, max_bytes)
    body = _checked(QuotaBody, given)
    with _operators_store() as store:
        store.set_quotas(project_id, quotas_of(body))
        _record(store, "project quota", project_id, project_id)
        _show_projects(store, [project_id], as_json=as_json)


def audit(
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
    key: Annotated[str | None, typer.Option(help="Only by the key of this id.")] = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Show who changed what, newest first."""
    with _operators_store() as store:
        from server.routes.access import change_view

        rows = store.list_changes(limit, project_id=project, key_id=key).rows
        views = [change_view(row) for row in rows]
    show(changes_table(views), views, as_json=as_json)


def _quotas(*given: str | None) -> dict[str, int | None]:
    """Returns the quotas that were given; the word none lifts one.

    Raises:
        typer.BadParameter: one is no number.
    """
    names = ("max_active_jobs", "max_running_jobs", "max_bytes")
    quotas: dict[str, int | None] = {}
    for name, text in zip(names, given, strict=True):
        if text == "none":
            quotas[name] = None
        elif text is not None:
            if not (text.isascii() and text.isdigit()):
                option = name.replace("_", "-")
                raise typer.BadParameter(f"--{option} must be a number or none, got {text!r}")
            quotas[name] = int(text)
    return quotas


def _checked(kind: type[Model], given: Mapping[str, object]) -> Model:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}, got {fault['input']!r}"
            for fault in error.errors()
        ]
        raise typer.BadParameter("; ".join(faults)) from None


def _show_projects(store: "Store", names: Iterable[str], *, as_json: bool) -> None:
    from server.routes.access import project_view

    views = [project_view(store, name) for name in names]
    show(projects_table(views), views, as_json=as_json)


def keys_table(keys: Iterable[KeyView], now: datetime) -> Table:
    """Returns keys, one in each row."""
    table = tables.new_table("key", "name", "owner", "project", "scopes", "state", "last use")
    for key in keys:
        state = "valid"
        if key.revoked_at is not None:
            state = "revoked"
        elif key.expires_at is not None:
            is_over = key.expires_at <= now
            state = "expired" if is_over else f"to {key.expires_at:%Y-%m-%d}"
        table.add_row(
            key.id,
            key.name,
            key.owner,
            key.project,
            " ".join(key.scopes),
            state,
            tables.moment_text(key.last_used_at) or "never",
        )
    return table


def projects_table(projects: Iterable[ProjectView]) -> Table:
    """Returns projects, one in each row; what each has of what it may have."""
    table = tables.new_table("project", "waiting and running jobs", "running jobs", "bytes")
    for project in projects:
        pairs = (
            (project.num_active_jobs, project.max_active_jobs),
            (project.num_running_jobs, project.max_running_jobs),
            (project.num_bytes, project.max_bytes),
        )
        texts = [f"{has}" if most is None else f"{has} of {most}" for has, most in pairs]
        table.add_row(project.id, *texts)
    return table


def changes_table(changes: Iterable[ChangeView]) -> Table:
    """Returns entries of the audit log, one in each row."""
    table = tables.new_table("when", "owner", "project", "what", "resource", "status")
    for change in changes:
        table.add_row(
            tables.moment_text(change.created_at),
            change.owner,
            change.project,
            f"{change.method} {change.route}",
            change.resource or "",
            str(change.status),
        )
    return table

"""Keys, projects and the audit log: the operator's routes, which need the scope `admin`.

They are the only ones that look beyond the caller's own project.
"""

from typing import Annotated, cast

from fastapi import APIRouter, Path, Query, Request, Response

from server import api_keys
from server.callers import Scope
from server.routes import content_tags
from server.routes.common import Id, WholeServiceDep, problems
from server.routes.creating import creates
from server.routes.exact_route import ExactRoute
from server.routes.lists import ListDep
from server.schemas.access import (
    PROJECT_PATTERN,
    CallerView,
    ChangeView,
    KeyBody,
    KeyView,
    NewKeyView,
    ProjectBody,
    ProjectView,
    QuotaBody,
    quotas_of,
)
from server.schemas.responses import PageOf
from server.store import Quotas, Store
from server.store.quotas import ProjectUsage
from server.tables import ApiKeyRow, ChangeRow, ProjectRow

router = APIRouter(prefix="/v1", tags=["access"], route_class=ExactRoute)

ProjectName = Annotated[str, Path(pattern=PROJECT_PATTERN)]
ProjectFilter = Annotated[
    str | None, Query(pattern=PROJECT_PATTERN, description="Only of this project.")
]


def key_view(row: ApiKeyRow) -> KeyView:
    """Returns a row as it is answered."""
    return KeyView(
        id=row.id,
        name=row.name,
        owner=row.owner,
        project=row.project_id,
        scopes=cast("list[Scope]", row.scopes),
        prefix=row.prefix,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def change_view(row: ChangeRow) -> ChangeView:
    """Returns a row as it is answered."""
    return ChangeView(
        id=row.id,
        key=row.key_id,
        owner=row.owner,
        project=row.project_id,
        request_id=row.request_id,
        method=row.method,
        route=row.route,
        resource=row.resource,
        status=row.status,
        created_at=row.created_at,
    )


def project_view(store: Store, project_id: str) -> ProjectView:
    """Returns a project as it is answered.

    Raises:
        NotFoundError: there is none.
    """
    return _project_view(*store.get_project(project_id))


def _project_view(row: ProjectRow, usage: ProjectUsage) -> ProjectView:
    return ProjectView(
        id=row.id,
        max_active_jobs=row.max_active_jobs,
        max_running_jobs=row.max_running_jobs,
        max_bytes=row.max_bytes,
        created_at=row.created_at,
        **vars(usage),
    )


@router.get("/caller", operation_id="get_caller", responses=problems())
def get_caller(request: Request) -> CallerView:
    """Whom the service takes you for, and what you may do."""
    caller = request.state.access.caller
    return CallerView(
        key=caller.key_id,
        owner=caller.owner,
        project=caller.project_id,
        scopes=sorted(caller.scopes),
    )


@router.post("/keys", status_code=201, operation_id="create_key", responses=problems(404))
def create_key(body: KeyBody, service: WholeServiceDep, response: Response) -> NewKeyView:
    """Makes an API key. The answer holds the key itself, which nobody can be shown again."""
    key = api_keys.new_key()
    row = service.store.add_key(
        name=body.name,
        owner=body.owner,
        project_id=body.project,
        scopes=body.scopes,
        prefix=api_keys.prefix_of(key),
        secret_sha256=api_keys.hash_of(key),
        expires_at=body.expires_at,
    )
    response.headers["Location"] = f"/v1/keys/{row.id}"
    response.headers["Cache-Control"] = "no-store"
    return NewKeyView(**dict(key_view(row)), key=key)


@router.get("/keys", operation_id="list_keys", responses=problems())
def list_keys(
    parameters: ListDep, service: WholeServiceDep, project: ProjectFilter = None
) -> PageOf[KeyView]:
    """API keys, newest first, also those that are no longer valid."""
    page = service.store.list_keys(parameters.limit, parameters.before, project_id=project)
    return parameters.page(page, key_view)


@router.get("/keys/{key_id}", operation_id="get_key", responses=problems(404))
def get_key(key_id: Id, service: WholeServiceDep) -> KeyView:
    """One API key."""
    return key_view(service.store.get_key(key_id))


@router.post("/keys/{key_id}/revoke", operation_id="revoke_key", responses=problems(404))
def revoke_key(key_id: Id, service: WholeServiceDep) -> KeyView:
    """Makes an API key invalid for ever, within about a second; again changes nothing."""
    return key_view(service.store.revoke_key(key_id))


@router.post("/projects", status_code=201, operation_id="create_project", responses=problems(409))
@creates
def create_project(body: ProjectBody, service: WholeServiceDep, response: Response) -> ProjectView:
    """Makes a project; keys are what opens it."""
    service.store.add_project(body.id, Quotas(**quotas_of(body)))
    response.headers["Location"] = f"/v1/projects/{body.id}"
    return project_view(service.store, body.id)


@router.get("/projects", operation_id="list_projects", responses=problems())
def list_projects(parameters: ListDep, service: WholeServiceDep) -> PageOf[ProjectView]:
    """Projects with what they have, in descending order of their names."""
    page = service.store.list_projects(parameters.limit, parameters.before)
    return parameters.page(page, lambda row: project_view(service.store, row.id))


@router.get("/projects/{project_id}", operation_id="get_project", responses=problems(404))
def get_project(
    project_id: ProjectName, service: WholeServiceDep, response: Response
) -> ProjectView:
    """One project, what it may have and what it has. Send its ETag with a change as If-Match."""
    return content_tags.tagged(response, project_view(service.store, project_id))


@router.patch("/projects/{project_id}", operation_id="set_quotas", responses=problems(404, 412))
def set_quotas(
    project_id: ProjectName,
    body: QuotaBody,
    service: WholeServiceDep,
    response: Response,
    if_match: content_tags.IfMatch = None,
) -> ProjectView:
    """Changes what a project may have; what it has already stays."""

    def is_expected(row: ProjectRow, usage: ProjectUsage) -> bool:
        return content_tags.is_expected(_project_view(row, usage), if_match)

    service.store.set_quotas(project_id, quotas_of(body), is_expected)
    return content_tags.tagged(response, project_view(service.store, project_id))


@router.get("/audit", operation_id="list_changes", responses=problems())
def list_changes(
    parameters: ListDep,
    service: WholeServiceDep,
    project: ProjectFilter = None,
    key: Annotated[str | None, Query(max_length=100, description="A key's id.")] = None,
) -> PageOf[ChangeView]:
    """The audit log: all requests that were to change something, newest first."""
    page = service.store.list_changes(
        parameters.limit, parameters.before, project_id=project, key_id=key
    )
    return parameters.page(page, change_view)

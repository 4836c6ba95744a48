"""Uploads: files that arrive in parts and can be taken up again after anything.

POST   /v1/uploads                announce name, size and SHA-256
PATCH  /v1/uploads/{id}           append bytes at `Upload-Offset`; 409 names the right one
HEAD   /v1/uploads/{id}           ask how much has arrived
POST   /v1/uploads/{id}/complete  check size and digest; then it can be used
"""

import re
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from starlette.requests import ClientDisconnect

from server.errors import InvalidRequestError
from server.routes.common import Id, Service, ServiceDep, problems
from server.routes.creating import creates
from server.routes.exact_route import ExactRoute
from server.routes.lists import NamedListDep, NameQuery
from server.schemas.requests import UploadBody
from server.schemas.responses import PageOf, UploadView
from server.tables import UploadRow
from server.uploads import Appender

router = APIRouter(prefix="/v1/uploads", tags=["uploads"], route_class=ExactRoute)

CHUNK_PATH = re.compile(r"/v1/uploads/[^/]+")
MEDIA_TYPE = "application/octet-stream"
_BUFFER_BYTES = 2**20

Offset = Annotated[
    int, Header(ge=0, lt=2**63, description="Where the bytes belong: how many are there.")
]


def view(service: Service, row: UploadRow) -> UploadView:
    """Returns a row as it is answered."""
    return UploadView(
        id=row.id,
        name=row.name,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        offset=service.uploads.offset(row.id),
        status="open" if row.completed_at is None else "complete",
        created_at=row.created_at,
        completed_at=row.completed_at,
    )


def _describe(response: Response, shown: UploadView) -> UploadView:
    """Adds the headers that say how far an upload is."""
    response.headers["Upload-Offset"] = str(shown.offset)
    response.headers["Upload-Length"] = str(shown.size_bytes)
    response.headers["Cache-Control"] = "no-store"
    return shown


@router.post(
    "",
    status_code=201,
    operation_id="create_upload",
    responses={200: {"model": UploadView}, **problems(409)},
)
@creates
def create(body: UploadBody, service: ServiceDep, response: Response) -> UploadView:
    """Announces a file; 200 if it was announced before, to be gone on with at its offset."""
    limit = service.settings.max_upload_bytes
    if body.size_bytes > limit:
        raise InvalidRequestError.single("/size_bytes", f"must be at most {limit}", body.size_bytes)
    row, created = service.store.add_upload(body.name, body.size_bytes, body.sha256)
    response.status_code = 201 if created else 200
    response.headers["Location"] = f"/v1/uploads/{row.id}"
    return _describe(response, view(service, row))


@router.get("", operation_id="list_uploads", responses=problems())
def list_all(
    parameters: NamedListDep, service: ServiceDep, name: NameQuery = None
) -> PageOf[UploadView]:
    """Uploads."""
    page = service.store.list_uploads(parameters.limit, parameters.part, name=name)
    return parameters.page(page, lambda row: view(service, row))


@router.get("/{upload_id}", operation_id="get_upload", responses=problems(404))
def get(upload_id: Id, service: ServiceDep, response: Response) -> UploadView:
    """One upload, and how much of it has arrived."""
    return _describe(response, view(service, service.store.get_upload(upload_id)))


@router.patch(
    "/{upload_id}",
    operation_id="append_to_upload",
    responses=problems(404, 409),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def append(
    upload_id: Id, upload_offset: Offset, request: Request, service: ServiceDep, response: Response
) -> UploadView:
    """Appends bytes at an offset; 409 with the right `Upload-Offset` if the file ends elsewhere.

    What a broken connection brought is kept. What is refused changes nothing.
    """
    row = await run_in_threadpool(service.store.get_upload, upload_id)
    opened = service.uploads.append(row, upload_offset)
    async with contextmanager_in_threadpool(opened) as appender:  # flushing takes its time
        await _write_body(request, appender)
    return _describe(response, view(service, row))


async def _write_body(request: Request, appender: Appender) -> None:
    """Writes a request's body as it comes, in threads so that other requests are not held up."""
    buffer = bytearray()
    try:
        async for chunk in request.stream():
            buffer += chunk
            if len(buffer) >= _BUFFER_BYTES:
                await run_in_threadpool(appender.write, bytes(buffer))
                buffer.clear()
    except ClientDisconnect:  # nobody reads an answer, but what came is of use
        pass
    await run_in_threadpool(appender.write, bytes(buffer))


@router.post("/{upload_id}/complete", operation_id="complete_upload", responses=problems(404, 409))
def complete(upload_id: Id, service: ServiceDep, response: Response) -> UploadView:
    """Checks size and digest, so that the upload can be used; again changes nothing."""
    row = service.store.get_upload(upload_id)
    if row.completed_at is None:
        service.uploads.verify(row)
        row = service.store.complete_upload(upload_id)
    return _describe(response, view(service, row))


@router.delete(
    "/{upload_id}", status_code=204, operation_id="delete_upload", responses=problems(404, 409)
)
def delete(upload_id: Id, service: ServiceDep) -> None:
    """Deletes an upload and frees its space; data sets that were made of it stay."""
    service.store.get_upload(upload_id)
    service.uploads.delete(upload_id)
    service.store.delete_upload(upload_id)

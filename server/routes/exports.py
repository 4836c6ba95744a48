"""Exports: networks in files."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from server.job_states import JobStatus
from server.routes import downloads
from server.routes.common import Id, ServiceDep, problems
from server.routes.creating import creates
from server.routes.exact_route import ExactRoute
from server.routes.lists import DatedListDep, IdQuery
from server.schemas.requests import Digest, ExportBody
from server.schemas.responses import ExportView, FileView, PageOf
from server.tables import ExportRow, JobRow

router = APIRouter(prefix="/v1/exports", tags=["exports"], route_class=ExactRoute)


def view(row: ExportRow, job: JobRow) -> ExportView:
    """Returns a row as it is answered."""
    return ExportView(
        id=row.id,
        search=row.search_id,
        architecture_digest=row.architecture_digest,
        architecture=row.architecture,
        report_test=row.report_test,
        job=row.job_id,
        status=job.state,
        files=[
            FileView(**file, url=f"/v1/exports/{row.id}/files/{file['name']}") for file in row.files
        ],
        card=row.card,
        test_report=row.test_report,
        created_at=row.created_at,
    )


@router.post("", status_code=202, operation_id="create_export", responses=problems(404, 409))
@creates
def create(body: ExportBody, service: ServiceDep, response: Response) -> ExportView:
    """Submits the export of a network that a search has measured; follow its job."""
    row, job = service.store.add_export(
        body.search, body.architecture_digest, report_test=body.report_test, options=body.job
    )
    response.headers["Location"] = f"/v1/exports/{row.id}"
    return view(row, job)


@router.get("", operation_id="list_exports", responses=problems())
def list_all(
    parameters: DatedListDep,
    service: ServiceDep,
    search: IdQuery = None,
    architecture_digest: Annotated[Digest | None, Query()] = None,
    status: Annotated[
        JobStatus | None, Query(description="Only those whose job is in this state.")
    ] = None,
) -> PageOf[ExportView]:
    """Exports."""
    page = service.store.list_exports(
        parameters.limit,
        parameters.part,
        search_id=search,
        architecture_digest=architecture_digest,
        status=status,
    )
    jobs = service.store.get_jobs([row.job_id for row in page.rows])
    return parameters.page(page, lambda row: view(row, jobs[row.job_id]))


@router.get("/{export_id}", operation_id="get_export", responses=problems(404))
def get(export_id: Id, service: ServiceDep) -> ExportView:
    """One export."""
    row = service.store.get_export(export_id)
    return view(row, service.store.get_job(row.job_id))


@router.get(
    "/{export_id}/files/{name}",
    operation_id="download_export_file",
    response_class=StreamingResponse,
    responses=downloads.RESPONSES,
)
def download(
    export_id: Id,
    name: Annotated[str, Path(max_length=200, description="One of the export's files.")],
    service: ServiceDep,
    wanted: downloads.WantedDep,
) -> StreamingResponse:
    """A file of the export or a range of it; its content is verified first."""
    files = service.store.get_export(export_id).files
    return downloads.file_response(service, files, name, wanted)

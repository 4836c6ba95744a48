"""Refinements: the best of a front, fine-tuned."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from server.errors import Fault, InvalidRequestError, NotFoundError
from server.job_states import JobStatus
from server.routes import downloads
from server.routes.common import Id, Service, ServiceDep, problems
from server.routes.creating import creates
from server.routes.exact_route import ExactRoute
from server.routes.lists import IdQuery, NamedListDep, NameQuery
from server.routes.resources import granted
from server.routes.searches import report
from server.schemas.refinements import (
    FiguresView,
    RefinedNetworkView,
    RefinementBody,
    RefinementView,
    RunView,
    SoupView,
)
from server.schemas.requests import Digest
from server.schemas.responses import FileView, PageOf
from server.selection import best_of_front
from server.store.searches import supernet_of
from server.tables import FineTuningRow, JobRow, Json, RefinedNetworkRow, RefinementRow
from server.training_alone import FINE_TUNING, completed, schedule_faults

router = APIRouter(prefix="/v1/refinements", tags=["refinements"], route_class=ExactRoute)


def views(
    service: Service, rows: Sequence[RefinementRow], jobs: Mapping[str, JobRow]
) -> list[RefinementView]:
    """Returns rows as they are answered, with their networks.

    Args:
        service: has the networks.
        rows: the refinements.
        jobs: theirs, by their ids.
    """
    ids = [row.id for row in rows]
    runs: dict[tuple[str, str], list[RunView]] = {}
    for run in service.store.fine_tunings(*ids):
        place = (run.refinement_id, run.architecture_digest)
        runs.setdefault(place, []).append(_run_view(run))
    networks: dict[str, list[RefinedNetworkView]] = {one: [] for one in ids}
    for network in service.store.refined_networks(*ids):
        place = (network.refinement_id, network.architecture_digest)
        networks[network.refinement_id].append(_network_view(network, runs.get(place, [])))
    return [_view(row, jobs[row.job_id], networks[row.id]) for row in rows]


def _view(row: RefinementRow, job: JobRow, networks: list[RefinedNetworkView]) -> RefinementView:
    result = row.result or {}
    return RefinementView(
        id=row.id,
        name=row.name,
        search=row.search_id,
        selection=row.selection,
        training=row.training,
        distillation=row.distillation,
        runs=row.runs,
        evaluator=row.evaluator,
        resources=row.resources,
        export=row.export,
        report_test=row.report_test,
        seed=row.seed,
        job=row.job_id,
        status=job.state,
        networks=networks,
        reported=result.get("reported"),
        test_report=result.get("test_report"),
        created_at=row.created_at,
    )


def _network_view(row: RefinedNetworkRow, runs: list[RunView]) -> RefinedNetworkView:
    address = f"/v1/refinements/{row.refinement_id}/networks/{row.architecture_digest}/files"
    return RefinedNetworkView(
        architecture_digest=row.architecture_digest,
        architecture=row.architecture,
        found=FiguresView.model_validate(row.found),
        runs=runs,
        soup=None if row.soup is None else SoupView.model_validate(row.soup),
        version=row.version,
        before=_figures_view(row.before),
        after=_figures_view(row.after),
        files=[FileView(**file, url=f"{address}/{file['name']}") for file in row.files],
        card=row.card,
    )


def _figures_view(figures: Json | None) -> FiguresView | None:
    return None if figures is None else FiguresView.model_validate(figures)


def _run_view(row: FineTuningRow) -> RunView:
    return RunView(
        run=row.run,
        seed=row.seed,
        version=row.version,
        top1_percent=row.accuracy["top1_percent"],
        interval_percent=row.accuracy["provenance"]["interval_percent"],
    )


@router.post("", status_code=202, operation_id="create_refinement", responses=problems(404, 409))
@creates
def create(body: RefinementBody, service: ServiceDep, response: Response) -> RefinementView:
    """Submits the refinement of a search's front; follow its job. 409 before there is a front."""
    _check(body)
    search, problem, front = report(service, body.search)
    supernet = service.store.get_supernet(supernet_of(search))
    chosen, selection = best_of_front(problem, front, body.count)
    training = completed(
        body.training,
        supernet.training,
        "/training",
        num_images=service.store.get_data_set(supernet.data_set_id).counts["train"],
        num_workers=body.resources.num_workers,
        defaults=FINE_TUNING,
    )
    row, job = service.store.add_refinement(
        name=body.name,
        search_id=search.id,
        chosen=chosen,
        selection=selection,
        training=training,
        distillation=body.distillation,
        runs=body.runs,
        resources=granted(body, "refine", service).model_dump(mode="json"),
        export=body.export,
        report_test=body.report_test,
        seed=body.seed,
        options=body.job,
    )
    response.headers["Location"] = f"/v1/refinements/{row.id}"
    return views(service, [row], {job.id: job})[0]


def _check(body: RefinementBody) -> None:
    """Returns if the parts of the body fit each other.

    Raises:
        InvalidRequestError: they do not.
    """
    faults = schedule_faults(body.training, "/training")
    if body.report_test and not body.export:
        rule = "must not be true without /export: the test split is read with the exported file"
        faults.append(Fault("/report_test", rule, body.report_test))
    if faults:
        raise InvalidRequestError(faults)


@router.get("", operation_id="list_refinements", responses=problems())
def list_all(
    parameters: NamedListDep,
    service: ServiceDep,
    name: NameQuery = None,
    search: IdQuery = None,
    status: Annotated[
        JobStatus | None, Query(description="Only those whose job is in this state.")
    ] = None,
) -> PageOf[RefinementView]:
    """Refinements."""
    page = service.store.list_refinements(
        parameters.limit, parameters.part, name=name, search_id=search, status=status
    )
    jobs = service.store.get_jobs([row.job_id for row in page.rows])
    return parameters.answer(views(service, page.rows, jobs), page.next)


@router.get("/{refinement_id}", operation_id="get_refinement", responses=problems(404))
def get(refinement_id: Id, service: ServiceDep) -> RefinementView:
    """One refinement: each architecture before and after, and its files."""
    row = service.store.get_refinement(refinement_id)
    return views(service, [row], {row.job_id: service.store.get_job(row.job_id)})[0]


@router.get(
    "/{refinement_id}/networks/{digest}/files/{name}",
    operation_id="download_refinement_file",
    response_class=StreamingResponse,
    responses=downloads.RESPONSES,
)
def download(
    refinement_id: Id,
    digest: Annotated[Digest, Path(description="Of one of its architectures.")],
    name: Annotated[str, Path(max_length=200, description="One of the network's files.")],
    service: ServiceDep,
    wanted: downloads.WantedDep,
) -> StreamingResponse:
    """A file of a refined network, or a range of it; its content is verified first."""
    service.store.get_refinement(refinement_id)
    for network in service.store.refined_networks(refinement_id):
        if network.architecture_digest == digest:
            return downloads.file_response(service, network.files, name, wanted)
    raise NotFoundError("network of the refinement", digest)

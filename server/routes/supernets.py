"""Supernets."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from search_space.families import space_settings
from search_space.family import NetworkSettings
from search_space.space import InvalidArchitectureError
from server.errors import Fault, InvalidRequestError
from server.job_states import JobStatus
from server.routes import describing, spaces, starts
from server.routes.assessments import newest_summaries
from server.routes.common import Id, Service, ServiceDep, problems
from server.routes.creating import creates
from server.routes.exact_route import ExactRoute
from server.routes.lists import IdQuery, NamedListDep, NameQuery
from server.routes.resources import granted
from server.schemas.descriptions import DescriptionPatch
from server.schemas.requests import SupernetBody
from server.schemas.responses import AssessmentSummary, PageOf, SupernetView
from server.schemas.stitches import StitchesView
from server.store import Page
from server.tables import DataSetRow, JobRow, SupernetRow
from supernet.schedules.base import InvalidTrainingError

router = APIRouter(prefix="/v1/supernets", tags=["supernets"], route_class=ExactRoute)


def view(row: SupernetRow, job: JobRow, assessment: AssessmentSummary | None) -> SupernetView:
    """Returns a row as it is answered, with its newest assessment."""
    return SupernetView(
        id=row.id,
        name=row.name,
        description=row.description,
        labels=row.labels,
        space=row.space_id,
        data_set=row.data_set_id,
        training=row.training,
        start=row.start,
        teacher=row.teacher,
        resources=row.resources,
        seed=row.seed,
        job=row.job_id,
        status=job.state,
        version=row.version,
        summary=row.summary,
        assessment=assessment,
        created_at=row.created_at,
    )


@router.post("", status_code=202, operation_id="create_supernet", responses=problems(404, 409))
@creates
def create(body: SupernetBody, service: ServiceDep, response: Response) -> SupernetView:
    """Submits the training of a supernet; follow its job.

    That waits while the supernet that it starts or is distilled from is in training. 409 if such a
    training has failed or was cancelled.
    """
    store = service.store
    given = body.space
    if isinstance(given, str):
        given = space_settings(store.get_space(given).settings)
    settings = spaces.network_settings(given, "/space")
    data_set = store.get_data_set(body.data_set)
    _check_images(data_set, settings)
    num_images = data_set.counts["train"]
    try:
        schedule = body.training.build_schedule(
            settings, settings.build(), num_images, body.resources.num_workers
        )
    except InvalidTrainingError as error:
        pointer = f"/training/{error.field.replace('.', '/')}"
        raise InvalidRequestError.single(pointer, error.rule, error.value) from None
    except InvalidArchitectureError as error:
        raise InvalidRequestError.single(
            f"/training/schedule/architecture/{error.choice}", error.rule, error.value
        ) from None
    start, start_files = starts.resolve(body.start, settings, data_set, service)
    teacher = starts.teacher(body.teacher, schedule, settings, service)
    # All that takes time is done: what follows may be one transaction, and others wait for it.
    space = spaces.resolve(store, body.space, "/space")
    row, job = store.add_supernet(
        name=body.name,
        space_id=space.id,
        data_set_id=body.data_set,
        training=body.training.model_dump(mode="json"),
        resources=granted(body, "train", service).model_dump(mode="json"),
        seed=body.seed,
        start=start,
        start_files=start_files,
        teacher=teacher,
        options=body.job,
    )
    response.headers["Location"] = f"/v1/supernets/{row.id}"
    return view(row, job, None)


def _check_images(data_set: DataSetRow, settings: NetworkSettings) -> None:
    """Returns if networks of the space take the data set's images and labels.

    Raises:
        InvalidRequestError: they do not.
    """
    faults = []
    if data_set.shape[0] != settings.input_channels:
        rule = f"must have images of {settings.input_channels} channels, the space's input_channels"
        faults.append(Fault("/data_set", rule, data_set.shape[0]))
    if data_set.num_classes != settings.num_classes:
        rule = f"must have {settings.num_classes} classes, the space's num_classes"
        faults.append(Fault("/data_set", rule, data_set.num_classes))
    if faults:
        raise InvalidRequestError(faults)


@router.get("", operation_id="list_supernets", responses=problems())
def list_all(
    parameters: NamedListDep,
    service: ServiceDep,
    name: NameQuery = None,
    space: IdQuery = None,
    data_set: IdQuery = None,
    status: Annotated[
        JobStatus | None, Query(description="Only those whose job is in this state.")
    ] = None,
) -> PageOf[SupernetView]:
    """Supernets."""
    page: Page[SupernetRow] = service.store.list_supernets(
        parameters.limit,
        parameters.part,
        name=name,
        space_id=space,
        data_set_id=data_set,
        status=status,
    )
    jobs = service.store.get_jobs([row.job_id for row in page.rows])
    known = newest_summaries(service, [row.id for row in page.rows])
    return parameters.page(page, lambda row: view(row, jobs[row.job_id], known[row.id]))


@router.get("/{supernet_id}", operation_id="get_supernet", responses=problems(404))
def get(supernet_id: Id, service: ServiceDep, response: Response) -> SupernetView:
    """One supernet."""
    row = service.store.get_supernet(supernet_id)
    shown = _shown(service, row)
    describing.tag(response, row.revision, shown)
    return shown


@router.get("/{supernet_id}/stitches", operation_id="get_stitches", responses=problems(404))
def get_stitches(supernet_id: Id, service: ServiceDep) -> StitchesView:
    """What every stitch was worth straight after the anchors were stitched, before any training.

    Empty until that is known, and for supernets that did not start from anchors.
    """
    row = service.store.get_supernet(supernet_id)
    # The status is read first: if the training has ended, what follows is complete.
    status = service.store.get_job(row.job_id).state
    report = service.store.stitches(row.job_id) or {}
    return StitchesView(supernet=row.id, status=status, **report)


def _shown(service: Service, row: SupernetRow) -> SupernetView:
    assessment = newest_summaries(service, [row.id])[row.id]
    return view(row, service.store.get_job(row.job_id), assessment)


@router.patch("/{supernet_id}", operation_id="change_supernet", responses=describing.RESPONSES)
def change(
    supernet_id: Id,
    body: DescriptionPatch,
    service: ServiceDep,
    response: Response,
    if_match: describing.IfMatch = None,
) -> SupernetView:
    """Changes name, description and labels, unless somebody else has done so meanwhile."""
    revisions = describing.expected_revisions(if_match)
    row = service.store.describe(SupernetRow, supernet_id, describing.changes(body), revisions)
    shown = _shown(service, row)
    describing.tag(response, row.revision, shown)
    return shown

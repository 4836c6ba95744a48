"""Assessments: whether a supernet can be trusted."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Query, Response

from search_space.space import digest_of
from server.errors import Fault, InvalidRequestError
from server.fronts import intervals_of
from server.job_states import JobStatus
from server.routes.common import (
    Id,
    IfNoneMatch,
    Service,
    ServiceDep,
    conditional,
    picture_responses,
    problems,
)
from server.routes.creating import creates
from server.routes.exact_route import ExactRoute
from server.routes.lists import DatedListDep, IdQuery
from server.routes.resources import granted
from server.schemas.assessments import (
    AssessedView,
    AssessmentBody,
    AssessmentDetail,
    AssessmentView,
    StandaloneBody,
    StandaloneView,
)
from server.schemas.responses import AssessmentSummary, PageOf
from server.tables import AssessedRow, AssessmentRow, JobRow, Json, SupernetRow
from server.training_alone import completed, schedule_faults

router = APIRouter(prefix="/v1", tags=["assessments"], route_class=ExactRoute)


def view(row: AssessmentRow, job: JobRow) -> AssessmentView:
    """Returns a row as it is answered."""
    return AssessmentView(**_fields(row, job))


def _fields(row: AssessmentRow, job: JobRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "supernet": row.supernet_id,
        "supernet_version": row.supernet_version,
        "samples": row.samples,
        "strata": row.strata,
        "accuracy": row.accuracy,
        "standalone": row.standalone,
        "resources": row.resources,
        "seed": row.seed,
        "job": row.job_id,
        "status": job.state,
        "summary": row.summary,
        "created_at": row.created_at,
    }


def _assessed_view(row: AssessedRow) -> AssessedView:
    return AssessedView(
        number=row.number,
        architecture_digest=row.architecture_digest,
        architecture=row.architecture,
        status=cast("Any", row.status),
        metrics=row.metrics,
        intervals=intervals_of(row.provenance),
        provenance=row.provenance,
        reason=row.reason,
        standalone=_standalone_view(row.standalone),
    )


def _standalone_view(value: Json | None) -> StandaloneView | None:
    if value is None:
        return None
    return StandaloneView(
        status=value["status"],
        top1_percent=value.get("top1_percent"),
        interval_percent=value.get("provenance", {}).get("interval_percent"),
        epochs=value["epochs"],
        history=value["history"],
        reason=value.get("reason"),
    )


def newest_summaries(
    service: Service, supernet_ids: list[str]
) -> Mapping[str, AssessmentSummary | None]:
    """Returns what is known of how far supernets can be trusted, by their ids."""
    newest = service.store.newest_assessments(supernet_ids)
    return {
        supernet_id: AssessmentSummary.model_validate(newest[supernet_id].summary)
        if supernet_id in newest
        else None
        for supernet_id in supernet_ids
    }


@router.post(
    "/supernets/{supernet_id}/assessments",
    status_code=202,
    operation_id="create_assessment",
    responses=problems(404, 409),
)
@creates
def create(
    supernet_id: Id, body: AssessmentBody, service: ServiceDep, response: Response
) -> AssessmentView:
    """Submits the assessment of a supernet; follow its job, which waits for the training.

    409 if that has failed or was cancelled.
    """
    _check(body)
    supernet = service.store.get_supernet(supernet_id)
    row, job = service.store.add_assessment(
        supernet_id=supernet_id,
        samples=body.samples,
        strata=min(body.strata, body.samples - 2),
        accuracy=body.accuracy.model_dump(mode="json"),
        standalone=_standalone_settings(body.standalone, supernet, service),
        resources=granted(body, "assess", service).model_dump(mode="json"),
        seed=body.seed,
        options=body.job,
    )
    response.headers["Location"] = f"/v1/assessments/{row.id}"
    return view(row, job)


def _standalone_settings(
    body: StandaloneBody | None, supernet: SupernetRow, service: Service
) -> Json | None:
    if body is None:
        return None
    resources = granted(body, "train", service, "/standalone/resources")
    training = completed(
        body.training,
        supernet.training,
        "/standalone/training",
        num_images=service.store.get_data_set(supernet.data_set_id).counts["train"],
    )
    return {
        **body.model_dump(mode="json"),
        "training": training,
        "resources": resources.model_dump(mode="json"),
    }


def _check(body: AssessmentBody) -> None:
    """Returns if the parts of the body fit each other.

    Raises:
        InvalidRequestError: they do not, or it reads the test split.
    """
    faults = []
    if "strata" in body.model_fields_set and body.strata > body.samples - 2:
        rule = f"must be at most {body.samples - 2}: the samples without the two extremes"
        faults.append(Fault("/strata", rule, body.strata))
    if body.accuracy.split == "test":
        rule = "must not be the test split: that is read once, for the network that is reported"
        faults.append(Fault("/accuracy/split", rule, "test"))
    if body.accuracy.successive:
        rule = "must be false: an assessment has no front that a network could fall below"
        faults.append(Fault("/accuracy/successive", rule, True))
    if body.standalone is not None:
        faults += schedule_faults(body.standalone.training, "/standalone/training")
        if body.standalone.count > body.samples:
            rule = f"must be at most {body.samples}, the samples"
            faults.append(Fault("/standalone/count", rule, body.standalone.count))
    if faults:
        raise InvalidRequestError(faults)


@router.get("/assessments", operation_id="list_assessments", responses=problems())
def list_all(
    parameters: DatedListDep,
    service: ServiceDep,
    supernet: IdQuery = None,
    status: Annotated[
        JobStatus | None, Query(description="Only those whose job is in this state.")
    ] = None,
) -> PageOf[AssessmentView]:
    """Assessments."""
    page = service.store.list_assessments(
        parameters.limit, parameters.part, supernet_id=supernet, status=status
    )
    jobs = service.store.get_jobs([row.job_id for row in page.rows])
    return parameters.page(page, lambda row: view(row, jobs[row.job_id]))


@router.get("/assessments/{assessment_id}", operation_id="get_assessment", responses=problems(404))
def get(assessment_id: Id, service: ServiceDep) -> AssessmentDetail:
    """One assessment, with all architectures that were evaluated so far."""
    row = service.store.get_assessment(assessment_id)
    return AssessmentDetail(
        **_fields(row, service.store.get_job(row.job_id)),
        architectures=[_assessed_view(one) for one in service.store.assessed(row.id)],
    )


def _picture(
    assessment_id: str,
    service: Service,
    if_none_match: str | None,
    image_format: Literal["png", "svg"],
) -> Response:
    row = service.store.get_assessment(assessment_id)
    name = service.store.get_supernet(row.supernet_id).name
    architectures = [_assessed_view(one) for one in service.store.assessed(row.id)]
    media_type = {"png": "image/png", "svg": "image/svg+xml"}[image_format]
    facts: list[Any] = [
        image_format,
        name,
        row.summary,
        [
            [one.metrics, one.intervals, one.standalone and one.standalone.model_dump()]
            for one in architectures
        ],
    ]

    def make() -> tuple[bytes, str]:
        from server.assessment_plots import plot_assessment  # matplotlib is slow to import

        summary = row.summary and AssessmentSummary.model_validate(row.summary)
        return plot_assessment(name, architectures, summary or None, image_format), media_type

    return conditional(digest_of(facts), if_none_match, make)


@router.get(
    "/assessments/{assessment_id}/plot.png",
    operation_id="get_assessment_png",
    response_class=Response,
    responses=picture_responses("image/png"),
)
def get_png(assessment_id: Id, service: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """Accuracy over multiply-accumulates, and alone over shared, as a picture."""
    return _picture(assessment_id, service, if_none_match, "png")


@router.get(
    "/assessments/{assessment_id}/plot.svg",
    operation_id="get_assessment_svg",
    response_class=Response,
    responses=picture_responses("image/svg+xml"),
)
def get_svg(assessment_id: Id, service: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """Accuracy over multiply-accumulates, and alone over shared, as a drawing."""
    return _picture(assessment_id, service, if_none_match, "svg")

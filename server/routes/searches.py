"""Searches, their evaluations and their fronts."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from search_space.space import digest_of
from searchers.protocol import Problem
from server.errors import InvalidRequestError
from server.fronts import ReportedFront, front_of, infeasible_views, point_views
from server.job_states import JobStatus
from server.routes import computed_searches, describing, evaluations, spaces, table_searches
from server.routes.assessments import newest_summaries
from server.routes.common import (
    Id,
    IfNoneMatch,
    Service,
    ServiceDep,
    conditional,
    picture_responses,
    problems,
)
from server.routes.computed_searches import analytic_faults
from server.routes.creating import creates
from server.routes.exact_route import ExactRoute
from server.routes.lists import IdQuery, ListDep, NamedListDep, NameQuery
from server.routes.resources import granted
from server.routes.search_checks import search_faults
from server.routes.searcher_checks import check_searcher
from server.schemas.computed_searches import ComputedSearchBody
from server.schemas.descriptions import DescriptionPatch
from server.schemas.outside import AnySearchBody, OutsideSearchBody
from server.schemas.requests import SearchBody, SearchFields
from server.schemas.responses import AssessmentSummary, PageOf
from server.schemas.searches import (
    FrontView,
    ObservationView,
    PredictionQualityView,
    PredictionsView,
    SearchView,
)
from server.schemas.table_searches import TableSearchBody
from server.store.search_terms import SearchTerms
from server.tables import JobRow, SearchRow

router = APIRouter(prefix="/v1/searches", tags=["searches"], route_class=ExactRoute)


def view(
    row: SearchRow, job: JobRow, counts: dict[str, int], assessment: AssessmentSummary | None
) -> SearchView:
    """Returns a row as it is answered, with the newest assessment of its supernet."""
    return SearchView(
        id=row.id,
        name=row.name,
        description=row.description,
        labels=row.labels,
        supernet=row.supernet_id,
        space=row.space_id,
        searcher=row.searcher,
        objectives=row.objectives,
        limits=row.limits,
        evaluations=row.evaluations,
        # Older versions knew one kind and did not name it; its digest stays what it was.
        evaluator={"kind": "supernet", **row.evaluator},
        evaluator_digest=row.evaluator_digest,
        resources=row.resources,
        seed=row.seed,
        job=row.job_id,
        status=job.state,
        counts=counts,
        result=row.result,
        assessment=assessment,
        created_at=row.created_at,
    )


def _shown(service: Service, row: SearchRow, job: JobRow) -> SearchView:
    assessments = _assessments(service, [row])
    return view(row, job, service.store.search_counts([row])[row.id], assessments[row.supernet_id])


def _assessments(
    service: Service, rows: Sequence[SearchRow]
) -> Mapping[str | None, AssessmentSummary | None]:
    """Returns what is known of the supernets of searches, by their ids; of none, nothing."""
    supernets = [row.supernet_id for row in rows if row.supernet_id is not None]
    known: dict[str | None, AssessmentSummary | None] = {None: None}
    known.update(newest_summaries(service, supernets))
    return known


@router.post("", status_code=202, operation_id="create_search", responses=problems(404, 409))
@creates
def create(body: AnySearchBody, service: ServiceDep, response: Response) -> SearchView:
    """Submits a search; follow its job, which waits while the supernet is in training.

    409 if that training has failed or was cancelled. With an evaluator of kind `outside` no
    supernet is needed: clients lease its proposals, evaluate them and tell what came of them. Nor
    is one with an evaluator of kind `table`, which says what is known of each architecture, or of
    kind `computed`, where all is known on paper.
    """
    if isinstance(body, OutsideSearchBody):
        row, job = _add_outside(body, service)
    elif isinstance(body, TableSearchBody):
        row, job = _add_with_table(body, service)
    elif isinstance(body, ComputedSearchBody):
        row, job = _add_computed(body, service)
    else:
        row, job = _add_inside(body, service)
    response.headers["Location"] = f"/v1/searches/{row.id}"
    return _shown(service, row, job)


def _add_inside(body: SearchBody, service: Service) -> tuple[SearchRow, JobRow]:
    if faults := search_faults(body):
        raise InvalidRequestError(faults)
    space_id = service.store.get_supernet(body.supernet).space_id
    space = service.store.get_space(space_id)
    check_searcher(space, body.searcher, body.objectives, body.limits)
    return service.store.add_search(
        name=body.name,
        supernet_id=body.supernet,
        evaluator=body.evaluator.model_dump(mode="json", exclude={"kind"}),
        resources=granted(body, "search", service).model_dump(mode="json"),
        options=body.job,
        **_terms(body),
    )


def _add_outside(body: OutsideSearchBody, service: Service) -> tuple[SearchRow, JobRow]:
    if faults := analytic_faults(body.searcher):
        raise InvalidRequestError(faults)
    space = spaces.resolve(service.store, body.space, "/space")
    check_searcher(space, body.searcher, body.objectives, body.limits)
    return service.store.add_outside_search(
        name=body.name,
        space_id=space.id,
        evaluator=body.evaluator.model_dump(mode="json"),
        **_terms(body),
    )


def _add_with_table(body: TableSearchBody, service: Service) -> tuple[SearchRow, JobRow]:
    if faults := analytic_faults(body.searcher):
        raise InvalidRequestError(faults)
    table, space = table_searches.prepare(body, service)
    check_searcher(space, body.searcher, body.objectives, body.limits)
    return service.store.add_table_search(
        name=body.name,
        space_id=space.id,
        table=table,
        choices=body.evaluator.choices,
        metrics=body.metrics,
        options=body.job,
        **_terms(body),
    )


def _add_computed(body: ComputedSearchBody, service: Service) -> tuple[SearchRow, JobRow]:
    space = computed_searches.prepare(body, service)
    return service.store.add_computed_search(
        name=body.name,
        space_id=space.id,
        evaluator=body.evaluator.model_dump(mode="json"),
        options=body.job,
        **_terms(body),
    )


def _terms(body: SearchFields) -> SearchTerms:
    """Returns which problem is searched, and how, as it is stored."""
    return {
        "searcher": body.searcher.model_dump(mode="json"),
        "objectives": [objective.model_dump(mode="json") for objective in body.objectives],
        "limits": [limit.model_dump(mode="json") for limit in body.limits],
        "evaluations": body.evaluations,
        "seed": body.seed,
    }


@router.get("", operation_id="list_searches", responses=problems())
def list_all(
    parameters: NamedListDep,
    service: ServiceDep,
    name: NameQuery = None,
    supernet: IdQuery = None,
    space: IdQuery = None,
    status: Annotated[
        JobStatus | None, Query(description="Only those whose job is in this state.")
    ] = None,
) -> PageOf[SearchView]:
    """Searches."""
    store = service.store
    page = store.list_searches(
        parameters.limit,
        parameters.part,
        name=name,
        supernet_id=supernet,
        space_id=space,
        status=status,
    )
    jobs = store.get_jobs([row.job_id for row in page.rows])
    known = _assessments(service, page.rows)
    counts = store.search_counts(page.rows)
    return parameters.page(
        page, lambda row: view(row, jobs[row.job_id], counts[row.id], known[row.supernet_id])
    )


@router.get("/{search_id}", operation_id="get_search", responses=problems(404))
def get(search_id: Id, service: ServiceDep, response: Response) -> SearchView:
    """One search."""
    row = service.store.get_search(search_id)
    shown = _shown(service, row, service.store.get_job(row.job_id))
    describing.tag(response, row.revision, shown)
    return shown


@router.patch("/{search_id}", operation_id="change_search", responses=describing.RESPONSES)
def change(
    search_id: Id,
    body: DescriptionPatch,
    service: ServiceDep,
    response: Response,
    if_match: describing.IfMatch = None,
) -> SearchView:
    """Changes name, description and labels, unless somebody else has done so meanwhile."""
    revisions = describing.expected_revisions(if_match)
    row = service.store.describe(SearchRow, search_id, describing.changes(body), revisions)
    shown = _shown(service, row, service.store.get_job(row.job_id))
    describing.tag(response, row.revision, shown)
    return shown


@router.get(
    "/{search_id}/evaluations", operation_id="list_search_evaluations", responses=problems(404)
)
def list_observations(
    search_id: Id, parameters: ListDep, service: ServiceDep
) -> PageOf[ObservationView]:
    """What the search observed, in the order of its proposals."""
    service.store.get_search(search_id)
    last = parameters.number()
    after = -1 if last is None else last
    points = service.store.search_points(search_id, parameters.limit + 1, after)
    shown = points[: parameters.limit]
    views = [
        ObservationView(number=point.number, evaluation=evaluations.view(point.evaluation))
        for point in shown
    ]
    return parameters.answer(views, str(shown[-1].number) if len(points) > len(shown) else None)


@router.get("/{search_id}/predictions", operation_id="get_predictions", responses=problems(404))
def get_predictions(search_id: Id, service: ServiceDep) -> PredictionsView:
    """How well predictors ranked each batch before it was measured, for searchers that have any."""
    row = service.store.get_search(search_id)
    # The status is read first: if the search has ended, what follows is complete.
    status = service.store.get_job(row.job_id).state
    found = service.store.prediction_quality(row.job_id)
    items = [
        PredictionQualityView(
            first_number=entry.first_number, count=entry.count, kendall=dict(entry.kendall)
        )
        for entry in found
    ]
    return PredictionsView(search=row.id, status=status, items=items)


def report(service: Service, search_id: str) -> tuple[SearchRow, Problem, ReportedFront]:
    """Returns a search, the problem that it solves, and its front so far.

    Raises:
        NotFoundError: there is no such search.
    """
    row = service.store.get_search(search_id)
    return row, *front_of(service.store, row)


@router.get(
    "/{search_id}/front",
    operation_id="get_front",
    response_model=FrontView,
    responses={304: {"description": "The front has not changed."}, **problems(404)},
)
def get_front(search_id: Id, service: ServiceDep, if_none_match: IfNoneMatch = None) -> Response:
    """The Pareto front of what was measured so far, by the first objective from its best."""
    row, problem, front = report(service, search_id)
    answer = FrontView(
        search=row.id,
        status=service.store.get_job(row.job_id).state,
        objectives=row.objectives,
        limits=row.limits,
        num_measured=front.num_measured,
        remeasured=front.remeasured,
        feasible=bool(front.points),
        points=point_views(problem, front.points),
        least_violating=infeasible_views(problem, front.least_violating),
    )
    content = answer.model_dump_json().encode()
    tag = digest_of(answer.model_dump(mode="json"))
    return conditional(tag, if_none_match, lambda: (content, "application/json"))


def _picture(
    search_id: str,
    service: Service,
    if_none_match: str | None,
    image_format: Literal["png", "svg"],
) -> Response:
    row, problem, front = report(service, search_id)
    media_type = {"png": "image/png", "svg": "image/svg+xml"}[image_format]
    facts: list[Any] = [
        image_format,
        row.name,
        [[c.number, dict(c.metrics), c.intervals] for c in front.candidates],
    ]

    def make() -> tuple[bytes, str]:
        from server.plots import plot_front  # matplotlib would double the server's time to start

        return plot_front(problem, front, row.name, image_format), media_type

    return conditional(digest_of(facts), if_none_match, make)


@router.get(
    "/{search_id}/front.png",
    operation_id="get_front_png",
    response_class=Response,
    responses=picture_responses("image/png"),
)
def get_front_png(
    search_id: Id, service: ServiceDep, if_none_match: IfNoneMatch = None
) -> Response:
    """The front as a picture."""
    return _picture(search_id, service, if_none_match, "png")


@router.get(
    "/{search_id}/front.svg",
    operation_id="get_front_svg",
    response_class=Response,
    responses=picture_responses("image/svg+xml"),
)
def get_front_svg(
    search_id: Id, service: ServiceDep, if_none_match: IfNoneMatch = None
) -> Response:
    """The front as a drawing."""
    return _picture(search_id, service, if_none_match, "svg")

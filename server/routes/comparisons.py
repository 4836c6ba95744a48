"""How the front of a search grew, and searches of one problem side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, Response

from search_space.outcomes import MAX_FIGURE
from search_space.space import digest_of
from searchers.history import evaluations_to_reach
from searchers.pareto import Losses, hypervolume, non_dominated
from searchers.protocol import Problem
from server.errors import Fault, InvalidRequestError
from server.hypervolumes import common_reference, history, improvements, losses_of
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
from server.schemas.comparisons import (
    ComparedView,
    ComparisonView,
    HypervolumeView,
    ImprovementView,
)
from server.search_problem import problem_of
from server.store import Observed
from server.tables import SearchRow

router = APIRouter(prefix="/v1", tags=["comparisons"])

MAX_COMPARED = 100
MAX_TOGETHER = 1_000_000
"""Evaluations of all searches that are compared: each is held in memory, in some hundred bytes."""

MAX_WORK = 1_000_000
"""Of a front of n points in d objectives: n^(d - 2). So much takes some ten seconds."""

SHARES = (90, 95, 99)
Source = Literal["given", "worst measured"]

ReferenceQuery = Annotated[
    list[str],
    Query(
        alias="reference",
        max_length=20,
        description="`metric:value` for each objective; by default a tenth of the range beyond the "
        "worst that was measured.",
    ),
]
SearchesQuery = Annotated[
    list[Annotated[str, Query(max_length=100, pattern=r"^[0-9a-z_]+$")]],
    Query(alias="search", min_length=1, max_length=MAX_COMPARED, description="A search's id."),
]


@dataclass(frozen=True)
class Run:
    """A search and what it was told."""

    row: SearchRow
    status: JobStatus
    observed: Sequence[Observed]
    losses: Losses


@dataclass(frozen=True)
class Compared:
    """Runs of one problem with the histories of their hypervolumes, and that of all points."""

    problem: Problem
    runs: Sequence[Run]
    reference: dict[str, float] | None
    source: Source
    histories: Sequence[Losses]
    joint_hypervolume: float


def compared(service: Service, search_ids: Sequence[str], given: Sequence[str]) -> Compared:
    """Returns searches with their histories.

    Raises:
        NotFoundError: there is no such search.
        InvalidRequestError: they solve different problems, the reference is not a point, or they
            are too large to be compared.
    """
    store = service.store
    rows = [store.get_search(search_id) for search_id in dict.fromkeys(search_ids)]
    _check_one_problem(rows)
    together = sum(row.evaluations for row in rows)
    if together > MAX_TOGETHER:
        rule = f"must be searches of at most {MAX_TOGETHER} evaluations together, got {together}"
        raise InvalidRequestError.single("search", rule, list(search_ids))
    problem = problem_of(rows[0], service.store.get_space(rows[0].space_id))
    jobs = store.get_jobs([row.job_id for row in rows])
    runs = []
    for row in rows:
        observed = store.search_history(row.id)
        losses = losses_of(problem, observed)
        runs.append(Run(row, jobs[row.job_id].state, observed, losses))
    point = _parse_reference(problem, given)
    reference = point or common_reference(problem, [run.losses for run in runs])
    joint = 0.0
    histories = [np.zeros(len(run.losses)) for run in runs]
    if reference is not None:
        points = np.concatenate([run.losses[np.isfinite(run.losses).all(axis=1)] for run in runs])
        points = points[non_dominated(points)]
        check_work(len(points), len(problem.objectives))
        histories = [history(problem, run.losses, reference) for run in runs]
        joint = hypervolume(points, problem.losses(reference))
    source: Source = "given" if point else "worst measured"
    return Compared(problem, runs, reference, source, histories, joint)


def _check_one_problem(rows: Sequence[SearchRow]) -> None:
    for row in rows[1:]:
        for field in ("space_id", "objectives", "limits"):
            expected, found = getattr(rows[0], field), getattr(row, field)
            if found != expected:
                name = field.removesuffix("_id")
                rule = f"must have the {name} of search {rows[0].id}: {expected}"
                raise InvalidRequestError.single("search", rule, {row.id: found})


def check_work(num_points: int, num_objectives: int) -> None:
    """Returns if the hypervolume of a front can be had while somebody waits.

    Raises:
        InvalidRequestError: it cannot.
    """
    most = round(MAX_WORK ** (1 / max(1, num_objectives - 2)))
    if num_points > most:
        rule = (
            f"must have a front of at most {most} points in {num_objectives} objectives: the "
            f"hypervolume of more takes too long"
        )
        raise InvalidRequestError.single("search", rule, num_points)


def _parse_reference(problem: Problem, given: Sequence[str]) -> dict[str, float] | None:
    """Returns the point that was given, if one was."""
    if not given:
        return None
    faults, point = [], {}
    metrics = [objective.metric for objective in problem.objectives]
    for text in given:
        metric, _, number = text.rpartition(":")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if metric not in metrics or not abs(value) <= MAX_FIGURE:
            rule = f"must be metric:number, with a metric of {metrics}, up to {MAX_FIGURE:g}"
            faults.append(Fault("reference", rule, text))
        point[metric] = value
    missing = [metric for metric in metrics if metric not in point]
    if missing and not faults:
        faults.append(Fault("reference", f"must also be given for {missing}", list(given)))
    if faults:
        raise InvalidRequestError(faults)
    return point


@router.get(
    "/searches/{search_id}/hypervolume",
    operation_id="get_hypervolume",
    response_model=HypervolumeView,
    responses={304: {"description": "Nothing has changed."}, **problems(404)},
)
def get_hypervolume(
    search_id: Id,
    service: ServiceDep,
    reference: ReferenceQuery = [],  # noqa: B006 -- FastAPI copies it
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The hypervolume of the front after each evaluation that made it better."""
    found = compared(service, [search_id], reference)
    (run,), (volumes,) = found.runs, found.histories
    answer = HypervolumeView(
        search=run.row.id,
        status=run.status,
        objectives=run.row.objectives,
        limits=run.row.limits,
        reference=found.reference,
        reference_source=found.source,
        evaluations=len(run.observed),
        hypervolume=float(volumes[-1]) if len(volumes) else 0.0,
        items=[
            ImprovementView(
                evaluations=one.evaluations,
                number=one.observed.number,
                hypervolume=one.hypervolume,
                at=one.observed.created_at,
            )
            for one in improvements(run.observed, volumes)
        ],
    )
    content = answer.model_dump_json().encode()
    tag = digest_of(answer.model_dump(mode="json"))
    return conditional(tag, if_none_match, lambda: (content, "application/json"))


@router.get(
    "/comparisons",
    operation_id="compare_searches",
    response_model=ComparisonView,
    responses={304: {"description": "Nothing has changed."}, **problems(404)},
)
def compare(
    searches: SearchesQuery,
    service: ServiceDep,
    reference: ReferenceQuery = [],  # noqa: B006 -- FastAPI copies it
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Searches of one problem side by side: what each found, and after how many evaluations."""
    found = compared(service, searches, reference)
    answer = ComparisonView(
        objectives=found.runs[0].row.objectives,
        limits=found.runs[0].row.limits,
        reference=found.reference,
        reference_source=found.source,
        same_evaluator=len({run.row.evaluator_digest for run in found.runs}) == 1,
        joint_hypervolume=found.joint_hypervolume,
        items=_items(found),
    )
    content = answer.model_dump_json().encode()
    tag = digest_of(answer.model_dump(mode="json"))
    return conditional(tag, if_none_match, lambda: (content, "application/json"))


def _items(found: Compared) -> list[ComparedView]:
    total = found.joint_hypervolume
    joint = np.concatenate([run.losses for run in found.runs])
    best = joint[non_dominated(joint) & np.isfinite(joint).all(axis=1)]
    items = []
    for run, volumes in zip(found.runs, found.histories, strict=True):
        front = run.losses[non_dominated(run.losses) & np.isfinite(run.losses).all(axis=1)]
        reached = {
            str(share): evaluations_to_reach(volumes.tolist(), total * share / 100)
            if total > 0
            else None
            for share in SHARES
        }
        last = float(volumes[-1]) if len(volumes) else 0.0
        items.append(
            ComparedView(
                search=run.row.id,
                name=run.row.name,
                searcher=run.row.searcher,
                seed=run.row.seed,
                status=run.status,
                evaluations=len(run.observed),
                hypervolume=last,
                share_percent=100 * last / total if total > 0 else None,
                front_size=len(front),
                on_joint_front=sum(bool((best == point).all(axis=1).any()) for point in front),
                evaluations_to=reached,
            )
        )
    return items


def _picture(
    service: Service,
    search_ids: Sequence[str],
    reference: Sequence[str],
    if_none_match: str | None,
    image_format: Literal["png", "svg"],
) -> Response:
    found = compared(service, search_ids, reference)
    total = found.joint_hypervolume
    media_type = {"png": "image/png", "svg": "image/svg+xml"}[image_format]
    facts = [
        image_format,
        total,
        [
            [run.row.id, run.row.name, volumes.tolist()]
            for run, volumes in zip(found.runs, found.histories, strict=True)
        ],
    ]

    def make() -> tuple[bytes, str]:
        # matplotlib would double the server's time to start
        from server.hypervolume_plots import RunCurve, plot_histories

        curves = [
            RunCurve(run.row.name, run.row.searcher, volumes)
            for run, volumes in zip(found.runs, found.histories, strict=True)
        ]
        return plot_histories(curves, total, image_format), media_type

    return conditional(digest_of(facts), if_none_match, make)


@router.get(
    "/searches/{search_id}/hypervolume.{image_format}",
    operation_id="get_hypervolume_picture",
    response_class=Response,
    responses=picture_responses("image/png", "image/svg+xml"),
)
def get_hypervolume_picture(
    search_id: Id,
    image_format: Literal["png", "svg"],
    service: ServiceDep,
    reference: ReferenceQuery = [],  # noqa: B006 -- FastAPI copies it
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The growth of the front as a picture."""
    return _picture(service, [search_id], reference, if_none_match, image_format)


@router.get(
    "/comparisons.{image_format}",
    operation_id="compare_searches_picture",
    response_class=Response,
    responses=picture_responses("image/png", "image/svg+xml"),
)
def compare_picture(
    image_format: Literal["png", "svg"],
    searches: SearchesQuery,
    service: ServiceDep,
    reference: ReferenceQuery = [],  # noqa: B006 -- FastAPI copies it
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The growth of several searches' fronts, as shares of their joint hypervolume.

    Searches that differ in nothing but their seed are drawn as one: their median and quartiles.
    """
    return _picture(service, searches, reference, if_none_match, image_format)

"""Evaluations of all searches, and all that is known about an architecture."""

import itertools
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from search_space.families import space_settings
from search_space.family import NetworkSettings
from search_space.space import Architecture
from server.errors import NotFoundError
from server.routes.common import Service, ServiceDep, problems
from server.routes.lists import DatedListDep, IdQuery
from server.routes.spaces import cost_view
from server.schemas.requests import Digest
from server.schemas.responses import PageOf
from server.schemas.searches import ArchitectureKnowledge, EvaluationView, SpaceKnowledge
from server.tables import EvaluationRow

router = APIRouter(prefix="/v1", tags=["evaluations"])

MAX_SHOWN = 500
EvaluationStatus = Literal["measured", "infeasible", "failed"]


def view(row: EvaluationRow) -> EvaluationView:
    """Returns a row as it is answered."""
    return EvaluationView(
        id=row.id,
        space=row.space_id,
        architecture_digest=row.architecture_digest,
        architecture=row.architecture,
        status=cast("Any", row.status),
        metrics=row.metrics,
        provenance=row.provenance,
        reason=row.reason,
        evaluator_digest=row.evaluator_digest,
        search=row.search_id,
        created_at=row.created_at,
    )


@router.get("/evaluations", operation_id="list_evaluations", responses=problems())
def list_all(
    parameters: DatedListDep,
    service: ServiceDep,
    architecture_digest: Annotated[Digest | None, Query()] = None,
    space: Annotated[Digest | None, Query(description="A space's id.")] = None,
    search: IdQuery = None,
    evaluator_digest: Annotated[Digest | None, Query()] = None,
    status: Annotated[EvaluationStatus | None, Query()] = None,
) -> PageOf[EvaluationView]:
    """Evaluations; of a search, those that it made itself."""
    page = service.store.list_evaluations(
        parameters.limit,
        parameters.part,
        architecture_digest=architecture_digest,
        space_id=space,
        search_id=search,
        evaluator_digest=evaluator_digest,
        status=status,
    )
    return parameters.page(page, view)


NDJSON = "application/x-ndjson"
_ROWS_PER_READ = 500


@router.get(
    "/evaluations.ndjson",
    operation_id="export_evaluations",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Each line an evaluation as in the list.",
            "content": {NDJSON: {"schema": {"type": "string"}}},
        },
        **problems(404),
    },
)
def export_all(
    service: ServiceDep,
    space: Annotated[Digest | None, Query(description="A space's id.")] = None,
    search: Annotated[
        str | None,
        Query(
            max_length=100,
            pattern=r"^[0-9a-z_]+$",
            description="A search's id: all that it was told, reused results included.",
        ),
    ] = None,
) -> StreamingResponse:
    """All evaluations, oldest first, one JSON document a line.

    An answer that ends without a newline was cut short.
    """
    if search is not None:
        service.store.get_search(search)
    batches = service.store.evaluation_batches(_ROWS_PER_READ, search_id=search, space_id=space)
    # The first rows are read while the request can still be refused.
    first = next(batches, ())
    lines = (
        "".join(f"{view(row).model_dump_json()}\n" for row in rows)
        for rows in itertools.chain([first], batches)
    )
    return StreamingResponse(lines, media_type=NDJSON)


@router.get("/architectures/{digest}", operation_id="get_architecture", responses=problems(404))
def get_architecture(
    digest: Annotated[Digest, Path(description="An architecture's digest.")], service: ServiceDep
) -> ArchitectureKnowledge:
    """All that is known about an architecture, space by space (the newest 500 evaluations)."""
    rows = service.store.list_evaluations(MAX_SHOWN, architecture_digest=digest).rows
    if not rows:
        raise NotFoundError("evaluated architecture", digest)
    exports = service.store.list_exports(MAX_SHOWN, architecture_digest=digest).rows
    by_space: dict[str, list[EvaluationRow]] = {}
    for row in rows:
        by_space.setdefault(row.space_id, []).append(row)
    return ArchitectureKnowledge(
        digest=digest,
        architecture=rows[0].architecture,
        spaces=[_knowledge(service, space_id, found) for space_id, found in by_space.items()],
        exports=[export.id for export in exports],
    )


def _knowledge(service: Service, space_id: str, rows: list[EvaluationRow]) -> SpaceKnowledge:
    settings = space_settings(service.store.get_space(space_id).settings)
    costs = None
    if isinstance(settings, NetworkSettings):
        costs = cost_view(settings, Architecture(rows[0].architecture))
    return SpaceKnowledge(space=space_id, costs=costs, evaluations=[view(row) for row in rows])

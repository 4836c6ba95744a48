"""Campaigns: schedules that submit searches, their occurrences, the best network of each."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from server.campaigns.settings import CampaignSettings
from server.errors import (
    InvalidRequestError,
    NotFoundError,
    PreconditionFailedError,
)
from server.problems import faults_of
from server.routes import content_tags, describing, downloads, exports
from server.routes.campaign_checks import checked, promotion_faults
from server.routes.common import Service, ServiceDep, problems
from server.routes.creating import creates
from server.routes.exact_route import ExactRoute
from server.routes.lists import DatedListDep
from server.schemas.campaign_bodies import CampaignBody, CampaignPatch
from server.schemas.campaigns import (
    BestView,
    CampaignView,
    NextView,
    OccurrenceStatus,
    OccurrenceView,
    PromotionView,
    Trigger,
    UsageView,
)
from server.schemas.responses import FileView, PageOf
from server.store import Usage
from server.tables import CampaignRow, ExportRow, OccurrenceRow, PromotionRow

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"], route_class=ExactRoute)

CampaignRef = Annotated[
    str,
    Path(max_length=100, pattern=r"^[a-z0-9][a-z0-9_.-]*$", description="A campaign's name or id."),
]
OccurrenceId = Annotated[str, Path(max_length=100, pattern=r"^[0-9a-z_]+$")]
CHANGED = problems(404, 409, 412)


def view(row: CampaignRow, usage: Usage, best: PromotionRow | None) -> CampaignView:
    """Returns a row as it is answered."""
    settings = row.settings
    status = "paused" if row.is_paused else "finished" if row.next_at is None else "active"
    return CampaignView(
        **settings,
        id=row.id,
        status=status,
        supernet=row.supernet_id,
        next_at=row.next_at,
        num_started=row.num_started,
        usage=UsageView(evaluations=usage.evaluations, worker_hours=usage.worker_hours),
        best=best.export_id if best else None,
        revision=row.revision,
        created_at=row.created_at,
    )


def occurrence_view(service: Service, row: OccurrenceRow) -> OccurrenceView:
    """Returns a row as it is answered."""
    return _occurrence_views(service, [row])[row.id]


def _occurrence_views(
    service: Service, rows: Sequence[OccurrenceRow]
) -> Mapping[str, OccurrenceView]:
    searches = service.store.occurrence_search_ids([row.id for row in rows])
    return {row.id: _occurrence_view(row, searches[row.id]) for row in rows}


def _occurrence_view(row: OccurrenceRow, searches: list[str]) -> OccurrenceView:
    return OccurrenceView(
        id=row.id,
        campaign=row.campaign_id,
        number=row.number,
        fire_at=row.fire_at,
        first_at=row.first_at,
        firings=row.firings,
        trigger=row.trigger,
        status=row.status,
        stage=row.stage,
        reason=row.reason,
        supernet=row.supernet_id,
        training_job=row.training_job_id,
        searches=searches,
        export=row.export_id,
        verdict=(row.candidate or {}).get("verdict"),
        evaluations=row.evaluations,
        worker_hours=row.worker_hours,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def promotion_view(row: PromotionRow) -> PromotionView:
    """Returns a row as it is answered."""
    return PromotionView(
        id=row.id,
        occurrence=row.occurrence_id,
        export=row.export_id,
        supernet=row.supernet_id,
        architecture_digest=row.architecture_digest,
        figures=row.figures,
        reason=row.reason,
        created_at=row.created_at,
    )


def _views(service: Service, rows: Sequence[CampaignRow]) -> Mapping[str, CampaignView]:
    ids = [row.id for row in rows]
    usages, best = service.store.campaign_usages(ids), service.store.best_of_campaigns(ids)
    return {row.id: view(row, usages[row.id], best.get(row.id)) for row in rows}


def _answer(service: Service, row: CampaignRow, response: Response) -> CampaignView:
    shown = _views(service, [row])[row.id]
    describing.tag(response, row.revision, shown)
    return shown


@router.post("", status_code=201, operation_id="create_campaign", responses=problems(404, 409))
@creates
def create(body: CampaignBody, service: ServiceDep, response: Response) -> CampaignView:
    """Begins a campaign; it fires at the times that come from now on. 409 if the name is taken."""
    settings = CampaignSettings.model_validate(body.model_dump(mode="json", exclude_unset=True))
    row = service.store.add_campaign(checked(service, settings))
    response.headers["Location"] = f"/v1/campaigns/{row.id}"
    return _answer(service, row, response)


@router.get("", operation_id="list_campaigns", responses=problems())
def list_all(parameters: DatedListDep, service: ServiceDep) -> PageOf[CampaignView]:
    """Campaigns."""
    page = service.store.list_campaigns(parameters.limit, parameters.part)
    views = _views(service, page.rows)
    return parameters.page(page, lambda row: views[row.id])


@router.get("/{campaign}", operation_id="get_campaign", responses=problems(404))
def get(campaign: CampaignRef, service: ServiceDep, response: Response) -> CampaignView:
    """One campaign. Its ETag begins with its revision; send it with a change as If-Match."""
    return _answer(service, service.store.find_campaign(campaign), response)


@router.patch("/{campaign}", operation_id="change_campaign", responses=CHANGED)
def change(
    campaign: CampaignRef,
    body: CampaignPatch,
    service: ServiceDep,
    response: Response,
    if_match: content_tags.IfMatch = None,
) -> CampaignView:
    """Changes settings; what is running or waiting keeps those that it was fired with."""
    row = service.store.find_campaign(campaign)
    expected = None if if_match is None else describing.expected_revisions(if_match)
    if expected is not None and row.revision not in expected:
        raise PreconditionFailedError(
            f'If-Match must be "{row.revision}", the ETag of the campaign now, got {if_match}'
        )
    changes = body.model_dump(mode="json", exclude_unset=True)
    try:
        settings = CampaignSettings.model_validate({**row.settings, **changes})
    except ValidationError as error:
        located = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise InvalidRequestError(faults_of(located, changes)) from None
    if body.template is not None:
        settings = checked(service, settings)
    elif faults := promotion_faults(settings):
        raise InvalidRequestError(faults)
    row = service.store.change_campaign(row.id, settings, row.revision)
    return _answer(service, row, response)


@router.delete(
    "/{campaign}", status_code=204, operation_id="delete_campaign", responses=problems(404, 409)
)
def delete(campaign: CampaignRef, service: ServiceDep) -> None:
    """Removes a campaign and its history; what its jobs made stays. 409 while it has work to do."""
    service.store.delete_campaign(campaign)


@router.post("/{campaign}/pause", operation_id="pause_campaign", responses=problems(404))
def pause(campaign: CampaignRef, service: ServiceDep, response: Response) -> CampaignView:
    """Stops a campaign from firing; what is running goes on."""
    return _answer(service, service.store.pause_campaign(campaign), response)


@router.post("/{campaign}/resume", operation_id="resume_campaign", responses=problems(404))
def resume(campaign: CampaignRef, service: ServiceDep, response: Response) -> CampaignView:
    """Lets a campaign fire again; the times in between are skipped."""
    return _answer(service, service.store.resume_campaign(campaign), response)


@router.post(
    "/{campaign}/run",
    status_code=202,
    operation_id="run_campaign",
    responses=problems(404, 409),
)
@creates
def run(campaign: CampaignRef, service: ServiceDep, response: Response) -> OccurrenceView:
    """Fires a campaign now, beside its schedule; its overlap policy and its budget hold."""
    row = service.store.run_campaign(campaign)
    response.headers["Location"] = f"/v1/campaigns/{row.campaign_id}/occurrences/{row.id}"
    return occurrence_view(service, row)


@router.get("/{campaign}/next", operation_id="list_campaign_times", responses=problems(404))
def list_times(
    campaign: CampaignRef,
    service: ServiceDep,
    count: Annotated[int, Query(ge=1, le=500, description="How many.")] = 10,
) -> NextView:
    """The next times of the schedule, whether the campaign is paused or not."""
    row = service.store.find_campaign(campaign)
    schedule = CampaignSettings.model_validate(row.settings).schedule
    items: list[datetime] = []
    for moment in schedule.after(service.store.now()):
        items.append(moment)
        if len(items) == count:
            break
    return NextView(items=items)


@router.get("/{campaign}/occurrences", operation_id="list_occurrences", responses=problems(404))
def list_occurrences(
    campaign: CampaignRef,
    parameters: DatedListDep,
    service: ServiceDep,
    status: Annotated[OccurrenceStatus | None, Query()] = None,
    trigger: Annotated[Trigger | None, Query()] = None,
) -> PageOf[OccurrenceView]:
    """Occurrences of a campaign: its history."""
    row = service.store.find_campaign(campaign)
    page = service.store.list_occurrences(
        row.id, parameters.limit, parameters.part, status=status, trigger=trigger
    )
    views = _occurrence_views(service, page.rows)
    return parameters.page(page, lambda one: views[one.id])


@router.get(
    "/{campaign}/occurrences/{occurrence_id}",
    operation_id="get_occurrence",
    responses=problems(404),
)
def get_occurrence(
    campaign: CampaignRef, occurrence_id: OccurrenceId, service: ServiceDep
) -> OccurrenceView:
    """One occurrence."""
    row = service.store.find_campaign(campaign)
    return occurrence_view(service, service.store.get_occurrence(row.id, occurrence_id))


@router.get("/{campaign}/promotions", operation_id="list_promotions", responses=problems(404))
def list_promotions(
    campaign: CampaignRef, parameters: DatedListDep, service: ServiceDep
) -> PageOf[PromotionView]:
    """Networks that became the campaign's best."""
    row = service.store.find_campaign(campaign)
    page = service.store.list_promotions(row.id, parameters.limit, parameters.part)
    return parameters.page(page, promotion_view)


def _best(service: Service, campaign: str) -> tuple[CampaignRow, PromotionRow, ExportRow]:
    row = service.store.find_campaign(campaign)
    promotion = service.store.best_of_campaign(row.id)
    if promotion is None:
        raise NotFoundError("promoted network of campaign", row.name)
    return row, promotion, service.store.get_export(promotion.export_id)


@router.get("/{campaign}/best", operation_id="get_campaign_best", responses=problems(404))
def get_best(campaign: CampaignRef, service: ServiceDep) -> BestView:
    """The network that was promoted last. 404 until one was."""
    row, promotion, export = _best(service, campaign)
    shown = exports.view(export, service.store.get_job(export.job_id))
    files = [
        FileView(**{**file, "url": f"/v1/campaigns/{row.name}/best/files/{file['name']}"})
        for file in export.files
    ]
    return BestView(
        campaign=row.name,
        promotion=promotion_view(promotion),
        export=shown.model_copy(update={"files": files}),
    )


@router.get(
    "/{campaign}/best/files/{name}",
    operation_id="download_campaign_best_file",
    response_class=StreamingResponse,
    responses=downloads.RESPONSES,
)
def download_best(
    campaign: CampaignRef,
    name: Annotated[str, Path(max_length=200, description="One of the best network's files.")],
    service: ServiceDep,
    wanted: downloads.WantedDep,
) -> StreamingResponse:
    """A file of the network promoted last, or a range of it; its content is verified first."""
    _, _, export = _best(service, campaign)
    return downloads.file_response(service, export.files, name, wanted)

"""Reports of occurrences: what is new on the fronts, hypervolume over time."""

from collections.abc import Mapping, Sequence
from typing import Literal

from fastapi import APIRouter, Response

from search_space.space import digest_of
from server.routes.campaigns import CampaignRef, OccurrenceId, occurrence_view
from server.routes.common import (
    IfNoneMatch,
    Service,
    ServiceDep,
    conditional,
    picture_responses,
    problems,
)
from server.schemas.campaigns import (
    FrontPointView,
    OccurrenceReport,
    SearchReport,
    VolumeView,
)
from server.store import OccurrenceSearch, Volume
from server.tables import CampaignRow

router = APIRouter(
    prefix="/v1/campaigns/{campaign}/occurrences/{occurrence_id}", tags=["campaigns"]
)

Volumes = Mapping[str, Sequence[Volume]]
"""Over time, by the digest of the place in the matrix."""


def _report(
    service: Service, campaign: str, occurrence_id: str
) -> tuple[CampaignRow, OccurrenceReport]:
    row = service.store.find_campaign(campaign)
    occurrence = service.store.get_occurrence(row.id, occurrence_id)
    searches = service.store.occurrence_searches(occurrence_id)
    references = [one.row.result["reference"] for one in searches if one.row.result]
    volumes: Volumes = {}
    if occurrence.number is not None:
        volumes = service.store.campaign_volumes(row.id, occurrence.number)
    report = OccurrenceReport(
        occurrence=occurrence_view(service, occurrence),
        reference=references[0] if references else None,
        searches=[_search_report(one, volumes) for one in searches],
    )
    return row, report


def _search_report(one: OccurrenceSearch, volumes: Volumes) -> SearchReport:
    result = one.row.result
    history = [
        VolumeView.model_validate(volume, from_attributes=True)
        for volume in volumes.get(one.row.place_digest, [])
    ]
    return SearchReport(
        search=one.search.id,
        status=one.job.state,
        place=one.row.place,
        num_measured=result["num_measured"] if result else None,
        hypervolume=result["hypervolume"] if result else None,
        last_hypervolume=result["last_hypervolume"] if result else None,
        front=[
            FrontPointView(**point, is_new=point["architecture_digest"] in result["new"])
            for point in result["front"]
        ]
        if result
        else [],
        gone=result["gone"] if result else [],
        history=history,
    )


@router.get("/report", operation_id="get_occurrence_report", responses=problems(404))
def get_report(
    campaign: CampaignRef, occurrence_id: OccurrenceId, service: ServiceDep
) -> OccurrenceReport:
    """What an occurrence gave: what is new on each front, hypervolume over time."""
    return _report(service, campaign, occurrence_id)[1]


def _picture(
    service: Service,
    campaign: str,
    occurrence_id: str,
    if_none_match: str | None,
    image_format: Literal["png", "svg"],
) -> Response:
    row, report = _report(service, campaign, occurrence_id)
    media_type = {"png": "image/png", "svg": "image/svg+xml"}[image_format]
    shown = [one.model_dump(mode="json", include={"history"}) for one in report.searches]

    def make() -> tuple[bytes, str]:
        # matplotlib would double the server's time to start
        from server.campaign_plots import plot_volumes

        return plot_volumes(report.searches, row.name, image_format), media_type

    tag = digest_of([image_format, row.name, shown])
    return conditional(tag, if_none_match, make)


@router.get(
    "/report.png",
    operation_id="get_occurrence_report_png",
    response_class=Response,
    responses=picture_responses("image/png"),
)
def get_report_png(
    campaign: CampaignRef,
    occurrence_id: OccurrenceId,
    service: ServiceDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Hypervolume over time as a picture."""
    return _picture(service, campaign, occurrence_id, if_none_match, "png")


@router.get(
    "/report.svg",
    operation_id="get_occurrence_report_svg",
    response_class=Response,
    responses=picture_responses("image/svg+xml"),
)
def get_report_svg(
    campaign: CampaignRef,
    occurrence_id: OccurrenceId,
    service: ServiceDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Hypervolume over time as a drawing."""
    return _picture(service, campaign, occurrence_id, if_none_match, "svg")

"""Data sets."""

import tempfile
from pathlib import Path

import structlog
from fastapi import APIRouter, Response

from server.disks import room_for
from server.errors import BusyError, InvalidRequestError
from server.routes import describing
from server.routes.common import Id, Service, ServiceDep, problems
from server.routes.creating import creates
from server.routes.exact_route import ExactRoute
from server.routes.lists import NamedListDep, NameQuery
from server.routes.places import places_of
from server.schemas.descriptions import DescriptionPatch
from server.schemas.requests import DataSetBody
from server.schemas.responses import DataSetView, PageOf
from server.tables import DataSetRow
from supernet.datasets import (
    SPLITS,
    DataSet,
    DataSetReport,
    DigitsSource,
    InvalidDataSetError,
    examine_source,
    write_data_set,
)

router = APIRouter(prefix="/v1/data-sets", tags=["data sets"], route_class=ExactRoute)
logger = structlog.get_logger(__name__)

PATIENCE_S = 20.0
"""How long a registration waits for its turn."""

_LOGGED_IMAGES = 10_000
"""How many images lie between two lines of the log."""


def view(row: DataSetRow) -> DataSetView:
    """Returns a row as it is answered."""
    return DataSetView.model_validate(row, from_attributes=True)


@router.post(
    "",
    status_code=201,
    operation_id="create_data_set",
    responses={200: {"model": DataSetView}, **problems(404, 409)},
)
@creates
def create(body: DataSetBody, service: ServiceDep, response: Response) -> DataSetView:
    """Reads, checks and stores a data set; 200 if it was stored under this name before.

    The answer comes when all of it has been read, which takes minutes for hundreds of thousands of
    images; other requests are answered meanwhile.
    """
    if body.supersedes is not None:
        service.store.get_data_set(body.supersedes)
    settings = service.settings
    with (
        service.registrations.take(PATIENCE_S),
        room_for("the data set"),
        tempfile.TemporaryDirectory(dir=settings.home) as folder,
    ):
        data_set, report = _examine(body, service, Path(folder))
        path = Path(folder) / "data_set.safetensors"
        write_data_set(data_set, path)
        artifact = service.artifacts.add_file(path, "application/octet-stream")
    row, created = service.store.add_data_set(
        body.name,
        body.source.model_dump(mode="json"),
        artifact,
        {name: len(data_set.split(name)) for name in SPLITS},
        data_set.image_shape,
        data_set.num_classes,
        report.model_dump(mode="json"),
        body.supersedes,
    )
    response.status_code = 201 if created else 200
    response.headers["Location"] = f"/v1/data-sets/{row.id}"
    return view(row)


def _examine(
    body: DataSetBody, service: Service, scratch_folder: Path
) -> tuple[DataSet, DataSetReport]:
    """Returns what a source holds.

    Raises:
        InvalidRequestError: it is no data set, or names none.
        BusyError: the server is shutting down.
    """
    upload = None if isinstance(body.source, DigitsSource) else body.source.upload
    places = places_of(service, upload, "/source/upload", scratch_folder)
    logged = 0

    def on_progress(done: int, total: int) -> None:
        nonlocal logged
        if service.is_stopping():
            raise BusyError("the server is shutting down")
        if done - logged >= _LOGGED_IMAGES:
            logged = done
            logger.info("reading data set", name=body.name, done=done, total=total)

    try:
        return examine_source(body.source, places, on_progress)
    except InvalidDataSetError as error:
        raise InvalidRequestError.single(
            f"/source/{error.field}", error.rule, error.value
        ) from error


@router.get("", operation_id="list_data_sets", responses=problems())
def list_all(
    parameters: NamedListDep, service: ServiceDep, name: NameQuery = None
) -> PageOf[DataSetView]:
    """Data sets."""
    page = service.store.list_data_sets(parameters.limit, parameters.part, name=name)
    return parameters.page(page, view)


@router.get("/{data_set_id}", operation_id="get_data_set", responses=problems(404))
def get(data_set_id: Id, service: ServiceDep, response: Response) -> DataSetView:
    """One data set."""
    row = service.store.get_data_set(data_set_id)
    shown = view(row)
    describing.tag(response, row.revision, shown)
    return shown


@router.patch("/{data_set_id}", operation_id="change_data_set", responses=describing.RESPONSES)
def change(
    data_set_id: Id,
    body: DescriptionPatch,
    service: ServiceDep,
    response: Response,
    if_match: describing.IfMatch = None,
) -> DataSetView:
    """Changes name, description and labels, unless somebody else has done so meanwhile."""
    revisions = describing.expected_revisions(if_match)
    row = service.store.describe(DataSetRow, data_set_id, describing.changes(body), revisions)
    shown = view(row)
    describing.tag(response, row.revision, shown)
    return shown

"""Data sets."""

import tempfile
from pathlib import Path

from fastapi import APIRouter, Response

from server.errors import InvalidRequestError
from server.routes.common import BODY, Id, ListDep, ServiceDep, problems
from server.schemas.requests import DataSetBody
from server.schemas.responses import DataSetView, PageOf
from server.tables import DataSetRow
from supernet.datasets import SPLITS, InvalidDataSetError, load_source, write_data_set

router = APIRouter(prefix="/v1/data-sets", tags=["data sets"])


def view(row: DataSetRow) -> DataSetView:
    """Returns a row as it is answered."""
    return DataSetView.model_validate(row, from_attributes=True)


@router.post(
    "",
    status_code=201,
    operation_id="create_data_set",
    responses={200: {"model": DataSetView}, **problems(409, *BODY)},
)
def create(body: DataSetBody, service: ServiceDep, response: Response) -> DataSetView:
    """Reads, checks and stores a data set; 200 if it was stored under this name before."""
    try:
        data_set = load_source(body.source, service.settings.data_folder)
    except InvalidDataSetError as error:
        raise InvalidRequestError.single(
            f"/source/{error.field}", error.rule, error.value
        ) from error
    with tempfile.TemporaryDirectory(dir=service.settings.home) as folder:
        path = Path(folder) / "data_set.safetensors"
        write_data_set(data_set, path)
        artifact = service.artifacts.add_file(path, "application/octet-stream")
    row, created = service.store.add_data_set(
        body.name,
        body.source.model_dump(mode="json"),
        artifact,
        {name: len(getattr(data_set, name)) for name in SPLITS},
        data_set.image_shape,
        data_set.num_classes,
    )
    response.status_code = 201 if created else 200
    response.headers["Location"] = f"/v1/data-sets/{row.id}"
    return view(row)


@router.get("", operation_id="list_data_sets", responses=problems())
def list_all(parameters: ListDep, service: ServiceDep) -> PageOf[DataSetView]:
    """Data sets, newest first."""
    page = service.store.list_data_sets(parameters.limit, parameters.before)
    return parameters.page(page, view)


@router.get("/{data_set_id}", operation_id="get_data_set", responses=problems(404))
def get(data_set_id: Id, service: ServiceDep) -> DataSetView:
    """One data set."""
    return view(service.store.get_data_set(data_set_id))

"""Searches whose evaluations are a table's: it is read and stored when they are submitted."""

from pathlib import Path

from search_space.families import space_settings
from search_space.table import InvalidTableError, Table
from search_space.table_files import read_table
from server.artifacts import ArtifactStore
from server.errors import InvalidRequestError
from server.routes import spaces
from server.routes.common import Service
from server.routes.data_sets import PATIENCE_S
from server.routes.places import places_of
from server.schemas.table_searches import TableSearchBody
from server.store import Artifact
from server.tables import SpaceRow
from supernet.datasets import InvalidDataSetError

MEDIA_TYPE = "application/octet-stream"


def prepare(body: TableSearchBody, service: Service) -> tuple[Artifact, SpaceRow]:
    """Returns a search's table as it is stored, and the space that it is about.

    Raises:
        InvalidRequestError: there is no such file, it is no table, or it is not about the space.
        NotFoundError: there is no such space.
        BusyError: the server reads as many files as it can at once.
        DiskFullError: there is no room for a copy of the table.
    """
    evaluator = body.evaluator
    places = places_of(service, evaluator.upload, "/evaluator/upload")
    try:
        path = places.resolve(evaluator, folders=False)
    except InvalidDataSetError as error:
        raise InvalidRequestError.single(
            f"/evaluator/{error.field}", error.rule, error.value
        ) from None
    with service.registrations.take(PATIENCE_S):
        return _stored(body, path, service)


def _stored(body: TableSearchBody, path: Path, service: Service) -> tuple[Artifact, SpaceRow]:
    # The stored copy is what counts: nothing changes it any more.
    try:
        read_table(path, body.evaluator.choices, body.metrics)
        artifact, table = _copied(path, body, service.artifacts)
        if body.space is None:
            # Named by the table alone: equal searches share the space, and so their evaluations.
            settings = table.space_settings(f"table {artifact.sha256[:12]}")
            space, _ = spaces.register(service.store, settings, "/evaluator")
        else:
            space = spaces.resolve(service.store, body.space, "/space")
        table.check_space(space_settings(space.settings).build())
    except InvalidTableError as error:
        raise InvalidRequestError.single(_pointer(body, error), error.rule, error.value) from None
    return artifact, space


def _pointer(body: TableSearchBody, error: InvalidTableError) -> str:
    """Returns where the request names what a table lacks."""
    if error.field == "file":
        return f"/evaluator/{body.evaluator.place_field}"
    if error.field == "metrics":
        metric = str(error.value).partition(":")[0]  # what may follow is its type
        for field, parts in (("objectives", body.objectives), ("limits", body.limits)):
            for position, part in enumerate(parts):
                if part.metric == metric:
                    return f"/{field}/{position}/metric"
        return f"/evaluator/metrics/{body.evaluator.metrics.index(metric)}"
    return f"/evaluator/{error.field}"


def _copied(path: Path, body: TableSearchBody, artifacts: ArtifactStore) -> tuple[Artifact, Table]:
    artifact = artifacts.add_file(path, MEDIA_TYPE)
    stored = artifacts.path(artifact.sha256)
    return artifact, read_table(stored, body.evaluator.choices, body.metrics)

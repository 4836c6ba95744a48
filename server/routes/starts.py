"""Where a training starts: what a request names, resolved to what a job is given by value."""

from search_space.cnn import MobileNetV3Settings
from search_space.families import space_settings
from search_space.family import NetworkSettings
from server.errors import ConflictError, InvalidRequestError
from server.routes.common import Service
from server.store import Artifact
from server.tables import Json
from supernet.datasets import InvalidDataSetError, resolve_inside
from supernet.starting_settings import (
    FileStart,
    InvalidStartError,
    OnceForAllStart,
    ScratchStart,
    StartSettings,
    SupernetStart,
    check_file,
    check_same_network,
)

MEDIA_TYPE = "application/octet-stream"


def resolve(
    start: StartSettings, settings: NetworkSettings, service: Service
) -> tuple[Json, Artifact | None]:
    """Returns a start with the digest of the file that it reads, and that file if it is new.

    Args:
        start: as given.
        settings: of the space to train.
        service: has the supernets and the data folder; a file of the user's is stored there.

    Raises:
        NotFoundError: there is no such supernet.
        ConflictError: it is not trained.
        InvalidRequestError: the space or the file is of another kind than the start needs.
    """
    given = start.model_dump(mode="json")
    if isinstance(start, ScratchStart):
        return given, None
    if isinstance(start, SupernetStart):
        return given | {"version": _version(start, settings, service)}, None
    if isinstance(start, OnceForAllStart) and not isinstance(settings, MobileNetV3Settings):
        rule = f"must not be once_for_all for a space of kind {settings.kind}"
        raise InvalidRequestError.single("/start/kind", rule, start.kind)
    artifact = _stored(start, service)
    return given | {"version": artifact.sha256}, artifact


def _version(start: SupernetStart, settings: NetworkSettings, service: Service) -> str:
    """Returns the digest of the supernet's file."""
    row = service.store.get_supernet(start.supernet)
    if row.version is None:
        status = service.store.get_job(row.job_id).status
        raise ConflictError(
            f"supernet {row.id} must be trained before another starts from it; its job "
            f"{row.job_id} is {status}"
        )
    found = space_settings(service.store.get_space(row.space_id).settings)
    assert isinstance(found, NetworkSettings)  # checked when it was submitted
    try:
        check_same_network(settings, found)
    except InvalidStartError as error:
        rule = f"must be of the same space but for num_classes: its {error.field} {error.rule}"
        raise InvalidRequestError.single("/start/supernet", rule, error.value) from None
    return row.version


def _stored(start: FileStart, service: Service) -> Artifact:
    """Returns a stored copy of the file, which nothing changes any more."""
    try:
        path = resolve_inside(service.settings.data_folder, start.path)
        check_file(start, path)
    except (InvalidDataSetError, InvalidStartError) as error:
        raise InvalidRequestError.single(f"/start/{error.field}", error.rule, error.value) from None
    return service.artifacts.add_file(path, MEDIA_TYPE)

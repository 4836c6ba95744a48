"""Where a training starts: what a request names, resolved to what a job is given by value."""

from search_space.families import space_settings
from search_space.family import NetworkSettings
from server.errors import ConflictError, InvalidRequestError
from server.routes.common import Service
from server.routes.places import places_of
from server.store import Artifact
from server.tables import Json
from supernet.datasets import InvalidDataSetError
from supernet.schedules.base import Schedule
from supernet.starting_settings import (
    FileStart,
    InvalidStartError,
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
    given = start.model_dump(mode="json", exclude_none=True)
    if isinstance(start, ScratchStart):
        return given, None
    if isinstance(start, SupernetStart):
        return given | {"version": _version(start, settings, service)}, None
    artifact = _stored(start, settings, service)
    return given | {"version": artifact.sha256}, artifact


def teacher(
    supernet_id: str | None, schedule: Schedule, settings: NetworkSettings, service: Service
) -> Json | None:
    """Returns the supernet that a training is distilled from, with the digest of its file.

    Args:
        supernet_id: as given.
        schedule: says whether there must be one.
        settings: of the space to train.
        service: has the supernets.

    Raises:
        NotFoundError: there is no such supernet.
        ConflictError: it is not trained.
        InvalidRequestError: there is none and must be one, or the other way round, or it has other
            channels or classes.
    """
    if supernet_id is None:
        if schedule.needs_teacher:
            rule = "must name a trained supernet, as the schedule distils from one"
            raise InvalidRequestError.single("/teacher", rule, None)
        return None
    if not schedule.needs_teacher:
        rule = "must not be given: the schedule does not distil from a teacher"
        raise InvalidRequestError.single("/teacher", rule, supernet_id)
    version, found = _trained(supernet_id, service)
    for field in ("input_channels", "num_classes"):
        expected, value = getattr(settings, field), getattr(found, field)
        if value != expected:
            rule = f"must have {field} {expected}, as the space"
            raise InvalidRequestError.single("/teacher", rule, value)
    return {"supernet": supernet_id, "version": version}


def _version(start: SupernetStart, settings: NetworkSettings, service: Service) -> str:
    """Returns the digest of the supernet's file."""
    version, found = _trained(start.supernet, service)
    try:
        check_same_network(settings, found)
    except InvalidStartError as error:
        rule = f"must be of the same space but for num_classes: its {error.field} {error.rule}"
        raise InvalidRequestError.single("/start/supernet", rule, error.value) from None
    return version


def _trained(supernet_id: str, service: Service) -> tuple[str, NetworkSettings]:
    """Returns the version and the space of a trained supernet."""
    row = service.store.get_supernet(supernet_id)
    if row.version is None:
        status = service.store.get_job(row.job_id).status
        raise ConflictError(
            f"supernet {row.id} must be trained before another can use it; its job "
            f"{row.job_id} is {status}"
        )
    found = space_settings(service.store.get_space(row.space_id).settings)
    assert isinstance(found, NetworkSettings)  # checked when it was submitted
    return row.version, found


def _stored(start: FileStart, settings: NetworkSettings, service: Service) -> Artifact:
    """Returns a stored copy of the file, which nothing changes any more."""
    places = places_of(service, start.upload, "/start/upload")
    try:
        path = places.resolve(start, folders=False)
        check_file(start, path, settings)
    except (InvalidDataSetError, InvalidStartError) as error:
        raise InvalidRequestError.single(f"/start/{error.field}", error.rule, error.value) from None
    return service.artifacts.add_file(path, MEDIA_TYPE)

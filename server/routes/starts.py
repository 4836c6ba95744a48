"""Where a training starts: what a request names, resolved to what a job is given by value."""

from search_space.families import space_settings
from search_space.family import NetworkSettings
from server.errors import InvalidRequestError
from server.routes import anchors
from server.routes.anchors import MEDIA_TYPE
from server.routes.common import Service
from server.routes.places import places_of
from server.store import Artifact
from server.tables import DataSetRow, Json
from supernet.anchor_settings import AnchorsStart
from supernet.datasets import InvalidDataSetError
from supernet.errors import InvalidStartError
from supernet.schedules.base import Schedule
from supernet.starting_settings import (
    FileStart,
    ScratchStart,
    StartSettings,
    SupernetStart,
    check_file,
    check_same_network,
)


def resolve(
    start: StartSettings, settings: NetworkSettings, data_set: DataSetRow, service: Service
) -> tuple[Json, list[Artifact]]:
    """Returns a start with the digests of the user's files that it reads, and those files.

    Args:
        start: as given.
        settings: of the space to train.
        data_set: to train with.
        service: has the supernets and the data folder; files of the user's are stored there.

    Raises:
        NotFoundError: there is no such supernet.
        InvalidRequestError: the space or a file is of another kind than the start needs.
    """
    given = start.model_dump(mode="json", exclude_none=True)
    if isinstance(start, ScratchStart):
        return given, []
    if isinstance(start, SupernetStart):
        _check_space(start, settings, service)
        return given, []
    if isinstance(start, AnchorsStart):
        return anchors.resolve(start, settings, data_set, service)
    artifact = _stored(start, settings, service)
    return given | {"version": artifact.sha256}, [artifact]


def teacher(
    supernet_id: str | None, schedule: Schedule, settings: NetworkSettings, service: Service
) -> Json | None:
    """Returns what names the supernet that a training is distilled from; None without one.

    Args:
        supernet_id: as given.
        schedule: says whether there must be one.
        settings: of the space to train.
        service: has the supernets.

    Raises:
        NotFoundError: there is no such supernet.
        InvalidRequestError: there is none and must be one, or the other way round, or it has other
            channels or classes.
    """
    if supernet_id is None:
        if schedule.needs_teacher:
            rule = "must name a supernet, as the schedule distils from one"
            raise InvalidRequestError.single("/teacher", rule, None)
        return None
    if not schedule.needs_teacher:
        rule = "must not be given: the schedule does not distil from a teacher"
        raise InvalidRequestError.single("/teacher", rule, supernet_id)
    found = _space_of(supernet_id, service)
    for field in ("input_channels", "num_classes"):
        expected, value = getattr(settings, field), getattr(found, field)
        if value != expected:
            rule = f"must have {field} {expected}, as the space"
            raise InvalidRequestError.single("/teacher", rule, value)
    return {"supernet": supernet_id}


def _check_space(start: SupernetStart, settings: NetworkSettings, service: Service) -> None:
    """Returns if a supernet's space is that of the training, but for the number of classes."""
    try:
        check_same_network(settings, _space_of(start.supernet, service))
    except InvalidStartError as error:
        rule = f"must be of the same space but for num_classes: its {error.field} {error.rule}"
        raise InvalidRequestError.single("/start/supernet", rule, error.value) from None


def _space_of(supernet_id: str, service: Service) -> NetworkSettings:
    """Returns the space of a supernet, which may still be in training."""
    row = service.store.get_supernet(supernet_id)
    found = space_settings(service.store.get_space(row.space_id).settings)
    assert isinstance(found, NetworkSettings)  # checked when it was submitted
    return found


def _stored(start: FileStart, settings: NetworkSettings, service: Service) -> Artifact:
    """Returns a stored copy of the file, which nothing changes any more."""
    places = places_of(service, start.upload, "/start/upload")
    try:
        path = places.resolve(start, folders=False)
        check_file(start, path, settings)
    except (InvalidDataSetError, InvalidStartError) as error:
        raise InvalidRequestError.single(f"/start/{error.field}", error.rule, error.value) from None
    return service.artifacts.add_file(path, MEDIA_TYPE)

"""The anchors that a stitched training starts from, resolved to what its job is given by value."""

from search_space.families import space_settings
from search_space.family import NetworkSettings
from search_space.space import Architecture
from search_space.stitching import AnchorSettings, StitchSettings
from server.errors import InvalidRequestError
from server.routes.common import Service
from server.routes.places import places_of
from server.store import Artifact
from server.store.searches import supernet_of
from server.tables import DataSetRow, Json, SupernetRow
from supernet.anchor_settings import (
    AnchorFileSource,
    AnchorRefinement,
    AnchorsStart,
    AnchorSupernet,
)
from supernet.datasets import InvalidDataSetError
from supernet.errors import InvalidStartError
from supernet.starting_settings import check_anchor_file, check_same_network

MEDIA_TYPE = "application/octet-stream"


def resolve(
    start: AnchorsStart, settings: NetworkSettings, data_set: DataSetRow, service: Service
) -> tuple[Json, list[Artifact]]:
    """Returns a start with the digests of its files, and those that are the user's.

    Args:
        start: as given. The versions of its supernets are added by the store.
        settings: of the space to train.
        data_set: to train with.
        service: has supernets, refinements and the data folder; the user's files are stored there.

    Raises:
        NotFoundError: there is no such supernet or refinement.
        InvalidRequestError: the space is not stitched or has another number of anchors, or an
            anchor is another network than the space's or was trained on other data.
    """
    if not isinstance(settings, StitchSettings):
        rule = f"must not be anchors for a space of kind {settings.kind}"
        raise InvalidRequestError.single("/start/kind", rule, start.kind)
    if len(start.anchors) != len(settings.anchors):
        rule = f"must be {len(settings.anchors)}, as many as the space's anchors"
        raise InvalidRequestError.single("/start/anchors", rule, len(start.anchors))
    given = start.model_dump(mode="json", exclude_none=True)
    files = []
    pairs = zip(start.anchors, settings.anchors, strict=True)
    for position, (source, anchor) in enumerate(pairs):
        pointer = f"/start/anchors/{position}"
        if isinstance(source, AnchorSupernet):
            row = service.store.get_supernet(source.supernet)
            _check_supernet(row, f"{pointer}/supernet", anchor, data_set, service)
        elif isinstance(source, AnchorRefinement):
            version = _refined(source, f"{pointer}/refinement", anchor, data_set, service)
            given["anchors"][position]["version"] = version
        else:
            artifact = _stored(source, pointer, anchor, service)
            given["anchors"][position]["version"] = artifact.sha256
            files.append(artifact)
    return given, files


def _check_supernet(
    row: SupernetRow,
    pointer: str,
    anchor: AnchorSettings,
    data_set: DataSetRow,
    service: Service,
) -> None:
    """Returns if an anchor can be a network of a supernet, which may still be in training."""
    found = space_settings(service.store.get_space(row.space_id).settings)
    assert isinstance(found, NetworkSettings)  # checked when it was submitted
    try:
        check_same_network(anchor.network, found, ignoring=())
    except InvalidStartError as error:
        rule = f"must be of the anchor's space: its {error.field} {error.rule}"
        raise InvalidRequestError.single(pointer, rule, error.value) from None
    _check_data(row, pointer, data_set, service)


def _check_data(row: SupernetRow, pointer: str, data_set: DataSetRow, service: Service) -> None:
    """Returns if a supernet was trained on the images that the stitched one is trained on."""
    trained_on = service.store.get_data_set(row.data_set_id)
    if trained_on.version != data_set.version:
        rule = (
            f"must be trained on the images of {data_set.id}, version {data_set.version[:16]}, "
            "as the whole and all its anchors"
        )
        value = f"{trained_on.id}, version {trained_on.version[:16]}"
        raise InvalidRequestError.single(pointer, rule, value)


def _refined(
    source: AnchorRefinement,
    pointer: str,
    anchor: AnchorSettings,
    data_set: DataSetRow,
    service: Service,
) -> str:
    """Returns the version of an anchor's weights as a refinement left them."""
    store = service.store
    search = store.get_search(store.get_refinement(source.refinement).search_id)
    _check_supernet(store.get_supernet(supernet_of(search)), pointer, anchor, data_set, service)
    digest = Architecture(anchor.architecture).digest
    for network in store.refined_networks(source.refinement):
        if network.architecture_digest == digest and network.version is not None:
            return network.version
    rule = f"must have refined the anchor's architecture, {digest}, and be done with it"
    raise InvalidRequestError.single(pointer, rule, source.refinement)


def _stored(
    source: AnchorFileSource, pointer: str, anchor: AnchorSettings, service: Service
) -> Artifact:
    """Returns a stored copy of the file, which nothing changes any more."""
    places = places_of(service, source.upload, f"{pointer}/upload")
    try:
        path = places.resolve(source, folders=False)
        check_anchor_file(source, path, anchor)
    except (InvalidDataSetError, InvalidStartError) as error:
        field = f"{pointer}/{error.field}"
        raise InvalidRequestError.single(field, error.rule, error.value) from None
    return service.artifacts.add_file(path, MEDIA_TYPE)

"""Search spaces."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Response

from search_space.costs import costs
from search_space.families import FAMILIES, AnySpace, SpaceSettings, space_settings
from search_space.family import NetworkSettings
from search_space.space import Architecture, InvalidArchitectureError, SearchSpace
from server.errors import InvalidRequestError
from server.routes.common import Id, ServiceDep, problems
from server.routes.creating import creates
from server.routes.exact_route import ExactRoute
from server.routes.lists import DatedListDep
from server.schemas.requests import CostBody, SampleBody
from server.schemas.responses import (
    ArchitectureView,
    CostView,
    FamiliesView,
    FamilyView,
    PageOf,
    SampleView,
    SpaceView,
)
from server.store import Store
from server.tables import SpaceRow

router = APIRouter(prefix="/v1", tags=["spaces"], route_class=ExactRoute)


def view(row: SpaceRow) -> SpaceView:
    """Returns a row as it is answered."""
    return SpaceView.model_validate(row, from_attributes=True)


def register(store: Store, settings: AnySpace, pointer: str) -> tuple[SpaceRow, bool]:
    """Registers the space of settings in a body; returns the row, and whether it is new.

    Args:
        store: the database.
        settings: as given.
        pointer: where in the body.

    Raises:
        InvalidRequestError: the settings are no space.
    """
    return store.add_space(settings, built(settings, pointer))


def built(settings: AnySpace, pointer: str) -> SearchSpace:
    """Returns the space of settings.

    Raises:
        InvalidRequestError: the settings are no space.
    """
    try:
        return settings.build()
    except ValueError as error:
        given = settings.model_dump(mode="json")
        raise InvalidRequestError.single(pointer, f"must be a space: {error}", given) from None


def resolve(store: Store, reference: AnySpace | str, pointer: str) -> SpaceRow:
    """Returns the space that a body refers to by its id or by its settings, which registers it.

    Args:
        store: the database.
        reference: as given.
        pointer: where in the body.

    Raises:
        NotFoundError: there is no space of that id.
        InvalidRequestError: the settings are no space.
    """
    if isinstance(reference, str):
        return store.get_space(reference)
    return register(store, reference, pointer)[0]


def network_settings(settings: AnySpace, pointer: str) -> NetworkSettings:
    """Returns the settings of a space whose architectures are networks.

    Raises:
        InvalidRequestError: they are not.
    """
    space = built(settings, pointer)
    if not isinstance(settings, NetworkSettings):
        raise InvalidRequestError.single(
            pointer, "must be a space of networks: a custom space has no layers", space.digest
        )
    return settings


def valid_architecture(space: SearchSpace, values: dict[str, Any], pointer: str) -> Architecture:
    """Returns an architecture of the space in canonical order.

    Raises:
        InvalidRequestError: it is not of the space; says which choice, rule and value.
    """
    try:
        return space.validate(values)
    except InvalidArchitectureError as error:
        raise InvalidRequestError.single(
            f"{pointer}/{error.choice}", error.rule, error.value
        ) from None


def cost_view(settings: NetworkSettings, architecture: Architecture) -> CostView:
    """Returns what a network costs on paper."""
    layers = settings.lower(architecture)
    found = costs(layers)
    return CostView(
        digest=architecture.digest,
        architecture=dict(architecture),
        input_shape=list(settings.input_shape(architecture)),
        num_layers=len(layers),
        macs=found.macs,
        num_params=found.num_params,
        num_activations=found.num_activations,
        peak_activations=found.peak_activations,
    )


@router.get("/space-families", operation_id="list_space_families", responses=problems())
def list_families() -> FamiliesView:
    """The kinds of spaces with their settings' JSON Schema and presets."""
    return FamiliesView(
        items=[
            FamilyView(
                kind=kind,
                description=(family.__doc__ or "").splitlines()[0],
                has_networks=issubclass(family, NetworkSettings),
                settings_schema=family.model_json_schema(),
                presets=_presets(family),
            )
            for kind, family in FAMILIES.items()
        ]
    )


def _presets(family: type[AnySpace]) -> dict[str, Any]:
    """Returns a family's presets, every field filled in."""
    if not issubclass(family, NetworkSettings):
        return {}
    return {name: family.from_preset(name).model_dump(mode="json") for name in family.presets}


@router.post(
    "/spaces",
    status_code=201,
    operation_id="create_space",
    responses={200: {"model": SpaceView}, **problems(409)},
)
@creates
def create(body: SpaceSettings, service: ServiceDep, response: Response) -> SpaceView:
    """Registers a space; 200 if it is known."""
    row, created = register(service.store, body, "")
    response.status_code = 201 if created else 200
    response.headers["Location"] = f"/v1/spaces/{row.id}"
    return view(row)


@router.get("/spaces", operation_id="list_spaces", responses=problems())
def list_all(
    parameters: DatedListDep,
    service: ServiceDep,
    kind: Annotated[str | None, Query(max_length=100, description="Only of this family.")] = None,
) -> PageOf[SpaceView]:
    """Spaces."""
    page = service.store.list_spaces(parameters.limit, parameters.part, kind=kind)
    return parameters.page(page, view)


@router.get("/spaces/{space_id}", operation_id="get_space", responses=problems(404))
def get(space_id: Id, service: ServiceDep) -> SpaceView:
    """One space."""
    return view(service.store.get_space(space_id))


@router.post("/spaces/{space_id}/sample", operation_id="sample_space", responses=problems(404))
def sample(space_id: Id, body: SampleBody, service: ServiceDep) -> SampleView:
    """Architectures drawn at random; the same seed draws the same ones."""
    space = space_settings(service.store.get_space(space_id).settings).build()
    genes = space.sample(body.count, np.random.default_rng(body.seed))
    drawn = [space.decode(row) for row in genes]
    return SampleView(
        items=[ArchitectureView(digest=a.digest, architecture=dict(a)) for a in drawn]
    )


@router.post("/spaces/{space_id}/cost", operation_id="cost_architecture", responses=problems(404))
def cost(space_id: Id, body: CostBody, service: ServiceDep) -> CostView:
    """What an architecture's network costs on paper."""
    row = service.store.get_space(space_id)
    settings = network_settings(space_settings(row.settings), "space_id")
    architecture = valid_architecture(settings.build(), body.architecture, "/architecture")
    return cost_view(settings, architecture)

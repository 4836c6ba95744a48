"""What a job's workers are given: as asked for or as the operator set it, if any runner has it."""

from typing import Protocol

from server.errors import Fault, InvalidRequestError
from server.routes.common import Service
from server.settings import ResourcesKind
from workers.settings import ResourceSettings

_FIELDS = {"CPU": "cpus_per_worker", "GPU": "gpus_per_worker"}


class AsksForResources(Protocol):
    """A body with resources; those that were not given are the operator's."""

    @property
    def resources(self) -> ResourceSettings:
        """What was asked for, or the program's default."""

    @property
    def model_fields_set(self) -> set[str]:
        """The fields that were given."""


def granted(
    body: AsksForResources, kind: ResourcesKind, service: Service, pointer: str = "/resources"
) -> ResourceSettings:
    """Returns the resources of a body's job.

    Args:
        body: with a field `resources`.
        kind: of job, which the operator may have set a default for.
        service: whose runners are asked.
        pointer: to the field.

    Raises:
        InvalidRequestError: there are live runners, and the clusters of all of them are too small.
    """
    resources = body.resources
    if "resources" not in body.model_fields_set:
        resources = service.settings.default_resources.get(kind, resources)
    runners = service.store.runners(service.settings.lease_seconds)
    offers = [
        {"CPU": row.num_cpus, "GPU": row.num_gpus, **row.custom} for row, lives in runners if lives
    ]
    total = resources.total()
    if offers and not any(_fits(total, offer) for offer in offers):
        raise InvalidRequestError(_faults(resources, offers, pointer))
    return resources


def _fits(total: dict[str, float], offer: dict[str, float]) -> bool:
    return all(amount <= offer.get(name, 0) for name, amount in total.items())


def _faults(
    resources: ResourceSettings, offers: list[dict[str, float]], pointer: str
) -> list[Fault]:
    faults = []
    for name, amount in resources.total().items():
        most = max(offer.get(name, 0) for offer in offers)
        if amount > most:
            field = _FIELDS.get(name, f"custom_per_worker/{name}")
            rule = (
                f"must be at most {most:g} over all {resources.num_workers} workers: no live "
                f"runner's cluster has more {name}"
            )
            faults.append(Fault(f"{pointer}/{field}", rule, resources.per_worker()[name]))
    if not faults:
        rule = "must fit the cluster of one live runner: none has all of this"
        faults.append(Fault(pointer, rule, resources.model_dump(mode="json")))
    return faults

"""What is looked at when a campaign is submitted: could its template's jobs be submitted now?"""

from search_space.families import space_settings
from search_space.family import NetworkSettings
from search_space.space import InvalidArchitectureError
from server.campaigns.settings import BestByObjective, CampaignSettings, Template
from server.errors import Fault, InvalidRequestError
from server.routes.common import Service
from server.routes.resources import granted
from server.routes.search_checks import search_faults, unmeasured
from server.routes.searcher_checks import check_searcher
from supernet.schedules.base import InvalidTrainingError


def checked(service: Service, settings: CampaignSettings) -> CampaignSettings:
    """Returns settings whose template could be submitted now, with the resources of its jobs.

    Raises:
        NotFoundError: there is no such supernet, or no job that is waited for.
        InvalidRequestError: it could not.
    """
    template = settings.template
    if template.search.job.deadline_at is not None:
        rule = "must not be given in a template: deadline_seconds counts anew each time"
        deadline = template.search.job.deadline_at.isoformat()
        raise InvalidRequestError.single("/template/search/job/deadline_at", rule, deadline)
    faults = dict.fromkeys(
        fault
        for point in template.points(0)
        for fault in search_faults(point.search, "/template/search")
    )
    faults |= dict.fromkeys(promotion_faults(settings))
    if faults:
        raise InvalidRequestError(list(faults))
    supernet = service.store.get_supernet(template.search.supernet)
    for job_id in template.search.job.after:
        service.store.get_job(job_id)
    _check_searchers(service, template, supernet.space_id)
    template = _with_resources(service, template)
    if template.retraining is not None:
        network = space_settings(service.store.get_space(supernet.space_id).settings)
        assert isinstance(network, NetworkSettings)  # checked when it was submitted
        data_set = service.store.get_data_set(supernet.data_set_id)
        _check_retraining(template, network, data_set.counts["train"])
    return settings.model_copy(update={"template": template})


def _check_searchers(service: Service, template: Template, space_id: str) -> None:
    """Returns if every searcher of a template can do every problem of it.

    Raises:
        InvalidRequestError: one cannot.
    """
    space, body, matrix = service.store.get_space(space_id), template.search, template.matrix
    searchers = [("/template/search/searcher", body.searcher)]
    searchers += [
        (f"/template/matrix/searchers/{position}", searcher)
        for position, searcher in enumerate(matrix.searchers)
    ]
    for pointer, searcher in searchers:
        for limits in matrix.limits or [body.limits]:
            check_searcher(space, searcher, body.objectives, limits, pointer)


def promotion_faults(settings: CampaignSettings) -> list[Fault]:
    """Returns what a promotion goes by that the searches do not measure."""
    rule = None if settings.promotion is None else settings.promotion.rule
    if not isinstance(rule, BestByObjective):
        return []
    evaluators = [point.search.evaluator for point in settings.template.points(0)]
    named = [("metric", rule.metric)]
    named += [(f"limits/{at}/metric", limit.metric) for at, limit in enumerate(rule.limits)]
    latency = "must not be latency_ms without /template/search/evaluator/latency or matrix/devices"
    return [
        Fault(
            f"/promotion/rule/{place}",
            latency if metric == "latency_ms" else unmeasured(metric, "/template/search/evaluator"),
            metric,
        )
        for place, metric in named
        if any(evaluator.lacks(metric) for evaluator in evaluators)
    ]


def _with_resources(service: Service, template: Template) -> Template:
    """Returns a template whose jobs are given what they would be if they were submitted now.

    Raises:
        InvalidRequestError: no live runner's cluster has as much.
    """
    search, retraining = template.search, template.retraining
    given = granted(search, "search", service, "/template/search/resources")
    changes: dict[str, object] = {"search": search.model_copy(update={"resources": given})}
    if retraining is not None:
        given = granted(retraining, "train", service, "/template/retraining/resources")
        changes["retraining"] = retraining.model_copy(update={"resources": given})
    return template.model_copy(update=changes)


def _check_retraining(template: Template, settings: NetworkSettings, num_images: int) -> None:
    """Returns if the supernet could be trained so.

    Raises:
        InvalidRequestError: it could not.
    """
    assert template.retraining is not None
    training, pointer = template.retraining.training, "/template/retraining/training"
    num_workers = template.retraining.resources.num_workers
    try:
        schedule = training.build_schedule(settings, settings.build(), num_images, num_workers)
    except InvalidTrainingError as error:
        place = f"{pointer}/{error.field.replace('.', '/')}"
        raise InvalidRequestError.single(place, error.rule, error.value) from None
    except InvalidArchitectureError as error:
        place = f"{pointer}/schedule/architecture/{error.choice}"
        raise InvalidRequestError.single(place, error.rule, error.value) from None
    if schedule.needs_teacher:
        rule = "must not distil from a teacher: a campaign has none"
        raise InvalidRequestError.single(f"{pointer}/schedule", rule, training.schedule.kind)

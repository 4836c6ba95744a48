"""What an occurrence gave: its fronts, how they compare with the last ones, which network is best.

Everything is decided by values that were recorded; nothing here writes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search_space.outcomes import METRIC_GOALS
from searchers.pareto import hypervolume
from searchers.protocol import Problem
from server.campaigns.settings import BestByHypervolume, BestByObjective, Promotion
from server.fronts import Candidate as Point
from server.fronts import ReportedFront, front_of
from server.hypervolumes import common_reference
from server.store import Candidate, OccurrenceSearch, Store
from server.tables import CampaignRow, Json, OccurrenceRow, PromotionRow


@dataclass(frozen=True)
class Found:
    """A search that succeeded, with what it found.

    Attributes:
        row: the search.
        problem: that it solves.
        front: of the search.
        volume: the hypervolume of the front; 0 where nothing keeps the limits.
        reference: the point that it is measured from; None if nothing was ever feasible.
    """

    row: OccurrenceSearch
    problem: Problem
    front: ReportedFront
    volume: float
    reference: Json | None


def fronts_of(
    store: Store, campaign: CampaignRow, searches: Sequence[OccurrenceSearch]
) -> tuple[list[Found], Json | None]:
    """Returns what searches found, and the reference of their hypervolumes.

    The reference is that of the campaign; the first occurrence that has a front sets it, and it
    stays while the objectives are the same, so that hypervolumes can be compared over time.

    Args:
        store: has the observations.
        campaign: of the searches.
        searches: that have succeeded.
    """
    fronts = [(search, *front_of(store, search.search)) for search in searches]
    reference = campaign.reference
    for _, problem, _ in fronts:
        if reference is None or set(reference) != {part.metric for part in problem.objectives}:
            reference = _worst(problem, [front for _, _, front in fronts])
    found = [
        Found(search, problem, front, _volume(problem, front, reference), reference)
        for search, problem, front in fronts
    ]
    return found, reference


def _worst(problem: Problem, fronts: Sequence[ReportedFront]) -> Json | None:
    """Returns a reference that is worse than all that was measured within the limits."""
    kept = [
        [one.metrics for one in front.candidates if problem.violation(one.metrics) == 0]
        for front in fronts
    ]
    return common_reference(problem, [problem.loss_matrix(metrics) for metrics in kept])


def _volume(problem: Problem, front: ReportedFront, reference: Json | None) -> float:
    if reference is None or not front.points:
        return 0.0
    losses = problem.loss_matrix([point.metrics for point in front.points])
    return hypervolume(losses, problem.losses(reference))


def result_of(found: Found, last: Json | None) -> Json:
    """Returns what is recorded of a search: its front, and what is new on it.

    Args:
        found: of the search.
        last: what was recorded of the search that stood in its place before; None for the first.
    """
    front = [
        {
            "architecture_digest": point.architecture_digest,
            "architecture": dict(point.architecture),
            "metrics": dict(point.metrics),
        }
        for point in found.front.points
    ]
    digests = [point.architecture_digest for point in found.front.points]
    before = [point["architecture_digest"] for point in last["front"]] if last else []
    return {
        "space": found.row.search.space_id,
        "supernet": found.row.search.supernet_id,
        "data_set_version": found.row.search.evaluator.get("data_set_version"),
        "num_measured": found.front.num_measured,
        "hypervolume": found.volume,
        "last_hypervolume": last["hypervolume"] if last else None,
        "reference": found.reference,
        "front": front,
        "new": [digest for digest in digests if digest not in before],
        "gone": [digest for digest in before if digest not in digests],
    }


def choose_best(
    promotion: Promotion | None,
    occurrence: OccurrenceRow,
    found: Sequence[Found],
    best: PromotionRow | None,
) -> tuple[Candidate | None, str]:
    """Returns the network that shall take the place of the campaign's best, if one shall; and why.

    Figures are compared as they were recorded. On another version of the data set, under another
    rule, or as hypervolumes from another reference, they say nothing about each other: then the new
    network takes the place at once.

    Args:
        promotion: the campaign's rule; None if nothing is promoted.
        occurrence: that the searches are of.
        found: what they found.
        best: the last promotion; None if there was none.
    """
    if promotion is None:
        return None, "the campaign promotes nothing"
    rule = promotion.rule
    chosen = (
        _by_objective(rule, found)
        if isinstance(rule, BestByObjective)
        else _by_hypervolume(rule, found)
    )
    if chosen is None:
        return None, "no network keeps all limits"
    one, point, value = chosen
    figures = {
        "rule": rule.model_dump(mode="json"),
        "reference": one.reference if isinstance(rule, BestByHypervolume) else None,
        "value": value,
        "metrics": dict(point.metrics),
        "data_set_version": one.row.search.evaluator.get("data_set_version"),
    }
    why_not, reason = _compare(rule, figures, point, occurrence, best)
    if why_not:
        return None, why_not
    return Candidate(one.row.search.id, point.architecture_digest, figures, reason), reason


Chosen = tuple[Found, Point, float]


def _by_objective(rule: BestByObjective, found: Sequence[Found]) -> Chosen | None:
    """Returns the point on all fronts that is best by the metric within the rule's limits."""
    sign = -1.0 if METRIC_GOALS[rule.metric] == "maximize" else 1.0
    allowed = [
        (one, point, point.metrics[rule.metric])
        for one in found
        for point in one.front.points
        if rule.metric in point.metrics
        and all(
            limit.metric in point.metrics and limit.violation(point.metrics[limit.metric]) == 0
            for limit in rule.limits
        )
    ]
    return min(allowed, key=lambda one: sign * one[2], default=None)


def _by_hypervolume(_rule: BestByHypervolume, found: Sequence[Found]) -> Chosen | None:
    """Returns the first point of the front with the largest hypervolume."""
    with_front = [(one, one.front.points[0], one.volume) for one in found if one.front.points]
    return max(with_front, key=lambda one: one[2], default=None)


def _compare(
    rule: BestByObjective | BestByHypervolume,
    figures: Mapping[str, Any],
    point: Point,
    occurrence: OccurrenceRow,
    best: PromotionRow | None,
) -> tuple[str | None, str]:
    """Returns why a network does not take the best one's place (None if it does); why it does."""
    if best is None:
        return None, "the first"
    same = (best.architecture_digest, best.supernet_id)
    if same == (point.architecture_digest, occurrence.supernet_id):
        return "the best network is the same as before", ""
    old, value = best.figures, figures["value"]
    if old["data_set_version"] != figures["data_set_version"]:
        return None, "the data set has another version: figures before cannot be compared"
    if _measure(old["rule"]) != _measure(figures["rule"]):
        return None, "the rule has changed: figures before cannot be compared"
    if old["reference"] != figures["reference"]:
        return None, "the objectives have changed: hypervolumes before cannot be compared"
    if isinstance(rule, BestByHypervolume):
        needed = old["value"] * (1 + rule.margin_percent / 100)
        text = f"hypervolume {value:.6g}, before {old['value']:.6g}"
        asked = f"by {rule.margin_percent:g} %"
        gain, least = value - old["value"], needed - old["value"]
    else:
        sign = 1.0 if METRIC_GOALS[rule.metric] == "maximize" else -1.0
        text = f"{rule.metric} {value:g}, before {old['value']:g}"
        asked = f"by {rule.margin:g}"
        gain, least = sign * (value - old["value"]), rule.margin
    if gain > 0 and gain >= least:
        return None, text
    return f"{text}: must be better {asked}", ""


def _measure(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a rule's values mean; the margin has no part in that."""
    return {name: part for name, part in rule.items() if not name.startswith("margin")}

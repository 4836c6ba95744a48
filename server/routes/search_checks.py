"""What is looked at when a search of a supernet is submitted, before what it names is looked up."""

from search_space.family import PAPER_COSTS
from server.errors import Fault
from server.routes.computed_searches import analytic_faults
from server.schemas.requests import SearchBody


def search_faults(body: SearchBody, prefix: str = "") -> list[Fault]:
    """Returns what is wrong with a search before anything it names is looked up.

    The evaluator must report everything that the problem is about, and not read the test split. It
    may end evaluations early only where all but top-1 is computed.

    Args:
        body: of the search.
        prefix: where it is in the request's body.
    """
    faults = analytic_faults(body.searcher, prefix)
    if body.evaluator.accuracy.split == "test":
        rule = "must not be the test split: that is read once, for the network that is reported"
        faults.append(Fault(f"{prefix}/evaluator/accuracy/split", rule, "test"))
    for field, parts in (("objectives", body.objectives), ("limits", body.limits)):
        faults += [
            Fault(f"{prefix}/{field}/{position}/metric", unmeasured(part.metric), part.metric)
            for position, part in enumerate(parts)
            if body.evaluator.lacks(part.metric)
        ]
    return faults + _successive_faults(body, prefix)


def _successive_faults(body: SearchBody, prefix: str) -> list[Fault]:
    """Returns what keeps evaluations from ending early: who cannot reach the front must be known.

    A network can be given up for its top-1 only where all else is known before it is evaluated.
    """
    if not body.evaluator.accuracy.successive:
        return []
    switch = f"{prefix}/evaluator/accuracy/successive"
    goals = {objective.metric: objective.goal for objective in body.objectives}
    if goals.get("top1_percent") != "maximize":
        rule = f"must be false unless top1_percent in {prefix}/objectives is to be maximized"
        return [Fault(switch, rule, True)]
    allowed = ("top1_percent", *PAPER_COSTS)
    rule = f"must be one of {', '.join(allowed)} with {switch}"
    return [
        Fault(f"{prefix}/{field}/{position}/metric", rule, part.metric)
        for field, parts in (("objectives", body.objectives), ("limits", body.limits))
        for position, part in enumerate(parts)
        if part.metric not in allowed
    ]


def unmeasured(metric: str, evaluator: str = "/evaluator") -> str:
    """Returns the rule about a metric that an evaluator lacks, which is the given field."""
    if metric == "latency_ms":
        return f"must not be latency_ms without {evaluator}/latency, which says how it is measured"
    return f"must not be {metric} unless {evaluator}/proxies/names has it"

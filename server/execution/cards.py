"""What a card says of where a network comes from."""

from collections.abc import Mapping
from typing import Any

from server.execution.context import JobContext

FORMAT = "espalier-export-1"


def origin(context: JobContext, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the space, data set, supernet and search that a network was found with.

    Args:
        context: of the job.
        spec: the job's, with `search_id`, `space`, `data_set`, `supernet` and `evaluator`.
    """
    search = context.store.get_search(spec["search_id"])
    supernet = context.store.get_supernet(spec["supernet"]["id"])
    return {
        "format": FORMAT,
        "space": {"id": search.space_id, "settings": spec["space"]},
        "data_set": spec["data_set"],
        "supernet": {
            **spec["supernet"],
            "training": supernet.training,
            "resources": supernet.resources,
            "seed": supernet.seed,
        },
        "search": {
            "id": search.id,
            "searcher": search.searcher,
            "objectives": search.objectives,
            "limits": search.limits,
            "evaluations": search.evaluations,
            "seed": search.seed,
        },
        "evaluator": spec["evaluator"],
    }

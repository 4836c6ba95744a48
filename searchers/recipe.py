"""A searcher described before its space is known, for frameworks that ask for one trial at a time.

policy = Recipe(NSGA2Settings(), seed=1).build(space, {"loss": "minimize"})
number, architecture = policy.ask()
policy.tell(number, Measured({"loss": 0.3}))
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search_space.outcomes import Goal, Outcome
from search_space.space import Architecture, SearchSpace
from searchers.protocol import Limit, Objective, Observation, Problem, Proposal, Searcher
from searchers.settings import SearcherSettings


@dataclass(frozen=True)
class Recipe:
    """What a searcher is, but for its space and its objectives.

    Attributes:
        settings: of the searcher.
        seed: of the searcher.
        limits: ranges that metrics must lie in.
    """

    settings: SearcherSettings
    seed: int
    limits: tuple[Limit, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """All of it as JSON values: equal documents build equal policies."""
        return {
            "settings": self.settings.model_dump(mode="json"),
            "seed": self.seed,
            "limits": [limit.model_dump(mode="json") for limit in self.limits],
        }

    @property
    def limited(self) -> tuple[str, ...]:
        """The metrics that limits are about."""
        return tuple(limit.metric for limit in self.limits)

    def build(self, space: SearchSpace, goals: Mapping[str, Goal]) -> "OneByOne":
        """Returns a policy that knows nothing yet.

        Args:
            space: to search.
            goals: of each metric that is an objective.

        Raises:
            ValueError: the searcher does not suit the problem.
        """
        objectives = tuple(Objective(metric=metric, goal=goal) for metric, goal in goals.items())
        return OneByOne(self.settings.build(Problem(space, objectives, self.limits), self.seed))


class OneByOne:
    """A searcher whose proposals are asked for and told one by one, by number.

    Args:
        searcher: which nobody else asks.
    """

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher
        self._out: dict[int, Proposal] = {}

    def ask(self) -> tuple[int, Architecture] | None:
        """Returns a new architecture and its number; None when there are no others."""
        for proposal in self._searcher.ask(1):
            self._out[proposal.number] = proposal
            return proposal.number, proposal.architecture
        return None

    def tell(self, number: int, outcome: Outcome) -> None:
        """Takes note of what came of the architecture of a number.

        Raises:
            ValueError: the number is not that of a proposal that is out.
            MissingMetricError: as `Searcher.tell`.
        """
        if number not in self._out:
            raise ValueError(f"number must be of a proposal not yet told, got {number}")
        self._searcher.tell([Observation(self._out[number], outcome)])
        del self._out[number]

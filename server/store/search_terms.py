"""What is stored of every search, whoever evaluates it."""

from typing import TypedDict

from server.tables import Json


class SearchTerms(TypedDict):
    """Which problem is searched, and how.

    Attributes:
        searcher: settings of the policy.
        objectives: what to optimize.
        limits: what to keep within.
        evaluations: how many architectures to evaluate.
        seed: of the policy.
    """

    searcher: Json
    objectives: list[Json]
    limits: list[Json]
    evaluations: int
    seed: int

"""The searchers that a user may choose, as one discriminated union.

A new searcher is one file with its settings class and one more name in the union here.
"""

from typing import Annotated

from pydantic import Field

from searchers.gp import GPSettings
from searchers.nsga2 import NSGA2Settings
from searchers.random import RandomSettings
from searchers.tpe import TPESettings

SearcherSettings = Annotated[
    GPSettings | NSGA2Settings | RandomSettings | TPESettings,
    Field(discriminator="kind"),
]
"""Everything that has `build(problem, seed) -> Searcher`."""

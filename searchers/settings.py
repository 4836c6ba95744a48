"""The searchers that a user may choose, as one discriminated union.

A new searcher is one file with its settings class and one more name in the union here.
"""

from typing import Annotated

from pydantic import Field

from searchers.linas import LINASSettings
from searchers.nsga2 import NSGA2Settings
from searchers.random import RandomSettings

SearcherSettings = Annotated[
    LINASSettings | NSGA2Settings | RandomSettings,
    Field(discriminator="kind"),
]
"""Everything that has `build(problem, seed) -> Searcher`."""

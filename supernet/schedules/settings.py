"""The schedules that a user may choose; imports no torch.

A new schedule is one file with its settings and its class, and one more name in the union here.
"""

from typing import Annotated

from pydantic import Field

from supernet.schedules.delayed_shrinking import DelayedShrinkingSettings
from supernet.schedules.multi_architecture import MultiArchitectureSettings
from supernet.schedules.progressive_shrinking import ProgressiveShrinkingSettings
from supernet.schedules.sandwich import SandwichSettings
from supernet.schedules.single import SingleSettings
from supernet.schedules.stitching import StitchingSettings

ScheduleSettings = Annotated[
    SandwichSettings
    | ProgressiveShrinkingSettings
    | DelayedShrinkingSettings
    | MultiArchitectureSettings
    | StitchingSettings
    | SingleSettings,
    Field(discriminator="kind"),
]

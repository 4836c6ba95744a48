"""Bodies of requests about campaigns."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from server.campaigns.schedules import Schedule
from server.campaigns.settings import (
    Budget,
    CampaignName,
    CampaignSettings,
    CatchUp,
    Promotion,
    Template,
)
from server.schemas.requests import EXAMPLE_ID


class CampaignBody(CampaignSettings):
    """A campaign to run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "digits-nightly",
                    "schedule": {
                        "kind": "cron",
                        "expression": "30 2 * * *",
                        "time_zone": "Europe/Berlin",
                    },
                    "template": {
                        "search": {
                            "name": "nightly",
                            "supernet": f"net_{EXAMPLE_ID}",
                            "objectives": [{"metric": "top1_percent"}, {"metric": "macs"}],
                            "evaluations": 40,
                        },
                        "matrix": {"limits": [[{"metric": "macs", "upper": 200000}], []]},
                    },
                    "overlap": "skip",
                    "budget": {"evaluations": 10000},
                    "promotion": {"rule": {"kind": "objective", "metric": "top1_percent"}},
                }
            ]
        }
    )


class CampaignPatch(BaseModel):
    """What shall change; each field replaces the whole of what it names."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"overlap": "queue", "budget": {"evaluations": 20000}}]},
    )

    name: CampaignName | None = None
    schedule: Schedule | None = None
    template: Template | None = None
    overlap: Literal["skip", "queue", "cancel_old"] | None = None
    catch_up: CatchUp | None = None
    grace_seconds: int | None = Field(default=None, ge=10, le=86_400)
    budget: Budget | None = None
    promotion: Promotion | None = Field(default=None, description="null promotes nothing.")

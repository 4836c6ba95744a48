"""What the runner processes of a test do about campaigns, on a clock that runs fast."""

import time
from datetime import datetime, timedelta

from campaign_examples import START

from server.campaigns.duty import advance_campaigns
from server.main import open_store
from server.settings import Settings

MINUTES_PER_S = 30.0


def fast_clock(begun_s: float) -> datetime:
    """The time of all processes: half an hour each second since the beginning."""
    return START + timedelta(minutes=MINUTES_PER_S * (time.time() - begun_s))


def advance_for_ever(settings: Settings, begun_s: float) -> None:
    """Does the duty of campaigns until the process is killed."""
    store = open_store(settings)
    while True:
        advance_campaigns(store, fast_clock(begun_s))

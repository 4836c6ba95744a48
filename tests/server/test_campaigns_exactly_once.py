"""Each time of each campaign fires once: with several runners, and however they are killed."""

import time
from datetime import timedelta
from random import Random

from campaign_examples import START, campaign, occurrences, search_template
from campaign_workers import advance_for_ever, fast_clock
from examples import trained_supernet
from test_store_concurrency import PROCESSES

from server.campaigns.duty import advance_campaigns
from server.settings import Settings
from server.store import Part, Store

NUM_KILLS = 8
NAMES = ("first", "second", "third")
INTERVAL = timedelta(minutes=10)
DAY_S = 86_400  # 48 s by the runners' fast clock: nothing is missed, however slow the machine


def wait_for_occurrences(store: Store, count: int) -> None:
    """Returns when the runners have fired a campaign so many times."""
    deadline = time.monotonic() + 60
    while len(occurrences(store, NAMES[-1])) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_each_time_fires_once_while_runners_are_killed(settings: Settings, store: Store) -> None:
    supernet = trained_supernet(store)
    template = {"search": search_template(supernet.id), "matrix": {"seeds": [0, 1]}}
    for name in NAMES:
        body = campaign(
            supernet.id,
            name=name,
            template=template,
            overlap="cancel_old",
            grace_seconds=DAY_S,
        )
        store.add_campaign(body, START)
    begun_s = time.time()
    num_runners = 1 if settings.is_sqlite else 3
    arguments = (settings, begun_s)
    runners = [
        PROCESSES.Process(target=advance_for_ever, args=arguments) for _ in range(num_runners)
    ]
    for runner in runners:
        runner.start()
    random = Random(0)
    for kill in range(NUM_KILLS):
        wait_for_occurrences(store, 2 * (kill + 1))
        time.sleep(random.uniform(0.0, 0.2))  # anywhere in what they do
        victim = runners.pop(0)
        victim.kill()
        victim.join()
        runners.append(PROCESSES.Process(target=advance_for_ever, args=arguments))
        runners[-1].start()
    for runner in runners:
        runner.kill()
        runner.join()
    end = fast_clock(begun_s)
    advance_campaigns(store, end)

    expected = [START + number * INTERVAL for number in range(1, (end - START) // INTERVAL + 1)]
    assert len(expected) >= 2 * NUM_KILLS
    submitted = []
    for name in NAMES:
        rows = occurrences(store, name)
        assert [row.fire_at for row in rows] == expected
        assert [row.number for row in rows] == list(range(len(expected)))
        assert [row.status for row in rows] == ["cancelled"] * (len(rows) - 1) + ["running"]
        for row in rows:
            searches = store.occurrence_searches(row.id)
            assert [one.search.name for one in searches] == [
                f"{name} #{row.number + 1}.{position}" for position in (1, 2)
            ]
            submitted += [one.search.id for one in searches]
    # Nothing was submitted that no occurrence knows of.
    stored, cursor = [], None
    while True:
        page = store.list_searches(500, Part(after=cursor))
        stored += [row.id for row in page.rows]
        cursor = page.next
        if cursor is None:
            break
    assert sorted(stored) == sorted(submitted)

"""The clock of a campaign against a model of it: ticks, absences, pauses, runs by hand, endings."""

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from campaign_examples import MINUTE, START, at, campaign, occurrences
from examples import trained_supernet
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from server.campaigns.duty import advance_campaigns
from server.main import open_store
from server.settings import Settings

INTERVAL = 10
GRACE = 1
POLICIES = [
    ({"kind": "skip"}, "skip"),
    ({"kind": "run_once"}, "skip"),
    ({"kind": "run_once"}, "cancel_old"),
    ({"kind": "skip"}, "queue"),
    ({"kind": "run_once"}, "queue"),
    ({"kind": "run_all", "max_age_seconds": 1800}, "queue"),
]


@dataclass(frozen=True)
class Expected:
    """An occurrence as the model has it."""

    minute: int
    status: str
    firings: int = 1
    is_manual: bool = False


class Model:
    """What a campaign that fires every ten minutes should do; all in whole minutes."""

    def __init__(self, catch_up: str, overlap: str) -> None:
        self.catch_up, self.overlap = catch_up, overlap
        self.now = self.accounted = 1
        self.is_paused = False
        self.rows: dict[int, Expected] = {}

    def due(self) -> list[int]:
        first = (self.accounted // INTERVAL + 1) * INTERVAL
        return list(range(first, self.now + 1, INTERVAL))

    def tick(self) -> None:
        if self.is_paused:
            return
        missed = [minute for minute in self.due() if self.now - minute > GRACE]
        on_time = [minute for minute in self.due() if self.now - minute <= GRACE]
        if self.catch_up == "skip":
            skipped, made_up = missed, []
        elif self.catch_up == "run_once":
            skipped, made_up = missed[:-1], missed[-1:]
        else:
            skipped = [minute for minute in missed if self.now - minute > 30]
            made_up = missed[len(skipped) :]
        self.skip(skipped)
        for minute in made_up + on_time:
            self.fire(minute)
        if self.due():
            self.accounted = self.due()[-1]

    def skip(self, minutes: list[int]) -> None:
        if minutes:
            self.rows[minutes[-1]] = Expected(minutes[-1], "skipped", len(minutes))

    def active(self) -> list[Expected]:
        rows = [row for row in self.rows.values() if row.status in ("running", "queued")]
        return sorted(rows, key=lambda row: (row.status == "queued", row.minute))

    def set(self, row: Expected, status: str) -> None:
        self.rows[row.minute] = replace(row, status=status)

    def fire(self, minute: int, *, is_manual: bool = False) -> None:
        new = Expected(minute, "queued", is_manual=is_manual)
        if self.active() and self.overlap == "skip":
            self.rows[minute] = replace(new, status="skipped")
            return
        if self.overlap == "cancel_old":
            for row in self.active():
                self.set(row, "cancelled")
        self.rows[minute] = new
        self.start_next()

    def start_next(self) -> None:
        rows = self.active()
        allowed = [row for row in rows if row.is_manual or not self.is_paused]
        if allowed and rows[0].status == "queued":
            self.set(allowed[0], "running")

    def pause(self) -> None:
        self.tick()
        self.is_paused = True

    def resume(self) -> None:
        if self.is_paused:
            self.skip(self.due())
            self.accounted = self.now
            self.is_paused = False
            self.start_next()

    def end_running(self) -> None:
        for row in self.active()[:1]:
            if row.status == "running":
                self.set(row, "failed")
                self.start_next()


class CampaignClock(RuleBasedStateMachine):
    """Does to a campaign in a database what it does to the model; both must agree always."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        shutil.copytree(self.template, self.folder.name, dirs_exist_ok=True)
        self.store = open_store(Settings(home=Path(self.folder.name)))

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @initialize(policies=st.sampled_from(POLICIES))
    def begin(self, policies: tuple[dict[str, object], str]) -> None:
        catch_up, overlap = policies
        supernet = self.store.list_supernets(1).rows[0]
        body = campaign(supernet.id, catch_up=catch_up, overlap=overlap, grace_seconds=60 * GRACE)
        self.store.add_campaign(body, at(1))
        self.model = Model(str(catch_up["kind"]), overlap)

    @rule(minutes=st.integers(1, 12))
    def tick(self, minutes: int) -> None:
        self.model.now += minutes
        self.model.tick()
        self.check_after_tick()

    @rule(minutes=st.integers(1, 75))
    def pass_without_a_runner(self, minutes: int) -> None:
        self.model.now += minutes

    @rule()
    def pause(self) -> None:
        self.model.pause()
        self.store.pause_campaign("nightly", at(self.model.now))
        self.check()

    @rule()
    def resume(self) -> None:
        self.model.resume()
        self.store.resume_campaign("nightly", at(self.model.now))
        self.check()

    @rule()
    def run_by_hand(self) -> None:
        self.model.now += 1
        if self.model.now % INTERVAL == 0:
            self.model.now += 1  # beside the schedule's own times
        self.model.fire(self.model.now, is_manual=True)
        self.store.run_campaign("nightly", at(self.model.now))
        self.check()

    @rule()
    def end_running(self) -> None:
        while job := self.store.claim_job("runner", 60, ["search"]):
            self.store.fail_job(job, {"type": "failed", "message": "x"})
        running = [row for row in self.model.active() if row.status == "running"]
        # The duty fires what is due before it looks at what has ended.
        self.model.tick()
        if running and self.model.rows[running[0].minute].status == "running":
            self.model.end_running()
        self.check_after_tick()

    def check_after_tick(self) -> None:
        advance_campaigns(self.store, at(self.model.now))
        self.check()

    def check(self) -> None:
        found = [
            ((row.fire_at - START) / MINUTE, row.status, row.firings)
            for row in occurrences(self.store)
        ]
        expected = [
            (row.minute, row.status, row.firings)
            for row in sorted(self.model.rows.values(), key=lambda row: row.minute)
        ]
        assert found == expected


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a trained supernet, to copy."""
    home = tmp_path_factory.mktemp("template")
    store = open_store(Settings(home=home))
    trained_supernet(store)
    store.close()
    return home


def test_a_campaign_keeps_to_its_model(template: Path) -> None:
    CampaignClock.template = template
    run_state_machine_as_test(
        CampaignClock,
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )

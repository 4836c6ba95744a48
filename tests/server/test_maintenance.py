"""Retention and garbage: what goes, what stays, and that nothing goes in a rehearsal."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from command_line import Run
from examples import add_data_set, add_supernet, claim, observe, running_search, trained_supernet
from sqlalchemy import text

from server.artifacts import ArtifactStore
from server.callers import LOCAL
from server.maintenance.garbage import collect_garbage, take_inventory
from server.maintenance.retention import (
    ORDINARY_KINDS,
    Pruned,
    Pruner,
    pruner_of,
    retention_duties,
)
from server.settings import Settings
from server.store import Change, Store, retention
from server.uploads import UploadFiles

LONG_AGO = "2020-01-01 00:00:00.000000"
DAY = timedelta(days=1)


def age_all(store: Store) -> None:
    """Makes everything that happened so far happen long ago."""
    with store._write() as session:
        session.execute(
            text(
                f"UPDATE jobs SET finished_at = '{LONG_AGO}' WHERE finished_at > '1'"
                if session.get_bind().dialect.name == "sqlite"
                else f"UPDATE jobs SET finished_at = '{LONG_AGO}' WHERE finished_at IS NOT NULL"
            )
        )
        session.execute(text(f"UPDATE uploads SET created_at = '{LONG_AGO}'"))


def types(store: Store, job_id: str) -> list[str]:
    return [event.type for event in store.job_events(job_id, 0, 100)]


def counts(pruned: list[Pruned]) -> dict[str, int]:
    return {part.kind: part.count for part in pruned}


@pytest.fixture
def pruner(store: Store, settings: Settings) -> Pruner:
    return pruner_of(store, settings)


def test_events_of_jobs_that_ended_long_ago_go_but_for_the_last(
    store: Store, pruner: Pruner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS_PER_TRANSACTION", 2)
    supernet, old = add_supernet(store)
    job = claim(store)
    for done in range(5):
        store.record_progress(job, {"done": done})
    store.fail_job(job, {"type": "x", "message": "y"})
    age_all(store)
    search, running = running_search(store)
    observe(store, search, running, [(90.0, 1.0)])
    before = types(store, running.id)
    recent = types(store, store.get_supernet(search.supernet_id).job_id)
    assert counts(pruner.prune(DAY, dry_run=True))["events"] == 7
    assert len(types(store, old.id)) == 8
    assert counts(pruner.prune(DAY))["events"] == 7
    assert counts(pruner.prune(DAY))["events"] == 0
    assert types(store, old.id) == ["failed"]
    assert types(store, running.id) == before
    assert types(store, store.get_supernet(search.supernet_id).job_id) == recent
    assert store.get_supernet(supernet.id).id == supernet.id
    assert len(store.list_evaluations(10).rows) == 1


def test_a_turn_of_the_duty_is_brief_and_the_next_goes_on(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS_PER_TRANSACTION", 3)
    _, job = add_supernet(store)
    claimed = claim(store)
    for done in range(4):
        store.record_progress(claimed, {"done": done})
    store.fail_job(claimed, {"type": "x", "message": "y"})
    age_all(store)
    assert retention_duties(settings) == ()
    (duty,) = retention_duties(settings.model_copy(update={"retention_days": 30.0}))
    lengths = []
    for _ in range(3):
        lengths.append(len(types(store, job.id)))
        duty.run(store)
    assert lengths == [7, 4, 1]


def test_the_audit_log_has_an_age_of_its_own(store: Store, settings: Settings) -> None:
    change = Change("POST", "/v1/searches", "sea_1", 202, None)
    store.record_change(LOCAL, change)
    with store._write() as session:
        session.execute(text(f"UPDATE audit_log SET created_at = '{LONG_AGO}'"))
    store.record_change(LOCAL, change)
    pruner = pruner_of(store, settings)
    assert "audit" not in counts(pruner.prune(DAY))
    assert counts(pruner.prune(DAY, kinds=["audit"], dry_run=True)) == {"audit": 1}
    (duty,) = retention_duties(settings.model_copy(update={"audit_retention_days": 30.0}))
    duty.run(store)
    assert counts(pruner.prune(DAY, kinds=["audit"], dry_run=True)) == {"audit": 0}
    with store._read() as session:
        assert session.scalar(text("SELECT count(*) FROM audit_log")) == 1


def test_work_folders_go_with_their_jobs_and_no_others(
    store: Store, pruner: Pruner, settings: Settings
) -> None:
    _, old = add_supernet(store)
    store.fail_job(claim(store), {"type": "x", "message": "y"})
    age_all(store)
    _, running = running_search(store)
    for name in (old.id, running.id, "job_of_nobody", "notes"):
        folder = settings.work_folder / name / "deep"
        folder.mkdir(parents=True)
        (folder / "checkpoint").write_bytes(b"x" * 1000)
    # Somebody works there: another database's runner, say, in whose place this one was named.
    (settings.work_folder / "job_of_another" / "deep").mkdir(parents=True)
    for path in (settings.work_folder / "job_of_nobody").rglob("*"):
        os.utime(path, (0, 0))
    os.utime(settings.work_folder / "job_of_nobody", (0, 0))
    found = {part.kind: part for part in pruner.prune(DAY, dry_run=True)}["work folders"]
    assert found.count == 2
    assert found.size_bytes is not None
    assert found.size_bytes >= 2000
    assert len(list(settings.work_folder.iterdir())) == 5
    assert counts(pruner.prune(DAY))["work folders"] == 2
    left = sorted(path.name for path in settings.work_folder.iterdir())
    assert left == sorted([running.id, "job_of_another", "notes"])


def test_uploads_that_nothing_names_go_and_those_in_use_stay(
    store: Store, pruner: Pruner, settings: Settings
) -> None:
    files = UploadFiles(settings.uploads_folder)
    rows = [store.add_upload(f"{number}.zip", 4, str(number) * 64)[0] for number in range(5)]
    for row in rows[:4]:
        with files.append(row, 0) as appender:
            appender.write(b"data")
    named, unused, busy, taken_up, _announced = rows
    for row in (named, unused, busy):
        os.utime(files.path(row.id), (0, 0))
    store.complete_upload(named.id)
    store.complete_upload(unused.id)
    add_data_set(store)
    with store._write() as session:
        session.execute(
            text("UPDATE data_sets SET source = :source"),
            {"source": f'{{"kind": "arrays", "upload": "{named.id}"}}'},
        )
    age_all(store)
    young, _ = store.add_upload("young.zip", 4, "f" * 64)
    with files.append(busy, 4):
        assert counts(pruner.prune(DAY))["uploads"] == 2
    left = {row.id for row in store.list_uploads(10).rows}
    assert left == {named.id, busy.id, taken_up.id, young.id}
    assert files.path(named.id).read_bytes() == b"data"
    assert not files.path(unused.id).exists()
    assert counts(pruner.prune(DAY))["uploads"] == 1


def test_the_command_says_what_would_go_and_then_lets_it_go(
    run: Run, monkeypatch: pytest.MonkeyPatch, settings: Settings, store: Store
) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    _, job = add_supernet(store)
    store.fail_job(claim(store), {"type": "x", "message": "y"})
    age_all(store)
    assert run("db", "prune").code == 2
    assert "retention_days" in run("db", "prune").complaint
    refused = run("db", "prune", "--older-than", "1", "--only", "evaluations")
    assert refused.code == 2
    assert "must be one of events" in refused.complaint
    rehearsal = run("db", "prune", "--older-than", "1", "--dry-run")
    assert rehearsal.code == 0
    assert "would go" in rehearsal.out
    assert all(kind in rehearsal.out for kind in ORDINARY_KINDS)
    assert len(types(store, job.id)) == 3
    assert run("db", "prune", "--older-than", "1", "--only", "uploads").code == 0
    assert len(types(store, job.id)) == 3
    monkeypatch.setenv("ESPALIER_RETENTION_DAYS", "30")
    assert "events" in run("db", "prune").out
    assert types(store, job.id) == ["failed"]


# --- garbage -----------------------------------------------------------------------------------


def make_old(artifacts: ArtifactStore, *names: str) -> None:
    for name in names:
        os.utime(artifacts._place(name), (0, 0))


def test_garbage_is_what_no_row_refers_to_and_what_is_old(store: Store, tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path / "artifacts")
    trained_supernet(store)  # with rows of two files, neither of which is there
    kept = artifacts.add_bytes(b"kept", "x/y")
    old, young, late = (artifacts.add_bytes(word, "x/y").sha256 for word in (b"o", b"y", b"late"))
    (tmp_path / "artifacts" / "new-dead").write_bytes(b"half")
    store.add_data_set("kept", {"kind": "digits"}, kept, {"train": 1}, (1, 8, 8), 10)
    make_old(artifacts, kept.sha256, old, late, "new-dead")
    inventory = take_inventory(artifacts, store, DAY)
    assert {file.name for file in inventory.garbage} == {old, late, "new-dead"}
    assert inventory.num_young == 1
    assert {artifact.sha256 for artifact in inventory.missing} == {"d" * 64, "f" * 64}
    assert not inventory.is_whole
    recorded = artifacts.add_bytes(b"late", "x/y")
    store.add_data_set("late", {"kind": "digits"}, recorded, {"train": 1}, (1, 8, 8), 10)
    assert collect_garbage(artifacts, store, inventory) == len(b"o") + len(b"half")
    assert {file.name for file in artifacts.files()} == {kept.sha256, young, late}


def test_what_is_stored_again_while_garbage_is_collected_stays(
    store: Store, tmp_path: Path
) -> None:
    artifacts = ArtifactStore(tmp_path / "artifacts")
    kept = artifacts.add_bytes(b"kept", "x/y")
    store.add_data_set("kept", {"kind": "digits"}, kept, {"train": 1}, (1, 8, 8), 10)
    again, old = (artifacts.add_bytes(word, "x/y").sha256 for word in (b"again", b"old"))
    make_old(artifacts, again, old)
    inventory = take_inventory(artifacts, store, DAY)
    assert {file.name for file in inventory.garbage} == {again, old}
    artifacts.add_bytes(b"again", "x/y")  # a job, which has not written its row yet
    assert collect_garbage(artifacts, store, inventory) == len(b"old")
    assert artifacts.read(again) == b"again"
    assert {file.name for file in artifacts.files()} == {kept.sha256, again}


def test_files_of_another_database_are_no_garbage(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    artifacts = ArtifactStore(settings.artifacts_folder)
    digest = artifacts.add_bytes(b"theirs", "x/y").sha256
    make_old(artifacts, digest)
    (settings.work_folder / "job_of_theirs").mkdir(parents=True)
    os.utime(settings.work_folder / "job_of_theirs", (0, 0))
    for command in (("artifacts", "gc"), ("artifacts", "check"), ("db", "prune", "--older-than=1")):
        refused = run(*command)
        assert refused.code == 1
        assert "the database has no tables yet" in refused.err
    assert not (tmp_path / "espalier.db").exists()
    assert run("db", "upgrade").code == 0
    assert run("artifacts", "gc", "--dry-run").code == 0
    refused = run("artifacts", "gc")
    assert refused.code == 1
    assert "this database knows none of the 1 files" in refused.err
    assert artifacts.read(digest) == b"theirs"


def test_the_command_finds_what_is_damaged(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert run("db", "upgrade").code == 0
    assert run("artifacts", "check").code == 0
    artifacts = ArtifactStore(settings.artifacts_folder)
    good, bad, short, gone = (artifacts.add_bytes(w, "x/y") for w in (b"good", b"bad", b"ab", b"x"))
    from server.main import open_store

    store = open_store(settings)
    for number, each in enumerate((good, bad, short, gone)):
        store.add_data_set(f"d{number}", {"kind": "digits"}, each, {"train": 1}, (1, 8, 8), 10)
    store.close()
    artifacts.path(bad.sha256).write_bytes(b"dab")
    artifacts.path(short.sha256).write_bytes(b"a")
    artifacts.path(gone.sha256).unlink()
    result = run("artifacts", "check")
    assert result.code == 1
    assert f"artifact {gone.sha256} is missing" in result.err
    assert f"artifact {bad.sha256} is damaged" in result.err
    assert f"artifact {short.sha256} has another size than recorded" in result.err
    assert good.sha256 not in result.err
    quick = run("artifacts", "check", "--no-digests")
    assert f"artifact {bad.sha256}" not in quick.err
    garbage = artifacts.add_bytes(b"garbage", "x/y").sha256
    make_old(artifacts, garbage)
    assert run("artifacts", "gc", "--dry-run").code == 0
    assert artifacts.read(garbage) == b"garbage"
    assert "removed 7B" in run("artifacts", "gc").out
    assert garbage not in {file.name for file in artifacts.files()}

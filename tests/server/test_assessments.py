"""Assessments through the store and the API, with the runner's part played through the store."""

from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from examples import (
    SPACE,
    add_search,
    add_supernet,
    artifact,
    assessed,
    assessed_outcome,
    claim,
    trained_alone,
    trained_supernet,
)
from live import Live

from search_space.outcomes import Failed
from search_space.space import Architecture
from server.assessment_plots import plot_assessment
from server.assessment_summary import summarize
from server.client import ApiError, Client
from server.errors import ConflictError
from server.schemas.assessments import AssessmentDetail
from server.store import Assessed, Store
from server.tables import AssessedRow


def add_assessment(store: Store, supernet_id: str, **changes: Any) -> Any:
    settings: dict[str, Any] = {"samples": 3, "strata": 1, "accuracy": {}, "standalone": None}
    settings |= {"resources": {}, "seed": 0} | changes
    return store.add_assessment(supernet_id=supernet_id, **settings)


def architectures(count: int) -> list[Architecture]:
    return [SPACE.decode(row) for row in SPACE.sample(count, np.random.default_rng(1))]


def test_an_assessment_waits_for_its_supernet_but_not_for_one_that_failed(store: Store) -> None:
    supernet, job = add_supernet(store)
    waiting, _ = add_assessment(store, supernet.id)
    assert store.awaited_by([waiting.job_id]) == {waiting.job_id: [job.id]}
    store.fail_job(claim(store), {"type": "x", "message": "y"})
    with pytest.raises(ConflictError, match=f"its job {job.id} is failed"):
        add_assessment(store, supernet.id)


def test_what_was_evaluated_is_kept_once(store: Store) -> None:
    supernet = trained_supernet(store)
    assessment, _ = add_assessment(store, supernet.id)
    job = claim(store)
    assert job.kind == "assess"
    assert job.spec["supernet"]["version"] == artifact("f").sha256
    small, large = architectures(2)
    store.record_assessed(job, assessment.id, [Assessed(1, large, Failed("too wide"))])
    batch = [Assessed(0, small, assessed_outcome(1e5, 90.0)), Assessed(1, large, Failed("again"))]
    store.record_assessed(job, assessment.id, batch)
    first, second = store.assessed(assessment.id)
    assert (first.metrics["top1_percent"], first.architecture) == (90.0, dict(small))
    assert (second.status, second.reason, second.standalone) == ("failed", "too wide", None)
    store.record_standalone(job, assessment.id, 0, trained_alone(93.0))
    assert store.assessed(assessment.id)[0].standalone == trained_alone(93.0)


def test_the_newest_finished_assessment_stands(store: Store) -> None:
    supernet = trained_supernet(store)
    assert store.newest_assessments([supernet.id]) == {}
    assessed(store, supernet.id)
    newer = assessed(store, supernet.id)
    add_assessment(store, supernet.id)  # still queued
    (found,) = store.newest_assessments([supernet.id, "none"]).values()
    assert found.id == newer
    assert len(store.list_assessments(5, supernet_id=supernet.id).rows) == 3
    assert store.list_assessments(5, supernet_id="none").rows == []


def row(number: int, macs: float, top1_percent: float | None, alone: Any = None) -> AssessedRow:
    outcome = assessed_outcome(macs, top1_percent or 0.0)
    return AssessedRow(
        assessment_id="a",
        number=number,
        architecture_digest=f"{number:016}",
        architecture={},
        status="failed" if top1_percent is None else "measured",
        metrics=dict(outcome.metrics),
        provenance=dict(outcome.provenance),
        reason=None,
        standalone=alone,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_what_was_stopped_early_does_not_count_in_the_correlation() -> None:
    rows = [
        row(0, 1.0, 90.0, trained_alone(91.0)),
        row(1, 2.0, 94.0, trained_alone(92.0)),
        row(2, 3.0, 92.0, trained_alone(93.0)),
        row(3, 4.0, 95.0, trained_alone(10.0, "stopped")),
        row(4, 5.0, None),
    ]
    summary = summarize(rows, num_sampled=5, seed=0)
    # 90 % from cost 1 to 2, 94 % from 2 to 4, where the last measured one ends the range.
    assert summary["mean_pareto_top1_percent"] == pytest.approx((90 + 94 + 94) / 3)
    assert (summary["num_measured"], summary["largest"]) == (4, None)
    alone = summary["standalone"]
    assert (alone["num_trained"], alone["num_stopped"], alone["num_failed"]) == (3, 1, 0)
    assert alone["kendall"]["value"] == pytest.approx(1 / 3)  # two of three pairs agree
    assert alone["spearman"]["value"] == pytest.approx(0.5)
    low, high = alone["kendall"]["interval"]
    assert -1 <= low <= 1 / 3 <= high <= 1
    assert summarize(rows[4:3:-1] + rows[:1], num_sampled=2, seed=0)["smallest"] is None


# --- over the API ------------------------------------------------------------------------------


def test_an_assessment_is_shown_with_its_supernet_and_every_search_on_it(live: Live) -> None:
    client, store = live.client, live.store
    supernet = trained_supernet(store)
    search = add_search(store, supernet)
    claim(store)
    assert client.get(f"/v1/supernets/{supernet.id}").json()["assessment"] is None
    response = client.post(
        f"/v1/supernets/{supernet.id}/assessments",
        json={"samples": 6, "standalone": {"count": 3, "training": {"epochs": 4}}},
    )
    assert response.status_code == 202, response.text
    submitted = response.json()
    assert response.headers["Location"] == f"/v1/assessments/{submitted['id']}"
    assert (submitted["strata"], submitted["summary"]) == (4, None)
    training = submitted["standalone"]["training"]
    assert (training["epochs"], training["label_smoothing"]) == (4, 0.25)  # the supernet's
    assert "schedule" not in training
    store.fail_job(claim(store), {"type": "failed", "message": "x"})

    assessment = assessed(store, supernet.id)
    shown = client.get(f"/v1/supernets/{supernet.id}").json()["assessment"]
    assert shown["assessment"] == assessment
    assert (shown["smallest"]["top1_percent"], shown["largest"]["top1_percent"]) == (90.0, 92.0)
    assert shown["standalone"]["kendall"]["value"] == pytest.approx(1 / 3)
    assert shown["finished_at"].endswith("Z")
    assert client.get(f"/v1/searches/{search.id}").json()["assessment"] == shown
    assert client.get("/v1/searches").json()["items"][0]["assessment"] == shown
    assert client.get("/v1/supernets").json()["items"][0]["assessment"] == shown

    with Client(str(client.base_url)) as typed:
        detail = typed.assessment(assessment)
        assert [one.number for one in detail.architectures] == [0, 1, 2]
        assert detail.architectures[0].intervals == {"top1_percent": (88.0, 92.0)}
        assert detail.architectures[0].standalone is not None
        assert [one.id for one in typed.assessments(supernet_id=supernet.id)] == [
            assessment,
            submitted["id"],
        ]
        assert typed.assessment_picture(assessment, "png").startswith(b"\x89PNG\r\n\x1a\n")
        svg = typed.assessment_picture(assessment, "svg")
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        with pytest.raises(ApiError, match="there is no supernet 'net_0'"):
            typed.create_assessment("net_0", {})
    picture = client.get(f"/v1/assessments/{assessment}/plot.svg")
    known = {"If-None-Match": picture.headers["ETag"]}
    assert client.get(f"/v1/assessments/{assessment}/plot.svg", headers=known).status_code == 304


def test_an_assessment_under_way_has_a_picture() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    facts: dict[str, Any] = dict.fromkeys(("id", "supernet", "supernet_version", "job"), "x")
    facts |= {"samples": 3, "strata": 1, "seed": 0, "status": "running", "created_at": now}
    facts |= {"accuracy": {}, "resources": {}, "standalone": None, "summary": None}
    detail = AssessmentDetail(**facts, architectures=[])
    assert plot_assessment("a $ title", detail.architectures, None, "png").startswith(b"\x89PNG")

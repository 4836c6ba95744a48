"""Fills a database as years of use would: searches of many evaluations, in two projects."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Engine, insert

from search_space.cnn import MobileNetV3Settings
from server.ids import new_id
from server.tables import (
    ArtifactRow,
    DataSetRow,
    EvaluationRow,
    JobEventRow,
    JobRow,
    ObservationRow,
    ProposalRow,
    SearchRow,
    SpaceRow,
    SupernetRow,
    Table,
)

SPACE_SETTINGS = MobileNetV3Settings.from_preset("imagenet")
SPACE = SPACE_SETTINGS.build()
PER_SEARCH = 1000
SMALL_SHARE = 100
"""One search in so many belongs to the small project, the first ones, which are the oldest."""


class Filler:
    """Writes rows as the service would have written them, many at once.

    Args:
        engine: of a database whose schema is current.
        num_searches: each with `PER_SEARCH` evaluations.

    Attributes:
        num_searches: as given.
        searches: ids of those in the large project, the oldest first.
    """

    def __init__(self, engine: Engine, num_searches: int) -> None:
        self._engine = engine
        self.num_searches = num_searches
        self._rng = np.random.default_rng(0)
        self._start = datetime(2024, 1, 1, tzinfo=UTC)
        self.searches: list[str] = []

    def fill(self) -> None:
        """Writes everything."""
        now = self._start
        self._add(
            ArtifactRow,
            [{"sha256": "a" * 64, "size_bytes": 1, "media_type": "x/y", "created_at": now}],
        )
        self._add(
            SpaceRow,
            [
                {
                    "id": SPACE.digest,
                    "kind": "mobilenetv3",
                    "settings": SPACE_SETTINGS.model_dump(mode="json"),
                    "size": str(SPACE.size),
                    "num_choices": len(SPACE.choices),
                    "created_at": now,
                }
            ],
        )
        for project in ("small", "default"):
            self._add_supernet(project, now)
        for number in range(self.num_searches):
            project = "small" if number % SMALL_SHARE == 0 and number < 500 else "default"
            self._add_search(number, project, now + timedelta(minutes=30 * number))

    def _add_supernet(self, project: str, now: datetime) -> None:
        job = f"job_{project}"
        self._add(
            JobRow, [self._job(job, "train", {"supernet_id": f"net_{project}"}, project, now)]
        )
        data_set = {
            "id": f"dat_{project}",
            "name": "digits",
            "source": {"kind": "digits"},
            "version": "a" * 64,
            "counts": {"train": 1000},
            "shape": [1, 8, 8],
            "num_classes": 10,
            "report": None,
            "created_at": now,
            "project_id": project,
        }
        self._add(DataSetRow, [data_set])
        supernet = {
            "id": f"net_{project}",
            "name": "first",
            "space_id": SPACE.digest,
            "data_set_id": f"dat_{project}",
            "training": {"epochs": 1},
            "start": {"kind": "scratch"},
            "resources": {},
            "seed": 0,
            "job_id": job,
            "version": "a" * 64,
            "summary": {},
            "created_at": now,
            "project_id": project,
        }
        self._add(SupernetRow, [supernet])

    def _job(
        self, job_id: str, kind: str, spec: Any, project: str, now: datetime
    ) -> dict[str, Any]:
        return {
            "id": job_id,
            "kind": kind,
            "spec": spec,
            "status": "succeeded",
            "attempt": 1,
            "priority": 0,
            "lost_leases": 0,
            "created_at": now,
            "started_at": now,
            "finished_at": now,
            "project_id": project,
        }

    def _add_search(self, number: int, project: str, now: datetime) -> None:
        search, job = new_id("sea", now), new_id("job", now)
        if project == "default":
            self.searches.append(search)
        objectives = [
            {"metric": "top1_percent", "goal": "maximize"},
            {"metric": "latency_ms", "goal": "minimize"},
        ]
        self._add(JobRow, [self._job(job, "search", {"search_id": search}, project, now)])
        values = {
            "id": search,
            "name": f"search {number}",
            "supernet_id": f"net_{project}",
            "space_id": SPACE.digest,
            "searcher": {"kind": "random"},
            "objectives": objectives,
            "limits": [],
            "evaluations": PER_SEARCH,
            "evaluator": {"kind": "supernet", "accuracy": {}, "latency": None},
            "evaluator_digest": secrets.token_hex(8),
            "resources": {},
            "seed": number,
            "job_id": job,
            "result": {"counts": {"measured": PER_SEARCH, "infeasible": 0, "failed": 0}},
            "created_at": now,
            "project_id": project,
        }
        self._add(SearchRow, [values])
        self._add_log(search, job, values["evaluator_digest"], project, now)

    def _add_log(
        self, search: str, job: str, evaluator_digest: str, project: str, now: datetime
    ) -> None:
        cost = self._rng.random(PER_SEARCH)
        top1 = 60 + 20 * cost**0.5 + self._rng.normal(0, 2, PER_SEARCH)
        evaluations, proposals, observations = [], [], []
        for number, architecture in enumerate(_architectures(self._rng)):
            evaluation, digest = new_id("eva", now), secrets.token_hex(8)
            shared = {"created_at": now, "project_id": project}
            evaluations.append(
                {
                    "id": evaluation,
                    "space_id": SPACE.digest,
                    "architecture_digest": digest,
                    "evaluator_digest": evaluator_digest,
                    "architecture": architecture,
                    "status": "measured",
                    "metrics": {
                        "top1_percent": float(top1[number]),
                        "latency_ms": float(1 + 9 * cost[number]),
                    },
                    "provenance": {"top1_percent": {"num_images": 400}},
                    "reason": None,
                    "search_id": search,
                    **shared,
                }
            )
            at = {"search_id": search, "number": number}
            proposals.append(
                {
                    **at,
                    "step": 2 * (number // 20),
                    "architecture_digest": digest,
                    "architecture": architecture,
                    **shared,
                }
            )
            observations.append(
                {
                    **at,
                    "evaluation_id": evaluation,
                    "step": 2 * (number // 20) + 1,
                    "told_order": number,
                    **shared,
                }
            )
        self._add(EvaluationRow, evaluations)
        self._add(ProposalRow, proposals)
        self._add(ObservationRow, observations)
        events = [
            {
                "job_id": job,
                "attempt": 1,
                "type": "progress",
                "data": {"done": done, "total": PER_SEARCH, "unit": "evaluations"},
                "created_at": now,
                "project_id": project,
            }
            for done in range(20, PER_SEARCH, 20)
        ]
        self._add(JobEventRow, events)

    def _add(self, table: type[Table], values: list[dict[str, Any]]) -> None:
        with self._engine.execution_options(writes=True).begin() as connection:
            connection.execute(insert(table.__table__), values)


def _architectures(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Twenty different ones over and over: their making is not what is measured."""
    some = [dict(SPACE.decode(row)) for row in SPACE.sample(20, rng)]
    return [some[number % len(some)] for number in range(PER_SEARCH)]

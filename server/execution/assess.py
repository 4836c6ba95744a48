"""Runs an assessment: accuracy over cost on a sample, and some of it trained alone.

Every group of accuracies and every finished training is on record before the next one, so that an
assessment that died goes on where it was. Of trainings under ASHA that means: those that had ended
stay as they were, the others go on from their checkpoints and compete anew among themselves.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from search_space.costs import costs
from search_space.families import space_settings
from search_space.family import NetworkSettings
from search_space.space import Architecture
from search_space.stratified import Costed, evenly_spread, stratified_sample
from server.assessment_summary import summarize
from server.execution.context import JobContext, JobFailedError, JobStopped
from server.execution.evaluation import BatchEvaluator, open_pool
from server.store import Assessed
from server.tables import AssessedRow
from supernet.settings import AccuracySettings, TrainingSettings
from workers.cluster import ClusterError
from workers.protocol import TrainingCancelledError, TrainingFailedError
from workers.settings import ResourceSettings
from workers.standalone import StandaloneJob, StandaloneResult, train_standalone


def run_assess(context: JobContext) -> None:
    """Does an assessment job; see the module."""
    Assessment(context).run()


class Assessment:
    """One attempt at an assessment job.

    The spec's JSON was validated when the assessment was submitted; here it becomes values, once.
    """

    def __init__(self, context: JobContext) -> None:
        spec = context.job.spec
        self._context = context
        self._spec = spec
        self._id: str = spec["assessment_id"]
        settings = space_settings(spec["space"])
        assert isinstance(settings, NetworkSettings)  # it is the space of a trained supernet
        self._network = settings
        self._accuracy = AccuracySettings.model_validate(spec["accuracy"])
        self._standalone: dict[str, Any] = spec["standalone"] or {"count": 0}
        self._resources = ResourceSettings.model_validate(spec["resources"])

    def run(self) -> None:
        """Runs the assessment to its end and records the summary.

        Raises:
            JobStopped: the job shall stop; the next attempt goes on from what is recorded.
            JobFailedError: nothing can be evaluated, or nothing be trained.
        """
        sample = self._sample()
        self._evaluate(sample)
        self._train_alone()
        summary = summarize(self._rows(), num_sampled=len(sample), seed=self._spec["seed"])
        self._context.store.finish_assessment(self._context.job, self._id, summary)

    def _rows(self) -> Sequence[AssessedRow]:
        return self._context.store.assessed(self._id)

    def _sample(self) -> list[Costed]:
        """Returns what to evaluate, a function of the spec alone."""

        def macs(architecture: Architecture) -> float:
            return costs(self._network.lower(architecture)).macs

        return stratified_sample(
            self._network.build(),
            macs,
            self._spec["samples"],
            self._spec["strata"],
            np.random.default_rng(self._spec["seed"]),
        )

    # --- shared weights ------------------------------------------------------------------------

    def _evaluate(self, sample: Sequence[Costed]) -> None:
        """Evaluates what is not on record, group by group."""
        known = {row.number for row in self._rows()}
        missing = [(n, one.architecture) for n, one in enumerate(sample) if n not in known]
        if missing:
            self._evaluate_groups(missing, len(sample))
        if not any(row.status == "measured" for row in self._rows()):
            reason = self._rows()[0].reason
            raise JobFailedError(
                f"none of {len(sample)} architectures could be evaluated; the smallest: {reason}"
            )

    def _evaluate_groups(
        self, missing: Sequence[tuple[int, Architecture]], num_sampled: int
    ) -> None:
        context = self._context
        pool = open_pool(
            context,
            self._spec["supernet"]["version"],
            self._spec["data_set"]["version"],
            self._accuracy,
            self._resources,
            returns_models=False,
        )
        places = {architecture.digest: number for number, architecture in missing}
        architectures = dict(missing)
        with pool:
            evaluator = BatchEvaluator(
                context,
                pool,
                self._network,
                latency=None,
                baseline_ms=None,
                seed=self._spec["seed"],
            )
            for outcomes in evaluator.evaluate([architecture for _, architecture in missing]):
                found = [
                    Assessed(places[digest], architectures[places[digest]], outcome)
                    for digest, outcome in outcomes.items()
                ]
                context.store.record_assessed(context.job, self._id, found)
                self._report_progress(num_sampled)

    # --- trained alone -------------------------------------------------------------------------

    def _train_alone(self) -> None:
        """Trains some architectures by themselves, those that are not on record."""
        chosen = self._chosen_alone()
        missing = {row.number: row.architecture for row in chosen if row.standalone is None}
        if not missing:
            return
        context = self._context
        context.check_stop()
        context.event("training_alone", count=len(missing))
        job = StandaloneJob(
            name=context.job.id,
            network=self._network,
            architectures=missing,
            data_path=context.artifacts.path(self._spec["data_set"]["version"]),
            training=TrainingSettings.model_validate(self._standalone["training"]),
            accuracy=self._accuracy,
            folder=context.work_folder / "alone",
            use_asha=self._standalone["use_asha"],
            resources=ResourceSettings.model_validate(self._standalone["resources"]),
            seed=self._spec["seed"],
            attempt=context.job.attempt,
        )
        try:
            train_standalone(job, on_result=self._record, should_cancel=context.stop.is_set)
        except TrainingCancelledError:
            raise JobStopped from None
        except (TrainingFailedError, ClusterError) as error:
            raise JobFailedError(str(error)) from error

    def _chosen_alone(self) -> list[AssessedRow]:
        """Returns the rows of the architectures to train alone, evenly spread over the costs."""
        measured = [row for row in self._rows() if row.status == "measured"]
        return [measured[i] for i in evenly_spread(self._standalone["count"], len(measured))]

    def _record(self, result: StandaloneResult) -> None:
        value = {
            "status": result.status,
            "epochs": result.num_epochs,
            "history": list(result.history),
            "top1_percent": result.history[-1] if result.history else None,
            "provenance": dict(result.provenance),
            "reason": result.reason,
        }
        self._context.store.record_standalone(self._context.job, self._id, result.number, value)
        self._report_progress(self._spec["samples"])

    def _report_progress(self, num_sampled: int) -> None:
        rows = self._rows()
        num_alone = sum(row.standalone is not None for row in rows)
        total = num_sampled + self._standalone["count"]
        self._context.progress(len(rows) + num_alone, total, "networks", trained_alone=num_alone)

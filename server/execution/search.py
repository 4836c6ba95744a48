"""Runs a search: replays its log, then asks, evaluates and tells until the budget is spent.

Each ask and each tell is on record before it is acted on, so that a search that died goes on with
the proposals that it would have made.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import TypeAdapter

from search_space.families import space_settings
from search_space.family import NetworkSettings
from search_space.outcomes import Measured, Outcome
from search_space.space import Architecture
from searchers.front import pareto_front
from searchers.protocol import (
    Limit,
    Objective,
    Observation,
    PredictionQuality,
    Problem,
    Proposal,
    Searcher,
)
from searchers.replay import Asked, ReplayError, Told, replay
from searchers.settings import SearcherSettings
from server.execution.computed import ComputingEvaluator
from server.execution.context import JobContext, JobFailedError
from server.execution.evaluation import BatchEvaluator, Evaluator, open_pool
from server.execution.floors import floors
from server.execution.tables import TableEvaluator
from server.store import Finalist
from supernet.proxy_settings import ProxySettings
from supernet.settings import AccuracySettings
from workers.pools import RayPool
from workers.settings import LatencySettings, ResourceSettings


def run_search(context: JobContext) -> None:
    """Does a search job; see the module."""
    Search(context).run()


class Search:
    """One attempt at a search job: its searcher, and what that has asked and was told.

    The spec's JSON was validated when the search was submitted; here it becomes values, once.
    """

    def __init__(self, context: JobContext) -> None:
        spec = context.job.spec
        self._context = context
        self._spec = spec
        self._id: str = spec["search_id"]
        self._problem = Problem(
            space_settings(spec["space"]).build(),
            tuple(Objective.model_validate(part) for part in spec["objectives"]),
            tuple(Limit.model_validate(part) for part in spec["limits"]),
        )
        policy = TypeAdapter[Any](SearcherSettings).validate_python(spec["searcher"])
        self._searcher: Searcher = policy.build(self._problem, spec["seed"])
        self._observations: list[Observation] = []
        self._pending: list[Proposal] = []
        self._reported: list[PredictionQuality] = []

    def run(self) -> None:
        """Runs the search to its end and records the result.

        Raises:
            JobStopped: the job shall stop; the next attempt goes on from the log.
            JobFailedError: the search cannot go on.
        """
        self._replay()
        with self._open_evaluator() as evaluator:
            while batch := self._next_batch():
                self._observe(batch, evaluator)
                evaluator.forget_all_but({a.digest for a in self._front_architectures()})
            self._check_any_measured()
            self._measure_finalists(evaluator)
        self._finish()

    def _replay(self) -> None:
        """Brings the searcher to where its log ends.

        Raises:
            JobFailedError: it does not propose what is on record, so that it cannot go on from
                there: the program or its libraries have changed since.
        """
        log = self._context.store.search_log(self._id)
        try:
            replay(self._searcher, log)
        except ReplayError as error:
            raise JobFailedError(f"the search cannot be continued: {error}") from None
        for entry in log:
            match entry:
                case Asked(proposals):
                    self._pending += proposals
                case Told(observations):
                    self._note(observations)
        self._report_predictions()

    def _next_batch(self) -> list[Proposal]:
        """Returns what to evaluate next; nothing when the budget or the space is exhausted."""
        if self._pending:
            return self._pending
        missing = self._spec["evaluations"] - len(self._observations)
        proposals = list(self._searcher.ask(min(self._searcher.batch_size, missing)))
        if proposals:
            self._context.store.record_proposals(self._context.job, self._id, proposals)
        self._pending = proposals
        return proposals

    def _observe(self, batch: Sequence[Proposal], evaluator: Evaluator) -> None:
        """Evaluates a batch, records it and tells the searcher."""
        store, job = self._context.store, self._context.job
        architectures = {p.architecture.digest: p.architecture for p in batch}
        known = store.find_evaluations(self._id, list(architectures))
        unknown = [a for digest, a in architectures.items() if digest not in known]
        self._report_progress(evaluating=len(unknown))
        for outcomes in evaluator.evaluate(unknown):
            for digest, outcome in outcomes.items():
                architecture = architectures[digest]
                known[digest] = store.record_evaluation(job, self._id, architecture, outcome)
        observed = [(p.number, known[p.architecture.digest].id) for p in batch]
        store.record_observations(job, self._id, observed)
        observations = [Observation(p, known[p.architecture.digest].outcome) for p in batch]
        self._searcher.tell(observations)
        self._note(observations)
        self._report_predictions()
        self._report_progress(evaluating=0)

    def _note(self, observations: Sequence[Observation]) -> None:
        self._observations += observations
        told = {observation.proposal.number for observation in observations}
        self._pending = [p for p in self._pending if p.number not in told]

    def _report_predictions(self) -> None:
        """Records how the batch that was told had been predicted, before it is used."""
        found = self._searcher.prediction_quality()
        news = [entry for entry in found if entry not in self._reported]
        if news:
            self._context.store.record_prediction_quality(self._context.job, news)
            self._reported += news

    def _report_progress(self, evaluating: int) -> None:
        self._context.progress(
            len(self._observations),
            self._spec["evaluations"],
            "evaluations",
            evaluating=evaluating,
            front=len(self._front_architectures()),
        )

    def _front_architectures(self) -> list[Architecture]:
        """Returns the architectures on the front so far; the least violating if none is feasible.

        They are all that is worth measuring again.
        """
        measured = [
            (observation.proposal.architecture, observation.outcome.metrics)
            for observation in self._observations
            if isinstance(observation.outcome, Measured)
        ]
        front = pareto_front(self._problem, [metrics for _, metrics in measured])
        return [measured[i][0] for i in (*front.points, *front.least_violating)]

    def _check_any_measured(self) -> None:
        outcomes = [observation.outcome for observation in self._observations]
        if not any(isinstance(outcome, Measured) for outcome in outcomes):
            raise JobFailedError(
                f"none of {len(outcomes)} architectures could be measured; "
                f"the first: {_reason(outcomes[0]) if outcomes else 'none was proposed'}"
            )

    def _measure_finalists(self, evaluator: Evaluator) -> None:
        """Measures the front's networks side by side, once more."""
        finalists = self._front_architectures()
        self._context.event("finalists", count=len(finalists))
        latencies = evaluator.measure_again(finalists)
        if latencies:
            self._context.store.record_measurements(
                self._context.job,
                self._id,
                [
                    Finalist(
                        digest,
                        {"latency_ms": latency.latency_ms},
                        {"latency_ms": latency.provenance()},
                    )
                    for digest, latency in latencies.items()
                ],
            )

    def _finish(self) -> None:
        count = len(self._observations)
        result = {"evaluations": count, "space_exhausted": count < self._spec["evaluations"]}
        outcomes = [observation.outcome for observation in self._observations]
        if dropped := sum(isinstance(o, Measured) and o.is_dropped for o in outcomes):
            result["dropped"] = dropped
        self._context.store.finish_search(self._context.job, self._id, result)

    @contextmanager
    def _open_evaluator(self) -> Iterator[Evaluator]:
        """Gives what evaluates, by the `kind` of the search's evaluator; a supernet without one."""
        kind = self._spec["evaluator"].get("kind")
        if kind == "table":
            yield TableEvaluator(self._context)
        elif kind == "computed":
            yield ComputingEvaluator(self._context)
        else:
            accuracy = AccuracySettings.model_validate(self._spec["evaluator"]["accuracy"])
            with self._open_pool(accuracy) as pool:
                yield self._batch_evaluator(pool, accuracy)

    def _open_pool(self, accuracy: AccuracySettings) -> RayPool:
        evaluator = self._spec["evaluator"]
        proxies = evaluator.get("proxies")
        return open_pool(
            self._context,
            self._spec["supernet"]["version"],
            self._spec["data_set"]["version"],
            accuracy,
            ResourceSettings.model_validate(self._spec["resources"]),
            None if proxies is None else ProxySettings.model_validate(proxies),
            returns_models=evaluator["latency"] is not None,
        )

    def _batch_evaluator(self, pool: RayPool, accuracy: AccuracySettings) -> BatchEvaluator:
        latency = self._spec["evaluator"]["latency"]
        network = space_settings(self._spec["space"])
        assert isinstance(network, NetworkSettings)  # it is the space of a trained supernet

        def floors_of(batch: Sequence[Architecture]) -> Mapping[str, float]:
            if not accuracy.successive:
                return {}
            return floors(self._problem, network, self._observations, batch)

        return BatchEvaluator(
            self._context,
            pool,
            network,
            None if latency is None else LatencySettings.model_validate(latency),
            baseline_ms=self._context.store.reference_baseline_ms(self._id),
            seed=self._spec["seed"],
            floors=floors_of,
            on_left=lambda count: self._report_progress(evaluating=count),
        )


def _reason(outcome: Outcome) -> str:
    return "measured" if isinstance(outcome, Measured) else outcome.reason

"""What a campaign is: a schedule, what is submitted each time, and what becomes of the results."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from search_space.outcomes import METRIC_GOALS
from searchers.protocol import FiniteNumber, MetricName
from searchers.settings import SearcherSettings
from server.campaigns.schedules import Schedule
from server.ids import PATTERN
from server.schemas.requests import KnownLimits, SearchBody, Seed
from supernet.settings import TrainingSettings
from workers.settings import LatencySettings, ResourceSettings

MAX_SEARCHES = 100
"""Of one occurrence: they are submitted in one transaction, which holds SQLite's write lock."""
MAX_QUEUED = 100
"""Occurrences of one campaign that wait for the one before them."""
_NUM_SEEDS = 2**32


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _check_name(name: str) -> str:
    if re.match(PATTERN, name):
        raise ValueError("must not look like the id of something")
    return name


CampaignName = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,99}$"), AfterValidator(_check_name)
]
"""Part of addresses that last, so it holds nothing that an address must escape."""


class Matrix(_Part):
    """What is varied: one search for each combination. A list that is empty varies nothing.

    Attributes:
        devices: how latency is measured; in place of the template's `evaluator.latency`.
        limits: in place of the template's.
        searchers: in place of the template's.
        seeds: in place of the template's.
    """

    devices: tuple[LatencySettings, ...] = ()
    limits: tuple[KnownLimits, ...] = ()
    searchers: tuple[SearcherSettings, ...] = ()
    seeds: tuple[Seed, ...] = ()

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if self.num_searches > MAX_SEARCHES:
            factors = " x ".join(f"{len(part)} {name}" for name, part in self._lists if part)
            raise PydanticCustomError(
                "matrix_too_large",
                "must have at most {most} searches, got {count} ({factors})",
                {"most": MAX_SEARCHES, "count": self.num_searches, "factors": factors},
            )
        return self

    @model_validator(mode="after")
    def _check_distinct(self) -> Self:
        """Equal searches would stand in one place, and find the same."""
        for name, part in self._lists:
            for position, entry in enumerate(part):
                if part.index(entry) < position:
                    raise ValueError(
                        f"{name} must be distinct: entry {position} is that at {part.index(entry)}"
                    )
        return self

    @property
    def _lists(self) -> tuple[tuple[str, tuple[Any, ...]], ...]:
        parts = ("devices", "limits", "searchers", "seeds")
        return tuple((name, getattr(self, name)) for name in parts)

    @property
    def num_searches(self) -> int:
        """How many combinations there are."""
        count = 1
        for _, part in self._lists:
            count *= max(1, len(part))
        return count


class Retraining(_Part):
    """What is done when the data set has a newer version: a training, from the supernet before.

    Attributes:
        training: settings.
        start: whether the weights of the supernet before are the start, or fresh ones.
        resources: of its workers.
        seed: of the training.
    """

    training: TrainingSettings = TrainingSettings()
    start: Literal["supernet", "scratch"] = "supernet"
    resources: ResourceSettings = ResourceSettings()
    seed: Seed = 0


class Template(_Part):
    """What an occurrence submits.

    Attributes:
        search: the body of a search; the campaign names and numbers what it submits. Its job's
            options are those of all jobs of the campaign.
        matrix: what is varied.
        warm_start: whether each search begins with the front of the one that stood in its place
            the last time.
        vary_seed: whether each occurrence has seeds of its own: all are moved by the same step, so
            that none comes twice. Without it, and without a warm start, a search of an unchanged
            supernet finds what it found before.
        retraining: what is done when a newer version of the data set is registered; by default the
            supernet stays.
    """

    search: SearchBody
    matrix: Matrix = Matrix()
    warm_start: bool = True
    vary_seed: bool = True
    retraining: Retraining | None = None

    @property
    def evaluations(self) -> int:
        """How many architectures one occurrence evaluates."""
        return self.matrix.num_searches * self.search.evaluations

    def points(self, number: int) -> Iterator["MatrixPoint"]:
        """Yields the searches of an occurrence.

        Args:
            number: of the occurrence, counted from 0.
        """
        body, matrix = self.search, self.matrix
        seeds = matrix.seeds or (body.seed,)
        # Beyond all of them; odd, so that it takes all of 2^32 occurrences to come back to one.
        step = (max(seeds) - min(seeds) + 1) | 1
        shift = number * step if self.vary_seed else 0
        for device, limits, searcher, seed in product(
            matrix.devices or [body.evaluator.latency],
            matrix.limits or [body.limits],
            matrix.searchers or [body.searcher],
            seeds,
        ):
            evaluator = body.evaluator.model_copy(update={"latency": device})
            values = {
                "evaluator": evaluator,
                "limits": limits,
                "searcher": searcher,
                "seed": (seed + shift) % _NUM_SEEDS,
            }
            place = {
                "device": None if device is None else device.model_dump(mode="json"),
                "limits": [limit.model_dump(mode="json") for limit in limits],
                "searcher": searcher.model_dump(mode="json"),
                "seed": seed,
            }
            yield MatrixPoint(place=place, search=body.model_copy(update=values))


class MatrixPoint(_Part):
    """One search of an occurrence.

    Attributes:
        place: the settings that are varied, with the seed as the template has it: what stands in
            equal places in two occurrences is compared.
        search: the body to submit.
    """

    place: dict[str, Any]
    search: SearchBody


class SkipMissed(_Part):
    """Times that passed while no runner was up are skipped."""

    kind: Literal["skip"] = "skip"


class RunOnce(_Part):
    """The last of the times that passed while no runner was up is made up for."""

    kind: Literal["run_once"] = "run_once"


class RunAll(_Part):
    """Times that passed while no runner was up are made up for, oldest first, up to an age.

    Attributes:
        max_age_seconds: older ones are skipped.
    """

    kind: Literal["run_all"] = "run_all"
    max_age_seconds: int = Field(ge=60, le=366 * 86_400)


CatchUp = Annotated[SkipMissed | RunOnce | RunAll, Field(discriminator="kind")]


class Budget(_Part):
    """What a campaign may use up in its whole life; nothing is fired beyond it.

    Attributes:
        evaluations: architectures, reused results included. An occurrence that would go beyond it
            is not fired.
        worker_hours: hours of jobs from start to end, times their workers. Known only afterwards:
            the occurrence that passes it is the last one.
    """

    evaluations: int | None = Field(default=None, ge=1, lt=2**53)
    worker_hours: float | None = Field(default=None, gt=0, le=1e9, allow_inf_nan=False)


def _check_metric(metric: str) -> str:
    if metric not in METRIC_GOALS:
        raise ValueError(f"must be one of {', '.join(METRIC_GOALS)}")
    return metric


class BestByObjective(_Part):
    """The best network by one metric, within limits.

    Attributes:
        metric: whose natural goal counts.
        limits: beside those of the searches.
        margin: by how much, in the metric's unit, a network must be better than the promoted one.
    """

    kind: Literal["objective"] = "objective"
    metric: Annotated[MetricName, AfterValidator(_check_metric)]
    limits: KnownLimits = ()
    margin: FiniteNumber = Field(default=0.0, ge=0)


class BestByHypervolume(_Part):
    """The first network (by the first objective) of the front with the largest hypervolume.

    Attributes:
        margin_percent: by how much, relatively, a front must be larger than the promoted one's.
    """

    kind: Literal["hypervolume"] = "hypervolume"
    margin_percent: FiniteNumber = Field(default=1.0, ge=0)


class Promotion(_Part):
    """Which network is exported under the campaign's name, and when another takes its place.

    Attributes:
        rule: what is better.
        report_test: whether exports read the test split, once each.
    """

    rule: Annotated[BestByObjective | BestByHypervolume, Field(discriminator="kind")]
    report_test: bool = False


class CampaignSettings(_Part):
    """A campaign, completely.

    Attributes:
        name: unique; part of addresses.
        schedule: when it fires.
        template: what it submits.
        overlap: what happens when a time comes while the occurrence before is not done: the new one
            is skipped, waits, or takes the place of the old one, whose jobs are cancelled.
        catch_up: what becomes of times that passed while no runner was up.
        grace_seconds: a time that is noticed so much later was missed.
        budget: of the whole campaign.
        promotion: without one nothing is exported.
    """

    name: CampaignName
    schedule: Schedule
    template: Template
    overlap: Literal["skip", "queue", "cancel_old"] = "skip"
    catch_up: CatchUp = RunOnce()
    grace_seconds: int = Field(default=60, ge=10, le=86_400)
    budget: Budget = Budget()
    promotion: Promotion | None = None

    @model_validator(mode="after")
    def _check_policies(self) -> Self:
        if isinstance(self.catch_up, RunAll) and self.overlap != "queue":
            raise ValueError(
                "overlap must be 'queue' where catch_up is run_all, so that what is made up for "
                f"runs one after the other, got {self.overlap!r}"
            )
        return self

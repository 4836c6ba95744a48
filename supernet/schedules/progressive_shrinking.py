"""Progressive shrinking (Cai et al. 2020, arXiv 1908.09791, section 3.3; its released code)."""

from collections.abc import Sequence
from itertools import accumulate, pairwise, product
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from search_space.space import Architecture, SearchSpace
from supernet.schedules.base import (
    Action,
    Horizon,
    InvalidTrainingError,
    Loss,
    Schedule,
    Step,
    Subnet,
)
from supernet.schedules.sampling import DEPTHS, RESOLUTION, dimension, draw

KERNELS = frozenset({"kernel_size"})

Admitted = Annotated[int, Field(ge=1, le=10_000)]


class PhaseSettings(BaseModel):
    """One phase: which options it admits beside those of the phases before it, and how it trains.

    Attributes:
        name: in reports.
        share: of the training's epochs, in relation to the shares of the other phases.
        admitted: how many options of a dimension (the last part of a choice's name, "depth") are
            admitted from now on, from the largest down. Before any phase it is one of each, but
            for the resolution, all of which is admitted from the start.
        learning_rate_factor: of the training's rate, at the phase's peak; each phase has a cosine
            of its own.
        warmup_share: of the phase's steps, over which its rate rises from nearly 0.
        num_subnets: networks drawn per step.
        sort_channels: whether hidden channels are sorted by importance before the phase.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    share: float = Field(gt=0, le=1e6)
    admitted: dict[str, Admitted] = Field(default_factory=dict)
    learning_rate_factor: float = Field(default=1.0, gt=0, le=1000)
    warmup_share: float = Field(default=0.0, ge=0, lt=1)
    num_subnets: int = Field(default=1, ge=1, le=64)
    sort_channels: bool = False


class ProgressiveShrinkingSettings(BaseModel):
    """The largest network first; then smaller kernels, depths and widths, phase by phase.

    Attributes:
        phases: the first one trains the largest network alone and so admits nothing; a frozen copy
            of it is the teacher of all others. None takes the published phases, as far as the
            space has their dimensions (`published_phases`).
        distillation: weight of the soft loss against the teacher, beside the labels'; 0 for none.
        temperature: of that loss.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["progressive_shrinking"] = "progressive_shrinking"
    phases: Annotated[tuple[PhaseSettings, ...], Field(min_length=2, max_length=64)] | None = None
    distillation: float = Field(default=1.0, ge=0, le=100)
    temperature: float = Field(default=1.0, gt=0, le=100)

    def build(self, space: SearchSpace, horizon: Horizon) -> Schedule:
        """Returns the schedule over a space.

        Raises:
            InvalidTrainingError: a phase gets no epoch, or the phases do not fit the space.
        """
        return ProgressiveShrinking(space, horizon, self)


def published_phases(space: SearchSpace) -> tuple[PhaseSettings, ...]:
    """Returns the phases of the released code for the dimensions that a space has.

    Their lengths are its epochs (teacher 180, kernel 120 + 5, then for depth and for widths 25 and
    120 + 5); their rates are in the proportion of its rates for a batch of 2,048 (2.6 for the
    teacher, as its paper says; 0.96, then 0.08 and 0.24).
    """
    sizes: dict[str, int] = {}
    for choice in space.choices:
        name = dimension(choice.name)
        sizes[name] = max(sizes.get(name, 1), len(choice.options))
    kernels = {name: sizes[name] for name in sizes if name in KERNELS}
    depths = {name: sizes[name] for name in sizes if name in DEPTHS}
    widths = {name: sizes[name] for name in sizes.keys() - KERNELS - DEPTHS - {RESOLUTION}}
    phases = [PhaseSettings(name="largest", share=180)]
    if kernels:
        phases.append(
            PhaseSettings(
                name="kernel",
                share=125,
                admitted=kernels,
                learning_rate_factor=0.96 / 2.6,
                warmup_share=5 / 125,
            )
        )
    phases += _in_two("depth", depths, num_subnets=2, sort_channels=False) + _in_two(
        "width", widths, num_subnets=4, sort_channels=True
    )
    return tuple(phases)


def _in_two(
    name: str, sizes: dict[str, int], *, num_subnets: int, sort_channels: bool
) -> list[PhaseSettings]:
    """Returns a short phase that admits the two largest options, and a long one that admits all."""
    if not sizes:
        return []
    two = {dimension: min(2, size) for dimension, size in sizes.items()}
    first = PhaseSettings(
        name=f"{name} 1",
        share=25,
        admitted=two,
        learning_rate_factor=0.08 / 2.6,
        num_subnets=num_subnets,
        sort_channels=sort_channels,
    )
    last = PhaseSettings(
        name=f"{name} 2" if sizes != two else name,
        share=125,
        admitted=sizes,
        learning_rate_factor=0.24 / 2.6,
        warmup_share=5 / 125,
        num_subnets=num_subnets,
        sort_channels=sort_channels,
    )
    return [first, last] if sizes != two else [last]


class ProgressiveShrinking(Schedule):
    """Phases that admit ever smaller networks, each distilled from the largest network.

    In every phase but the first each step draws one resolution and some networks of it, and trains
    each on the labels and on the soft outputs of the teacher: the largest network as the first
    phase left it, frozen. The released code takes three programs run one after another with a
    teacher from a fourth; here all phases are one training, which resumes anywhere.

    Args:
        space: of the architectures.
        horizon: of the whole training; its rate is that of the first phase, its warm-up too.
        settings: the phases.

    Raises:
        InvalidTrainingError: a phase gets no epoch, or the phases do not fit the space.
    """

    def __init__(
        self, space: SearchSpace, horizon: Horizon, settings: ProgressiveShrinkingSettings
    ) -> None:
        super().__init__(space, horizon)
        self._phases = settings.phases or published_phases(space)
        self._admitted = _admitted(space, self._phases)
        epochs = _epochs(self._phases, horizon.epochs)
        ends = [end * horizon.steps_per_epoch for end in accumulate(epochs)]
        self._starts = [0, *ends[:-1]]
        self._horizons = [
            Horizon(
                num_epochs,
                horizon.steps_per_epoch,
                horizon.learning_rate * phase.learning_rate_factor,
                horizon.warmup_epochs if number == 0 else phase.warmup_share * num_epochs,
            )
            for number, (phase, num_epochs) in enumerate(zip(self._phases, epochs, strict=True))
        ]
        self._losses: tuple[Loss, ...] = (Loss("labels"),)
        if settings.distillation > 0:
            self._losses += (Loss("teacher", settings.distillation, settings.temperature),)

    def step(self, number: int, rng: np.random.Generator) -> Step:
        """Returns the networks of one step, all of one resolution."""
        current = self._number(number)
        if current == 0:
            (largest,) = draw(self.space, self._admitted[0], 1, rng)
            return Step((Subnet(largest),))
        count = self._phases[current].num_subnets
        drawn = draw(self.space, self._admitted[current], count, rng, same=RESOLUTION)
        return Step(tuple(Subnet(architecture, self._losses) for architecture in drawn))

    def learning_rate(self, number: int) -> float:
        """Returns the rate of the step's phase, which has a warm-up and a cosine of its own."""
        current = self._number(number)
        return self._horizons[current].rate(number - self._starts[current])

    def actions(self, number: int) -> tuple[Action, ...]:
        """Freezes the teacher after the first phase; sorts channels where a phase asks for it."""
        if number not in self._starts or number == 0:
            return ()
        current = self._starts.index(number)
        is_distilled = len(self._losses) > 1
        actions: list[Action] = ["keep_teacher"] if current == 1 and is_distilled else []
        if self._phases[current].sort_channels:
            actions.append("sort_channels")
        return tuple(actions)

    def trained_widths(self, number: int) -> tuple[Architecture, ...]:
        """Returns networks of each combination of widths that the phase before admitted.

        They are as deep as the largest, so that every layer shows its widths.
        """
        current = self._number(number)
        if current == 0:
            return ()
        names = [dimension(choice.name) for choice in self.space.choices]
        lowest = self.space.num_options - self._admitted[current - 1]
        steps: dict[str, int] = {}  # by dimension: how far down from the largest option
        for name, options, low in zip(names, self.space.num_options - 1, lowest, strict=True):
            if name not in KERNELS | DEPTHS | {RESOLUTION}:
                steps[name] = max(steps.get(name, 0), int(options - low))
        found = []
        for down in product(*(range(most + 1) for most in steps.values())):
            below = dict(zip(steps, down, strict=True))
            genes = self.space.num_options - 1 - np.array([below.get(name, 0) for name in names])
            found.append(
                self.space.decode(self.space.canonical(np.maximum(genes, lowest)[None])[0])
            )
        return tuple(found[1:])

    def phase(self, number: int) -> str:
        """Returns the name of the step's phase."""
        return self._phases[self._number(number)].name

    def _number(self, step: int) -> int:
        return int(np.searchsorted(self._starts, step, side="right")) - 1


def _admitted(space: SearchSpace, phases: Sequence[PhaseSettings]) -> list[np.ndarray]:
    """Returns how many options of each choice each phase admits.

    Raises:
        InvalidTrainingError: the first phase admits something, a phase names a dimension that the
            space has not, admits more options than there are or fewer than before, or in the end
            some are still shut out.
    """
    dimensions = [dimension(choice.name) for choice in space.choices]
    if phases[0].admitted:
        rule = "must be empty: the first phase trains the largest network alone"
        raise InvalidTrainingError("schedule.phases.0.admitted", rule, phases[0].admitted)
    counts = {name: 1 for name in dimensions if name != RESOLUTION}
    most = {
        name: max(len(c.options) for c in space.choices if dimension(c.name) == name)
        for name in counts
    }
    admitted = []
    for number, phase in enumerate(phases):
        for name, count in phase.admitted.items():
            field = f"schedule.phases.{number}.admitted.{name}"
            if name not in counts:
                rule = f"must be a dimension of the space, one of {tuple(counts)}"
                raise InvalidTrainingError(field, rule, name)
            if not counts[name] <= count <= most[name]:
                rule = f"must be between {counts[name]}, as before, and {most[name]}, all options"
                raise InvalidTrainingError(field, rule, count)
            counts[name] = count
        admitted.append(
            np.array(
                [
                    min(counts.get(name, size), size)
                    for name, size in zip(dimensions, space.num_options.tolist(), strict=True)
                ],
                dtype=np.int64,
            )
        )
    for name, count in counts.items():
        if count < most[name]:
            rule = f"must admit all {most[name]} options of {name} in the end"
            raise InvalidTrainingError("schedule.phases", rule, count)
    return admitted


def _epochs(phases: Sequence[PhaseSettings], total: int) -> list[int]:
    """Returns each phase's epochs: in the proportion of the shares, at least one, summing to total.

    Raises:
        InvalidTrainingError: there are fewer epochs than phases.
    """
    if total < len(phases):
        rule = f"must have at most as many phases as the training has epochs ({total})"
        raise InvalidTrainingError("schedule.phases", rule, [phase.name for phase in phases])
    shares = list(accumulate((phase.share for phase in phases), initial=0.0))
    bounds = [round(total * share / shares[-1]) for share in shares]
    epochs = [end - start for start, end in pairwise(bounds)]
    while 0 in epochs:
        epochs[epochs.index(max(epochs))] -= 1
        epochs[epochs.index(0)] += 1
    return epochs

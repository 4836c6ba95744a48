import itertools

import numpy as np
import pytest
from supernet_examples import SETTINGS

from search_space.cnn import MobileNetV3Settings
from search_space.space import SearchSpace
from supernet.schedules.base import Horizon, InvalidTrainingError, Loss, Schedule, Step, Subnet
from supernet.schedules.delayed_shrinking import DelayedShrinking, DelayedShrinkingSettings
from supernet.schedules.multi_architecture import MultiArchitecture, MultiArchitectureSettings
from supernet.schedules.progressive_shrinking import (
    PhaseSettings,
    ProgressiveShrinkingSettings,
    published_phases,
)
from supernet.schedules.sampling import dimension
from supernet.schedules.sandwich import SandwichSettings
from supernet.schedules.settings import ScheduleSettings
from supernet.schedules.single import SingleSettings

SPACE = SETTINGS.build()
HORIZON = Horizon(epochs=20, steps_per_epoch=5, learning_rate=0.4, warmup_epochs=2)
DELAYED = DelayedShrinkingSettings(ramp_epochs=4)
ALL_SIZES = {"kernel_size": 3, "depth": 2, "expand_ratio": 2, "width": 2}

EVERY_KIND: list[ScheduleSettings] = [
    SingleSettings(architecture=dict(SPACE.smallest())),
    SandwichSettings(),
    DELAYED,
    ProgressiveShrinkingSettings(),
]


def step_of(schedule: Schedule, number: int, seed: int = 0) -> Step:
    return schedule.step(number, np.random.default_rng(seed))


def steps(schedule: Schedule) -> list[Step]:
    return [step_of(schedule, number, number) for number in range(schedule.horizon.num_steps)]


# --- the rate ----------------------------------------


def test_the_learning_rate_warms_up_and_falls_to_zero_along_a_cosine() -> None:
    horizon = Horizon(10, 5, 0.4, 2)
    rates = [horizon.rate(step) for step in range(50)]
    assert rates[:10] == pytest.approx([0.04 * (step + 1) for step in range(10)])
    assert rates[10] == 0.4
    assert rates[30] == pytest.approx(0.2)  # half way between warm-up and end
    assert rates[49] == pytest.approx(0.4 * 0.5 * (1 - 0.99691733), rel=1e-3)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_without_warm_up_the_rate_starts_at_its_peak() -> None:
    assert Horizon(1, 5, 0.4).rate(0) == 0.4


def test_a_warm_up_longer_than_the_training_never_ends() -> None:
    assert Horizon(1, 4, 0.4, 4).rate(3) == pytest.approx(0.4)


# --- what all have in common ----------------------------------------


@pytest.mark.parametrize("settings", EVERY_KIND, ids=lambda settings: settings.kind)
def test_a_step_is_a_function_of_its_number_and_generator(settings: ScheduleSettings) -> None:
    first, again = (settings.build(SPACE, HORIZON) for _ in range(2))
    assert steps(first) == steps(again)


@pytest.mark.parametrize("settings", EVERY_KIND, ids=lambda settings: settings.kind)
def test_steps_are_of_the_space_and_students_follow_their_teachers(
    settings: ScheduleSettings,
) -> None:
    schedule = settings.build(SPACE, HORIZON)
    has_teacher = False
    for number, step in enumerate(steps(schedule)):
        has_teacher |= "keep_teacher" in schedule.actions(number)
        seen = []
        for subnet in step.subnets:
            assert SPACE.validate(subnet.architecture) == subnet.architecture
            for loss in subnet.losses:
                assert loss.targets != "largest" or SPACE.largest() in seen
                assert loss.targets != "teacher" or has_teacher
            seen.append(subnet.architecture)
        assert schedule.learning_rate(number) > 0
    assert len(steps(schedule)) == 100


# --- single and sandwich ----------------------------------------


def test_a_single_architecture_is_trained_on_labels_and_if_wanted_on_a_teacher() -> None:
    smallest = SPACE.smallest()
    plain = SingleSettings(architecture=dict(smallest))
    assert step_of(plain.build(SPACE, HORIZON), 3) == Step((Subnet(smallest),))
    assert not plain.build(SPACE, HORIZON).needs_teacher
    distilled = plain.model_copy(update={"distillation": 0.5, "temperature": 2.0})
    schedule = distilled.build(SPACE, HORIZON)
    assert schedule.needs_teacher
    assert step_of(schedule, 3).subnets[0].losses == (Loss(), Loss("teacher", 0.5, 2.0))


def test_the_sandwich_is_the_largest_on_labels_and_others_on_its_outputs() -> None:
    subnets = step_of(SandwichSettings(num_random=3).build(SPACE, HORIZON), 0).subnets
    assert subnets[0] == Subnet(SPACE.largest(), (Loss("labels"),))
    assert subnets[1] == Subnet(SPACE.smallest(), (Loss("largest"),))
    assert [subnet.losses for subnet in subnets[2:]] == [(Loss("largest"),)] * 3


# --- delayed shrinking ----------------------------------------


def delayed(horizon: Horizon = HORIZON, **given: object) -> DelayedShrinking:
    schedule = DELAYED.model_copy(update=given).build(SPACE, horizon)
    assert isinstance(schedule, DelayedShrinking)
    return schedule


def test_the_rates_are_those_that_the_released_code_has_in_tables() -> None:
    # SUPERNETS 3.2.4: 270 epochs, 2.6 at first; the table's epoch e is the rate at the end of e.
    rate = Horizon(270, 1, 2.6).rate
    found = [rate(epoch + 1) for epoch in (0, 90, 135, 150)]
    assert found == pytest.approx([2.600, 1.937, 1.285, 1.059], abs=1.5e-2)


def test_shrinking_is_delayed_and_its_channels_sorted_once() -> None:
    schedule = delayed()
    assert {len(step_of(schedule, number).subnets) for number in range(50)} == {1}
    assert {len(step_of(schedule, number).subnets) for number in range(50, 100)} == {4}
    assert [n for n in range(100) if schedule.actions(n)] == [50]
    assert schedule.actions(50) == ("sort_channels",)
    assert delayed(sort_channels=False).actions(50) == ()
    phases = [name for name, _ in itertools.groupby(schedule.phase(n) for n in range(100))]
    assert phases == ["largest alone", "ramp", "shrinking"]


@pytest.mark.parametrize("horizon", [HORIZON, Horizon(40, 3, 2.6, 0)])
def test_the_effective_rate_of_the_smaller_networks_climbs_linearly(horizon: Horizon) -> None:
    schedule = delayed(horizon)
    start = horizon.num_steps // 2
    length = 4 * horizon.steps_per_epoch
    effective = [
        step_of(schedule, n).subnets[1].losses[0].weight * schedule.learning_rate(n)
        for n in range(start, start + length)
    ]
    end = schedule.learning_rate(start + length)
    assert effective == pytest.approx([end * (k + 1) / length for k in range(length)])
    for number in range(start + length, horizon.num_steps):
        assert schedule.ramp(number) == 1.0


def test_without_a_ramp_or_a_delay_it_is_the_sandwich() -> None:
    schedule = delayed(start=0.0, ramp_epochs=0.0)
    sandwich = SandwichSettings().build(SPACE, HORIZON)
    assert steps(schedule) == steps(sandwich)
    assert schedule.actions(0) == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ramp_epochs": 10.0}, r"schedule.ramp_epochs .* below 10, got 10.0"),
        ({"ramp_epochs": 0.05}, r"ramp_epochs must be 0, or at least one step of 5 .* got 0.05"),
        ({"start": 0.02}, r"schedule.start must be 0, or leave .* of 20 epochs each, got 0.02"),
        ({"start": 0.98, "ramp_epochs": 0.0}, r"schedule.start must be 0, or leave .* got 0.98"),
    ],
)
def test_parts_without_steps_are_refused(given: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidTrainingError, match=message):
        delayed(**given)


# --- progressive shrinking ----------------------------------------


def test_the_published_phases_have_the_published_lengths_and_networks_per_step() -> None:
    space = MobileNetV3Settings.from_preset("imagenet").build()
    horizon = Horizon(605, 1, 2.6)
    schedule = ProgressiveShrinkingSettings().build(space, horizon)
    names = [schedule.phase(number) for number in range(605)]
    lengths = [(name, len(list(group))) for name, group in itertools.groupby(names)]
    assert lengths == [
        ("largest", 180),
        ("kernel", 125),
        ("depth 1", 25),
        ("depth 2", 125),
        ("width 1", 25),
        ("width 2", 125),
    ]
    starts = [0, 180, 305, 330, 455, 480]
    assert [len(step_of(schedule, start).subnets) for start in starts] == [1, 1, 2, 2, 4, 4]
    peaks = [max(schedule.learning_rate(n) for n in range(a, a + 25)) for a in starts]
    assert peaks == pytest.approx([2.6, 0.96, 0.08, 0.24, 0.08, 0.24])
    assert {n: schedule.actions(n) for n in range(605) if schedule.actions(n)} == {
        180: ("keep_teacher",),
        455: ("sort_channels",),
        480: ("sort_channels",),
    }


def seen_options(schedule: Schedule, space: SearchSpace, first: int, last: int) -> dict[str, set]:
    seen: dict[str, set] = {}
    for number in range(first, last):
        for subnet in step_of(schedule, number, number).subnets:
            for name, option in subnet.architecture.items():
                seen.setdefault(dimension(name), set()).add(option)
    return seen


def test_each_phase_admits_more_and_the_resolution_is_free_throughout() -> None:
    space = MobileNetV3Settings.from_preset("imagenet", resolutions=[128, 160]).build()
    schedule = ProgressiveShrinkingSettings().build(space, Horizon(605, 1, 1.0))
    assert seen_options(schedule, space, 0, 180) == {
        "resolution": {128, 160}, "depth": {4}, "kernel_size": {7}, "expand_ratio": {6}
    }  # fmt: skip
    kernels = seen_options(schedule, space, 180, 305)
    assert (kernels["kernel_size"], kernels["depth"]) == ({3, 5, 7}, {4})
    depths = seen_options(schedule, space, 305, 330)
    assert (depths["depth"], depths["expand_ratio"]) == ({3, 4}, {6})
    assert seen_options(schedule, space, 330, 455)["depth"] == {2, 3, 4}
    assert seen_options(schedule, space, 455, 480)["expand_ratio"] == {4, 6}
    assert seen_options(schedule, space, 480, 605)["expand_ratio"] == {3, 4, 6}


def test_channels_are_sorted_anew_within_the_widths_that_were_trained() -> None:
    """The released code's `expand_ratio_stage`."""
    space = MobileNetV3Settings.from_preset("imagenet").build()
    schedule = ProgressiveShrinkingSettings().build(space, Horizon(605, 1, 1.0))
    assert schedule.trained_widths(0) == schedule.trained_widths(455) == ()
    (kept,) = schedule.trained_widths(480)
    largest = space.largest()
    assert dict(kept) == {**largest, **{name: 4 for name in largest if "expand_ratio" in name}}
    both = {"kernel_size": 3, "depth": 2, "expand_ratio": 2, "width": 2}
    admitted = phases({}, both, {}).build(SPACE, HORIZON).trained_widths(99)
    assert len(set(admitted)) == 3  # expand ratios and widths, each large or small
    assert all(architecture["stage1.depth"] == 2 for architecture in admitted)


def test_networks_of_one_step_share_their_resolution() -> None:
    schedule = ProgressiveShrinkingSettings().build(SPACE, HORIZON)
    found = [
        {subnet.architecture["resolution"] for subnet in step.subnets} for step in steps(schedule)
    ]
    assert {len(resolutions) for resolutions in found} == {1}
    assert set().union(*found) == {8, 12}


def test_students_learn_from_labels_and_from_the_frozen_teacher() -> None:
    schedule = ProgressiveShrinkingSettings(distillation=0.7).build(SPACE, HORIZON)
    assert step_of(schedule, 0).subnets[0].losses == (Loss(),)
    assert step_of(schedule, 99).subnets[0].losses == (Loss(), Loss("teacher", 0.7))


def test_without_distillation_no_teacher_is_kept() -> None:
    schedule = ProgressiveShrinkingSettings(distillation=0.0).build(SPACE, HORIZON)
    actions = {action for number in range(100) for action in schedule.actions(number)}
    assert actions == {"sort_channels"}
    assert {s.losses for step in steps(schedule) for s in step.subnets} == {(Loss(),)}


def test_phases_follow_what_the_space_has() -> None:
    fixed = SETTINGS.model_dump(mode="json")
    for stage in fixed["stages"]:
        stage |= {"kernel_sizes": [3], "depths": [2]}
    space = type(SETTINGS).model_validate(fixed).build()
    assert [phase.name for phase in published_phases(space)] == ["largest", "width"]


def phases(*admitted: dict[str, int]) -> ProgressiveShrinkingSettings:
    return ProgressiveShrinkingSettings(
        phases=tuple(
            PhaseSettings(name=str(number), share=1, admitted=given)
            for number, given in enumerate(admitted)
        )
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (phases(ALL_SIZES, {}), r"schedule.phases.0.admitted must be empty"),
        (phases({}, {"heads": 2}), r"phases.1.admitted.heads must be a dimension of the space"),
        (phases({}, ALL_SIZES | {"depth": 3}), r"depth must be between 1, as before, and 2, .* 3"),
        (phases({}, ALL_SIZES, {"depth": 1}), r"phases.2.admitted.depth must be between 2"),
        (phases({}, {"depth": 2}), r"schedule.phases must admit all \d options of"),
        (phases({}, *[ALL_SIZES] * 20), r"at most as many phases as the training has epochs \(20"),
    ],
)  # fmt: skip
def test_phases_that_do_not_fit_are_refused(
    settings: ProgressiveShrinkingSettings, message: str
) -> None:
    with pytest.raises(InvalidTrainingError, match=message):
        settings.build(SPACE, HORIZON)


def test_every_phase_gets_an_epoch_however_short_the_training() -> None:
    schedule = ProgressiveShrinkingSettings().build(SPACE, Horizon(4, 2, 0.1))
    found = [schedule.phase(number) for number in range(0, 8, 2)]
    assert found == [phase.name for phase in published_phases(SPACE)]
    assert found == ["largest", "kernel", "depth", "width"]


# --- several architectures in one pass ----------------------------------------


def multi(**given: object) -> MultiArchitecture:
    settings = MultiArchitectureSettings(num_architectures=3, widening_share=0.5)
    return MultiArchitecture(SPACE, HORIZON, settings.model_copy(update=given))


def test_the_batch_is_divided_among_the_networks() -> None:
    step = step_of(multi(), 0)
    assert step.is_divided
    assert len(step.subnets) == 3
    assert {subnet.losses for subnet in step.subnets} == {(Loss(),)}


def test_the_widest_options_are_admitted_first() -> None:
    schedule = multi()
    kernels = [choice.name for choice in SPACE.choices].index("stage1.block1.kernel_size")
    depths = [choice.name for choice in SPACE.choices].index("stage1.depth")
    # min(1 + floor(epoch * (n - 1) / W), n) of n = 3 with W = 10 epochs (SUPERNETS 6).
    found = [int(schedule.admitted(5 * epoch)[kernels]) for epoch in range(12)]
    assert found == [1] * 5 + [2] * 5 + [3] * 2
    assert schedule.admitted(0)[depths] == 2
    assert (multi(widening_share=0.0).admitted(0) == SPACE.num_options).all()
    first = {s.architecture["stage1.width"] for s in step_of(schedule, 0).subnets}
    assert first == {8}

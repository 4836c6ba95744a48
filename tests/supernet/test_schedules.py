import numpy as np
from supernet_examples import SETTINGS

from supernet.schedules import Subnet
from supernet.settings import SandwichSettings, SingleSettings

SPACE = SETTINGS.build()


def test_the_sandwich_is_the_largest_on_labels_and_others_on_its_outputs() -> None:
    subnets = SandwichSettings(num_random=3).build(SPACE).step(0.0, np.random.default_rng(0))
    assert subnets[0] == Subnet(SPACE.largest(), "labels")
    assert subnets[1] == Subnet(SPACE.smallest(), "largest")
    assert [subnet.targets for subnet in subnets[2:]] == ["largest"] * 3
    assert all(SPACE.validate(subnet.architecture) for subnet in subnets)


def test_a_step_is_a_function_of_its_generator() -> None:
    schedule = SandwichSettings(num_random=3).build(SPACE)
    first, again, other = (schedule.step(0.0, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_the_largest_network_may_go_first_alone() -> None:
    schedule = SandwichSettings(largest_only_epochs=2).build(SPACE)
    rng = np.random.default_rng(0)
    assert schedule.sort_epoch == 2
    assert schedule.step(1.99, rng) == [Subnet(SPACE.largest())]
    assert len(schedule.step(2.0, rng)) == 4
    assert SandwichSettings().build(SPACE).sort_epoch is None


def test_a_single_architecture_is_trained_on_labels() -> None:
    smallest = SPACE.smallest()
    schedule = SingleSettings(architecture=dict(smallest)).build(SPACE)
    assert schedule.step(3.0, np.random.default_rng(0)) == [Subnet(smallest)]

import numpy as np
import pytest
from scipy.stats import hypergeom

from supernet.floors import MAX_ERROR, least_plausible, needed_for


def test_the_least_number_that_reaches_a_floor() -> None:
    assert needed_for(0.0, 397) == 0
    assert needed_for(-3.0, 397) == 0
    assert needed_for(50.0, 397) == 199
    assert needed_for(100.0, 397) == 397
    assert needed_for(100.1, 397) == 398
    for count in range(398):  # a floor that some network has reached is reached by as many
        assert needed_for(100 * count / 397, 397) == count


@pytest.mark.parametrize("needed", [0, 1, 37, 250, 396, 397])
def test_each_look_is_the_exact_test(needed: int) -> None:
    looks = (1, 10, 64, 200, 396)
    for seen, least in zip(looks, least_plausible(needed, 397, looks), strict=True):
        chance = hypergeom(397, needed, seen)
        assert chance.cdf(least) > MAX_ERROR / len(looks)
        assert least == 0 or chance.cdf(least - 1) <= MAX_ERROR / len(looks)


@pytest.mark.parametrize("needed", [15, 60, 110])
def test_all_looks_together_err_as_rarely_as_is_said(needed: int) -> None:
    """The chance of ever being dropped, exactly, by going from look to look."""
    num_images, looks = 120, (10, 20, 40, 60, 80, 100, 119)
    leasts = least_plausible(needed, num_images, looks)
    alive = np.zeros(num_images + 1)
    alive[0], before = 1.0, 0
    for seen, least in zip(looks, leasts, strict=True):
        after = np.zeros_like(alive)
        for right in np.flatnonzero(alive):
            rest = hypergeom(num_images - before, needed - right, seen - before)
            more = np.arange(seen - before + 1)
            after[right : right + len(more)] += alive[right] * rest.pmf(more)
        after[:least] = 0.0
        alive, before = after, seen
    dropped = 1 - alive.sum()
    assert 1e-6 < dropped <= MAX_ERROR


def test_what_is_out_of_reach_is_dropped_at_once() -> None:
    assert least_plausible(11, 10, (1, 4)) == (2, 5)


def test_more_images_prove_more() -> None:
    looks = tuple(range(100, 1000, 100))
    leasts = least_plausible(800, 1000, looks)
    shares = [least / seen for least, seen in zip(leasts, looks, strict=True)]
    assert shares == sorted(shares)
    assert 0.5 < shares[0] < shares[-1] < 0.8

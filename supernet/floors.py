"""When the images seen so far prove that an accuracy cannot reach a floor.

The images of a split are a finite population, seen in an order that was shuffled once: those seen
so far are a sample without replacement, and the number of them that are classified rightly is
hypergeometric. The test is exact for each look, and the looks share its error (Bonferroni).
"""

import math
from functools import lru_cache

import numpy as np
from scipy.special import gammaln

MAX_ERROR = 1e-3
"""Chance that an architecture at or above its floor is dropped, over all looks."""


def needed_for(floor_percent: float, num_images: int) -> int:
    """Returns the least number of images classified rightly whose share reaches the floor."""
    count = max(0, math.floor(floor_percent * num_images / 100) - 1)
    while 100 * count / num_images < floor_percent:
        count += 1
    return count


@lru_cache(maxsize=4096)
def least_plausible(needed: int, num_images: int, looks: tuple[int, ...]) -> tuple[int, ...]:
    """Returns for each look the least number of right ones that does not prove the floor missed.

    An architecture that classifies `needed` images rightly is below it at some look with a
    probability of at most `MAX_ERROR`; one that classifies more, with less.

    Args:
        needed: images of the split that must be classified rightly.
        num_images: of the split.
        looks: how many images are seen at each look; below `num_images`.
    """
    return tuple(_quantile(needed, num_images, seen, MAX_ERROR / len(looks)) for seen in looks)


def _quantile(needed: int, num_images: int, seen: int, error: float) -> int:
    """Returns the least k with P(X <= k) > error, X hypergeometric."""
    if needed > num_images:
        return seen + 1  # whatever was seen, the floor is out of reach
    possible = np.arange(max(0, seen - (num_images - needed)), min(seen, needed) + 1)
    log_chance = (
        _log_binomial(needed, possible)
        + _log_binomial(num_images - needed, seen - possible)
        - _log_binomial(num_images, np.array(seen))
    )
    below = np.cumsum(np.exp(log_chance))
    return int(possible[0] + np.searchsorted(below, error, side="right"))


def _log_binomial(n: int, k: np.typing.NDArray[np.int64]) -> np.typing.NDArray[np.float64]:
    found: np.typing.NDArray[np.float64] = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return found

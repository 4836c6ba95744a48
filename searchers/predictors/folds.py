"""Parts of rows that are held out in turn, and rows that are drawn again and again."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from searchers.predictors.base import Matrix, Vector

Positions = npt.NDArray[np.int64]


def folds(
    count: int, num_folds: int, rng: np.random.Generator
) -> Iterator[tuple[Positions, Positions]]:
    """Yields the rows to learn from and those held out; each row is held out once.

    Args:
        count: of rows, two at least.
        num_folds: parts, of equal size to within one; with fewer rows each is a part.
        rng: shuffles the rows.
    """
    parts = np.array_split(rng.permutation(count), min(num_folds, count))
    for part in parts:
        held = np.sort(part)
        yield np.setdiff1d(np.arange(count), held), held


def bootstrap_counts(count: int, num_samples: int, rng: np.random.Generator) -> Positions:
    """Returns how often each row is in each sample with replacement, shape (num_samples, count)."""
    drawn = rng.integers(0, count, (num_samples, count))
    return np.stack([np.bincount(sample, minlength=count) for sample in drawn])


def out_of_bag_error(predictions: Matrix, counts: Positions, targets: Vector) -> float:
    """Returns the root mean square error over the rows by the models that did not see them.

    A model of the error that no single model makes: rows are predicted by the mean of those models
    whose sample lacks them (Breiman 1996, "Out-of-bag estimation").

    Args:
        predictions: of each model, shape (num_samples, count).
        counts: of the rows in the models' samples, same shape.
        targets: shape (count,).

    Returns:
        0 where every sample has every row.
    """
    unseen = counts == 0
    num_unseen = unseen.sum(axis=0)
    known = num_unseen > 0
    if not known.any():
        return 0.0
    means = np.where(unseen, predictions, 0.0).sum(axis=0)[known] / num_unseen[known]
    return float(np.sqrt(np.mean((means - targets[known]) ** 2)))

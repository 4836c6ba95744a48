"""Fixed-length vectors of architectures, for predictors."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from search_space.space import Genes, SearchSpace


def features(space: SearchSpace, genes: Genes) -> npt.NDArray[np.float32]:
    """Returns the one-hot encoding of each active choice, and the places of ordered names.

    Inactive choices are all zero. Where names are ordered (`Choice.is_ordered`) a column more says
    where among them the option is, from -1 to 1: such choices may have more options than a
    predictor ever sees, and one-hot columns say nothing of the others.

    So networks that differ only in blocks that they do not have are equal to a predictor, too
    (counter-example: the public hardware-aware search systems encode inactive genes).

    Args:
        space: the space of the genes.
        genes: shape (count, num_choices).

    Returns:
        Shape (count, sum of the numbers of options + number of choices of ordered names), choice
        after choice in the space's order.
    """
    ordered = places(space, genes, _named(space)).astype(np.float32)
    return np.concatenate([one_hot(space, genes), ordered], axis=1)


def one_hot(space: SearchSpace, genes: Genes) -> npt.NDArray[np.float32]:
    """Returns the one-hot encoding of each active choice, shape (count, sum of num_options)."""
    count = len(genes)
    offsets = np.concatenate([[0], np.cumsum(space.num_options)])
    columns = genes + offsets[:-1]
    encoded = np.zeros((count, offsets[-1]), dtype=np.float32)
    encoded[np.arange(count)[:, None], columns] = space.active(genes)
    return encoded


def places(space: SearchSpace, genes: Genes, positions: Sequence[int]) -> npt.NDArray[np.float64]:
    """Returns where options are among those of some choices, from -1 to 1; 0 where inactive.

    Args:
        space: the space of the genes.
        genes: shape (count, num_choices).
        positions: of choices with at least two options.

    Returns:
        Shape (count, len(positions)).
    """
    chosen = list(positions)
    found = 2 * genes[:, chosen] / (space.num_options[chosen] - 1) - 1
    return np.where(space.active(genes)[:, chosen], found, 0.0)


def _named(space: SearchSpace) -> list[int]:
    return [position for position in space.ordered if space.choices[position].is_ordered]


def feature_names(space: SearchSpace) -> list[str]:
    """Returns what each column of `features` says: "choice=option", or "choice" for its place."""
    options = [f"{choice.name}={option}" for choice in space.choices for option in choice.options]
    return options + [space.choices[position].name for position in _named(space)]

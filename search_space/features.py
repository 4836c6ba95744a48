"""Fixed-length vectors of architectures, for predictors."""

import numpy as np
import numpy.typing as npt

from search_space.space import Genes, SearchSpace


def features(space: SearchSpace, genes: Genes) -> npt.NDArray[np.float32]:
    """Returns the one-hot encoding of each active choice; inactive choices are all zero.

    So networks that differ only in blocks that they do not have are equal to a predictor, too
    (counter-example: the public hardware-aware search systems encode inactive genes).

    Args:
        space: the space of the genes.
        genes: shape (count, num_choices).

    Returns:
        Shape (count, sum of the numbers of options), choice after choice in the space's order.
    """
    count = len(genes)
    offsets = np.concatenate([[0], np.cumsum(space.num_options)])
    columns = genes + offsets[:-1]
    encoded = np.zeros((count, offsets[-1]), dtype=np.float32)
    encoded[np.arange(count)[:, None], columns] = space.active(genes)
    return encoded


def feature_names(space: SearchSpace) -> list[str]:
    """Returns what each column of `features` says: "choice=option"."""
    return [f"{choice.name}={option}" for choice in space.choices for option in choice.options]

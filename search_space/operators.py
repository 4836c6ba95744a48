"""Variation and enumeration of architectures, batch-first on canonical gene matrices.

Every function returns canonical genes. Genes that were inactive in a parent and become active in a
child are drawn afresh: left at 0 they would favour the first option of every deeper choice.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from search_space.space import Genes, SearchSpace

MAX_ENUMERABLE = 2**62
"""Spaces above this size cannot be ranked with 64-bit integers (nor enumerated in a lifetime)."""


def _fill_inactive(space: SearchSpace, genes: Genes, rng: np.random.Generator) -> Genes:
    """Returns the genes with every inactive one drawn uniformly."""
    return np.where(space.active(genes), genes, rng.integers(0, space.num_options, genes.shape))


def mutate(space: SearchSpace, genes: Genes, rate: float, rng: np.random.Generator) -> Genes:
    """Returns mutants: each active gene changes to another of its options with probability `rate`.

    Every mutant differs from its parent: a row that chance left alone gets one changed gene,
    uniform over the active genes that have an alternative. In a space of one architecture the row
    returns.

    Args:
        space: the space of the genes.
        genes: canonical, shape (count, num_choices).
        rate: probability in [0, 1] that a gene changes.
        rng: the only source of randomness.

    Returns:
        Canonical genes of the same shape.
    """
    changeable = space.active(genes) & (space.num_options > 1)
    draws = rng.random(genes.shape)
    chosen = changeable & (draws < rate)
    spared = ~chosen.any(axis=1) & changeable.any(axis=1)
    smallest_draw = np.where(changeable, draws, np.inf).argmin(axis=1)
    chosen[spared, smallest_draw[spared]] = True
    # Adding 1 .. n-1 modulo n reaches each other option with equal probability.
    shift = rng.integers(1, np.maximum(space.num_options, 2), genes.shape)
    mutants = np.where(
        chosen, (genes + shift) % space.num_options, _fill_inactive(space, genes, rng)
    )
    return space.canonical(mutants)


def step(space: SearchSpace, genes: Genes, rate: float, rng: np.random.Generator) -> Genes:
    """Returns neighbours along ordered options: chosen genes move up or down by one.

    As `mutate` otherwise, but a gene that would leave its options stays, so that a row may return
    unchanged.

    Args:
        space: the space of the genes.
        genes: canonical, shape (count, num_choices).
        rate: probability in [0, 1] that an active gene moves.
        rng: the only source of randomness.

    Returns:
        Canonical genes of the same shape.
    """
    draws = rng.random(genes.shape)
    # The lower half of the chosen draws moves down, the upper half up.
    move = (draws < rate).astype(np.int64) - 2 * (draws < rate / 2)
    moved = np.clip(genes + move, 0, space.num_options - 1)
    if not (space.parents >= 0).any():  # nothing is ever inactive
        return moved
    return space.canonical(np.where(space.active(genes), moved, _fill_inactive(space, genes, rng)))


def crossover(space: SearchSpace, first: Genes, second: Genes, rng: np.random.Generator) -> Genes:
    """Returns children that take each gene from either parent with probability one half.

    Where only one parent has a gene active, the child takes that parent's option, so that a child
    of a deep and a shallow network inherits the deep parent's further blocks.

    Args:
        space: the space of the genes.
        first: canonical genes of shape (count, num_choices).
        second: the other parents, same shape.
        rng: the only source of randomness.

    Returns:
        Canonical genes of the same shape, one child per pair.
    """
    in_first, in_second = space.active(first), space.active(second)
    from_first = np.where(in_first == in_second, rng.random(first.shape) < 0.5, in_first)
    children = np.where(from_first, first, second)
    drawn = rng.integers(0, space.num_options, first.shape)
    return space.canonical(np.where(in_first | in_second, children, drawn))


def neighbours(space: SearchSpace, row: Genes) -> Genes:
    """Returns all architectures that differ from one in a single active choice.

    Choices that the change activates take their first option.

    Args:
        space: the space of the genes.
        row: canonical genes of shape (num_choices,).

    Returns:
        Distinct canonical genes of shape (count, num_choices), in the order of choices and options.
    """
    active = space.active(row[None])[0]
    changed = []
    for position in np.flatnonzero(active):
        for option in range(space.num_options[position]):
            if option != row[position]:
                neighbour = row.copy()
                neighbour[position] = option
                changed.append(neighbour)
    if not changed:
        return np.empty((0, space.num_choices), dtype=np.int64)
    return space.canonical(np.stack(changed))


def genes_at(space: SearchSpace, ranks: npt.NDArray[np.int64]) -> Genes:
    """Returns the architectures of the given ranks in the space's own order.

    The order counts the last choice fastest, and only distinct architectures: ranks 0 to size - 1
    are a bijection, so a uniform rank is a uniform architecture.

    Args:
        space: a space of at most `MAX_ENUMERABLE` architectures.
        ranks: integers in [0, space.size), shape (count,).

    Returns:
        Canonical genes of shape (count, num_choices).

    Raises:
        ValueError: the space is too large.
    """
    if space.size > MAX_ENUMERABLE:
        raise ValueError(
            f"only spaces of at most {MAX_ENUMERABLE} architectures can be ranked; "
            f"{space.name!r} has {space.size}"
        )
    genes = np.zeros((len(ranks), space.num_choices), dtype=np.int64)
    roots = [j for j in range(space.num_choices) if space.parents[j] < 0]
    _settle(space, roots, np.arange(len(ranks)), np.array(ranks, dtype=np.int64), genes)
    return genes


def _settle(
    space: SearchSpace,
    siblings: list[int],
    rows: npt.NDArray[np.int64],
    ranks: npt.NDArray[np.int64],
    genes: Genes,
) -> None:
    """Writes the genes of sibling subtrees for some rows, whose ranks count those subtrees only."""
    for position in reversed(siblings):
        ranks, own = np.divmod(ranks, space.subtree_size(position))
        branches = [space.branch_size(position, k) for k in range(space.num_options[position])]
        starts = np.concatenate([[0], np.cumsum(branches)])
        option = np.searchsorted(starts, own, side="right") - 1
        genes[rows, position] = option
        for k in np.unique(option):
            children = space.children(position, int(k))
            if children:
                here = option == k
                _settle(space, children, rows[here], own[here] - starts[k], genes)


def sample_evenly(space: SearchSpace, count: int, rng: np.random.Generator) -> Genes:
    """Draws architectures of a space of any size, each as likely as any other (up to rounding).

    Unlike `SearchSpace.sample`, which may hardly ever come to most of a space: at the end of a
    chain of fifty conditions with two options each by a chance of 2^-50. An option is drawn with
    the share of the architectures below its choice that hold it.

    Args:
        space: what to draw from.
        count: how many; duplicates may occur.
        rng: the only source of randomness.

    Returns:
        Canonical genes of shape (count, num_choices).
    """
    genes = np.zeros((count, space.num_choices), dtype=np.int64)
    chances = rng.random(genes.shape)
    for position in range(space.num_choices):
        total = space.subtree_size(position)
        # Of whole numbers of any size; only their ratios are floats.
        shares = [
            space.branch_size(position, option) / total
            for option in range(space.num_options[position])
        ]
        bounds = np.cumsum(shares)[:-1]
        genes[:, position] = np.searchsorted(bounds, chances[:, position], side="right")
    return space.canonical(genes)


def enumerate_genes(space: SearchSpace, batch_size: int = 65_536) -> Iterator[Genes]:
    """Yields every distinct architecture once, in batches of canonical genes.

    Raises:
        ValueError: the space is too large to be ranked (see `genes_at`).
    """
    for start in range(0, space.size, batch_size):
        yield genes_at(space, np.arange(start, min(start + batch_size, space.size)))

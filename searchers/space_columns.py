"""What a Gaussian process sees of architectures, and which of it is likely of one scale.

Beside the one-hot encoding of each choice there are, for any space:

- the place of an option among its choice's options, from -1 to 1, where these are more than two
  numbers or ordered names: kernel sizes, widths and depths have an order, and routes of stitches;
- how often each option is taken, over all choices that have the same options: the number of 5 x 5
  kernels of a network says much about its accuracy and its latency before anything is known about
  the single layers.

The scale of a column is exp of a sum of parameters, most of which several columns share: an option
of one choice weighs much as the same option of another.
"""

from dataclasses import dataclass

import numpy as np

from search_space.features import one_hot, places
from search_space.space import Genes, SearchSpace
from searchers.predictors.base import Matrix, Vector


@dataclass(frozen=True)
class Scales:
    """How the scales of columns depend on parameters that are normal a priori.

    Attributes:
        design: log scales are `design @ parameters`, shape (num_columns, num_parameters).
        mean: of the parameters, shape (num_parameters,).
        deviation: of the parameters, same shape.
    """

    design: Matrix
    mean: Vector
    deviation: Vector

    @classmethod
    def separate(cls, num_columns: int) -> "Scales":
        """Returns scales of which each column has its own."""
        mean = np.full(num_columns, -0.5 * np.log(max(1, num_columns)))
        return cls(np.eye(num_columns), mean, np.full(num_columns, 1.0))


class SpaceColumns:
    """The columns of a space.

    Attributes:
        scales: how their scales depend on each other.

    Args:
        space: of the architectures.
        counts: whether options are counted.
    """

    def __init__(self, space: SearchSpace, *, counts: bool = True) -> None:
        self._space = space
        self._counts = counts
        groups: dict[tuple[object, ...], list[int]] = {}
        for position, choice in enumerate(space.choices):
            groups.setdefault(choice.options, []).append(position)
        self._groups = list(groups.values())
        self._ordered = space.ordered
        self._starts = np.concatenate([[0], np.cumsum(space.num_options)]).astype(np.int64)
        self.scales = self._scales()

    def matrix(self, genes: Genes) -> Matrix:
        """Returns the columns of canonical genes, shape (count, num_columns)."""
        options = one_hot(self._space, genes).astype(np.float64)
        parts = [options, places(self._space, genes, self._ordered)]
        if self._counts:
            for group in self._counted():
                blocks = [options[:, self._starts[j] : self._starts[j + 1]] for j in group]
                parts.append(np.sum(blocks, axis=0) / np.sqrt(len(group)))
        return np.concatenate(parts, axis=1)

    def _counted(self) -> list[list[int]]:
        """Returns the choices of equal options, wherever there are several."""
        return [group for group in self._groups if len(group) > 1]

    def _scales(self) -> Scales:
        space = self._space
        names: dict[tuple[str, int, int], int] = {}
        priors: list[tuple[float, float]] = []

        def parameter(kind: str, which: int, option: int, mean: float, deviation: float) -> int:
            key = (kind, which, option)
            if key not in names:
                names[key] = len(priors)
                priors.append((mean, deviation))
            return names[key]

        group_of = {j: g for g, group in enumerate(self._groups) for j in group}
        weight = -0.5 * float(np.log(max(1, space.num_choices)))
        columns: list[list[int]] = []
        for j in range(space.num_choices):
            for option in range(space.num_options[j]):
                choice = parameter("choice", j, 0, weight, 0.5)
                columns.append([choice, parameter("option", group_of[j], option, 0.0, 0.7)])
        for j in self._ordered:
            choice = parameter("choice", j, 0, weight, 0.5)
            columns.append([choice, parameter("order", group_of[j], 0, -0.5, 0.7)])
        if self._counts:
            for group in self._counted():
                g = group_of[group[0]]
                for option in range(space.num_options[group[0]]):
                    count = parameter("count", g, 0, -0.7, 1.0)
                    columns.append([count, parameter("option", g, option, 0.0, 0.7)])
        design = np.zeros((len(columns), len(priors)))
        for column, parameters in enumerate(columns):
            design[column, parameters] = 1.0
        mean, deviation = np.array(priors).reshape(-1, 2).T
        return Scales(design, mean, deviation)

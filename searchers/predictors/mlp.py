"""An ensemble of small perceptrons (Lakshminarayanan et al. 2017, NeurIPS 30: deep ensembles).

All members are trained at once, as one stack of matrices, so that a fit of some hundred rows takes
a fraction of a second. Shapes: E members, N rows, D inputs, H hidden units.
"""

from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from searchers.predictors.base import Matrix, StandardizedPredictor, Vector
from searchers.predictors.folds import bootstrap_counts, out_of_bag_error

Stack = npt.NDArray[np.float32]
FIRST_DECAY, SECOND_DECAY, TINY = 0.9, 0.999, 1e-8  # Adam's own defaults


class MLPSettings(BaseModel):
    """Networks of two hidden layers, each of a bootstrap sample of the rows and weights of its own.

    Differs from the cited ensembles: members see samples instead of all rows, so that the rows that
    a member lacks tell the ensemble's error; and there is no output for the variance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["mlp"] = "mlp"
    num_members: int = Field(default=5, ge=2, le=100, description="Networks in the ensemble.")
    num_hidden: int = Field(default=32, ge=1, le=1024, description="Units of a hidden layer.")
    num_steps: int = Field(default=200, ge=1, le=100_000, description="Of Adam, on all rows each.")
    learning_rate: float = Field(default=0.01, gt=0, le=1, description="At first; falls to 0.")
    weight_decay: float = Field(
        default=0.01, ge=0, le=10, description="Decoupled, as a multiple of the learning rate."
    )

    def build(self, seed: int) -> "MLPPredictor":
        """Returns the predictor; the seed draws samples and weights."""
        return MLPPredictor(self, seed)


class MLPPredictor(StandardizedPredictor):
    """The mean of the members; its deviation is their spread and their out-of-bag error.

    Members agree where they saw rows and differ away from them, so that the deviation grows there.
    """

    def __init__(self, settings: MLPSettings, seed: int) -> None:
        super().__init__()
        self._settings = settings
        self._seed = seed

    def _fit(self, rows: Matrix, targets: Vector) -> None:
        rng = np.random.default_rng(self._seed)
        counts = bootstrap_counts(len(rows), self._settings.num_members, rng)
        self._offset = rows.mean(axis=0)
        # One scale for all features: a rare option is no larger than a common one.
        self._unit = float(np.sqrt(((rows - self._offset) ** 2).sum(axis=1).mean())) or 1.0
        sizes = [rows.shape[1], self._settings.num_hidden, self._settings.num_hidden, 1]
        self._parameters = _initial(sizes, self._settings.num_members, rng)
        self._train(self._scaled(rows), targets.astype(np.float32), counts)
        self._error = out_of_bag_error(self._outputs(rows), counts, targets)

    def _scaled(self, rows: Matrix) -> Stack:
        # Of length sqrt(2) on average: what weights of He's variance expect.
        scaled: Stack = ((rows - self._offset) * (np.sqrt(2) / self._unit)).astype(np.float32)
        return scaled

    def _train(self, x_ND: Stack, y_N: Stack, counts: npt.NDArray[np.int64]) -> None:
        """Adam with decoupled weight decay (Loshchilov and Hutter 2019) and a linear descent."""
        weights_EN = (counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)
        first = [np.zeros_like(parameter) for parameter in self._parameters]
        second = [np.zeros_like(parameter) for parameter in self._parameters]
        num_steps = self._settings.num_steps
        for step in range(1, num_steps + 1):
            rate = self._settings.learning_rate * (1 - (step - 1) / num_steps)
            gradients = _gradients(self._parameters, x_ND, y_N, weights_EN)
            correction = np.sqrt(1 - SECOND_DECAY**step) / (1 - FIRST_DECAY**step)
            for position, gradient in enumerate(gradients):
                first[position] += (1 - FIRST_DECAY) * (gradient - first[position])
                second[position] += (1 - SECOND_DECAY) * (gradient**2 - second[position])
                parameter = self._parameters[position]
                if position % 2 == 0:  # weights; biases do not decay
                    parameter *= np.float32(1 - rate * self._settings.weight_decay)
                parameter -= np.float32(rate * correction) * (
                    first[position] / (np.sqrt(second[position]) + TINY)
                )

    def _outputs(self, rows: Matrix) -> Matrix:
        """Returns the members' predictions, shape (E, N)."""
        return _forward(self._parameters, self._scaled(rows))[-1][:, :, 0].astype(np.float64)

    def _predict(self, rows: Matrix) -> tuple[Vector, Vector]:
        outputs = self._outputs(rows)
        return outputs.mean(axis=0), np.sqrt(outputs.var(axis=0, ddof=1) + self._error**2)


def _initial(sizes: list[int], num_members: int, rng: np.random.Generator) -> list[Stack]:
    """Returns weights and biases, layer after layer: normal with He's variance, but the last."""
    parameters: list[Stack] = []
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        # Rows have a given length, not given entries: the first layer's variance is 1.
        scale = 1.0 if layer == 0 else np.sqrt(2 / inputs)
        weights = scale * rng.standard_normal((num_members, inputs, outputs))
        parameters += [
            weights.astype(np.float32),
            np.zeros((num_members, 1, outputs), dtype=np.float32),
        ]
    return parameters


def _forward(parameters: list[Stack], x_ND: Stack) -> list[Stack]:
    """Returns the outputs of all layers, the last one's linear."""
    outputs: list[Stack] = []
    signal = x_ND[np.newaxis]
    for layer in range(0, len(parameters), 2):
        signal = signal @ parameters[layer] + parameters[layer + 1]
        if layer < len(parameters) - 2:
            signal = np.maximum(signal, 0)
        outputs.append(signal)
    return outputs


def _gradients(parameters: list[Stack], x_ND: Stack, y_N: Stack, weights_EN: Stack) -> list[Stack]:
    """Returns the gradients of each member's weighted half squared error."""
    outputs = _forward(parameters, x_ND)
    inputs = [x_ND[np.newaxis], *outputs[:-1]]
    gradients: list[Stack] = []
    delta = (outputs[-1] - y_N[:, np.newaxis]) * weights_EN[:, :, np.newaxis]
    for layer in reversed(range(len(inputs))):
        gradients = [
            np.swapaxes(inputs[layer], 1, 2) @ delta,
            delta.sum(axis=1, keepdims=True),
            *gradients,
        ]
        if layer > 0:
            delta = (delta @ np.swapaxes(parameters[2 * layer], 1, 2)) * (inputs[layer] > 0)
    return gradients

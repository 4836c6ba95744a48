"""An autoregressive policy over the choices of a space, and its gradient.

One LSTM cell (Hochreiter and Schmidhuber 1997) walks over the choices in their order, as the
controllers of NASNet (Zoph et al. 2018) and of ENAS do: at each active choice its input is the
embedding of the option taken last, and a linear head of that choice turns its state into
probabilities. At an inactive choice nothing is drawn and nothing changes: log-probability and
entropy are 0 there, and equal networks have equal probabilities.

Beyond those controllers, a head also sees a context vector (what the sample will be paid for), as
does the first input. With `hidden_size` 0 nothing but that and a bias is left: choices are drawn
independently of each other, as NAS-Bench-201's REINFORCE does (Dong and Yang 2020).

Written in float64 NumPy, with the gradient by hand (tests hold it against torch's): a search that
is evaluated by clients outside lives in the API process, which has no torch; and a replay shall
give the same architectures, so a draw should not hang on the seventh digit.

Shapes: B samples, J choices, H hidden units, C context numbers, n options of one choice.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search_space.space import Genes, SearchSpace

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Derivatives = Callable[[Values, Values], tuple[Values, Values]]

BETAS = (0.9, 0.999)
EPSILON = 1e-8
"""Adam's (Kingma and Ba 2015), as in its paper."""


@dataclass(frozen=True)
class Draws:
    """Architectures that a policy has drawn.

    Attributes:
        genes: canonical, shape (B, J).
        log_probabilities: of each choice's option, 0 where inactive; shape (B, J).
    """

    genes: Genes
    log_probabilities: Values


@dataclass(frozen=True)
class _Step:
    """What the forward pass keeps of one choice for the backward pass."""

    position: int
    active: Mask  # (B,)
    state: Values  # (B, H), after the cell
    before: tuple[Values, Values]  # state and memory before it, each (B, H)
    inputs: Values  # (B, H)
    gates: tuple[Values, Values, Values, Values]  # in, forget, out, new memory; each (B, H)
    memory: Values  # (B, H), after the cell
    squashed: Values  # (B, n), tanh of the scaled logits; the logits themselves without a bound
    log_probabilities: Values  # (B, n)


class Policy:
    """Probabilities of architectures, with parameters that learn.

    Args:
        space: whose architectures are drawn.
        num_context: C.
        hidden_size: H; 0 for choices that are independent of each other.
        initial_range: parameters start uniform within plus and minus this.
        temperature: divides logits.
        tanh_constant: logits are this times tanh of the scaled ones, so that no probability
            vanishes; None leaves them unbounded.
        rng: for the parameters' start.
    """

    def __init__(
        self,
        space: SearchSpace,
        num_context: int,
        *,
        hidden_size: int,
        initial_range: float,
        temperature: float,
        tanh_constant: float | None,
        rng: np.random.Generator,
    ) -> None:
        self._space = space
        self._temperature = temperature
        self._tanh_constant = tanh_constant
        ends = np.cumsum(space.num_options)
        self._options = [
            slice(int(e - n), int(e)) for e, n in zip(ends, space.num_options, strict=True)
        ]
        self._admits = [np.ones(0, dtype=np.bool_)] * space.num_choices
        for position, parent in enumerate(space.parents):
            if parent >= 0:
                when = space.choices[position].when
                assert when is not None
                admitted = set(when.options)
                self._admits[position] = np.array(
                    [option in admitted for option in space.choices[parent].options]
                )
        num_options = int(space.num_options.sum())
        self._shapes = {
            "start": (1, hidden_size),
            "context": (num_context, hidden_size),
            "embeddings": (num_options, hidden_size),
            "from_input": (hidden_size, 4 * hidden_size),
            "from_state": (hidden_size, 4 * hidden_size),
            "gate_bias": (1, 4 * hidden_size),
            "heads": (hidden_size, num_options),
            "context_heads": (num_context, num_options),
            "head_bias": (1, num_options),
        }
        size = sum(rows * columns for rows, columns in self._shapes.values())
        self.parameters: Values = rng.uniform(-initial_range, initial_range, size)
        self._moments = np.zeros((2, size))
        self._num_steps = 0

    def _named(self, flat: Values) -> dict[str, Values]:
        """Returns views of a flat vector by the names of parameters."""
        named, start = {}, 0
        for name, (rows, columns) in self._shapes.items():
            named[name] = flat[start : start + rows * columns].reshape(rows, columns)
            start += rows * columns
        return named

    # --- drawing -------------------------------------------------------------------------------

    def draw(self, context: Values, rng: np.random.Generator, *, heat: float = 1.0) -> Draws:
        """Draws architectures.

        Args:
            context: shape (B, C).
            rng: the only source of randomness.
            heat: divides the bounded logits, so that what is drawn is more even; then
                log-probabilities are those of the heated policy, from which it was drawn.
        """
        chances = rng.random((len(context), self._space.num_choices))
        genes = np.zeros(chances.shape, dtype=np.int64)
        log_probabilities, _, _ = self._walk(context, genes, chances, heat)
        return Draws(genes, log_probabilities)

    def log_probabilities(self, genes: Genes, context: Values) -> tuple[Values, Values]:
        """Returns the log-probability and the entropy of each choice, each of shape (B, J)."""
        log_probabilities, entropies, _ = self._walk(context, genes, None, 1.0)
        return log_probabilities, entropies

    def _walk(
        self, context: Values, genes: Genes, chances: Values | None, heat: float
    ) -> tuple[Values, Values, list[_Step]]:
        """Walks over the choices; with `chances`, fills in the genes on its way.

        Returns:
            Log-probabilities and entropies, each of shape (B, J), and the steps for `gradient`.
        """
        parameters = self._named(self.parameters)
        active = np.ones(genes.shape, dtype=np.bool_)
        results = np.zeros((2, *genes.shape))
        hidden_size = self._shapes["start"][1]
        state = memory = np.zeros((len(genes), hidden_size))
        inputs = parameters["start"] + context @ parameters["context"]
        steps = []
        for position, parent in enumerate(self._space.parents):
            if parent >= 0:
                admitted = self._admits[position][genes[:, parent]]
                active[:, position] = active[:, parent] & admitted
            now = active[:, position]
            if not now.any():
                continue
            step = self._step(parameters, context, position, now, inputs, state, memory, heat)
            steps.append(step)
            rows = step.log_probabilities
            if chances is not None:
                below = np.cumsum(np.exp(rows), axis=1) <= chances[:, position, None]
                drawn = np.minimum(below.sum(axis=1), rows.shape[1] - 1)
                genes[:, position] = np.where(now, drawn, 0)
            taken = genes[:, position]
            results[0, now, position] = rows[now, taken[now]]
            results[1, now, position] = -(np.exp(rows) * rows).sum(axis=1)[now]
            state, memory = step.state, step.memory
            embeddings = parameters["embeddings"][self._options[position]]
            inputs = np.where(now[:, None], embeddings[taken], inputs)
        return results[0], results[1], steps

    def _step(
        self,
        parameters: dict[str, Values],
        context: Values,
        position: int,
        active: Mask,
        inputs: Values,
        state: Values,
        memory: Values,
        heat: float,
    ) -> _Step:
        mixed = (
            inputs @ parameters["from_input"]
            + state @ parameters["from_state"]
            + parameters["gate_bias"]
        )
        into, forget, out, new = np.split(mixed, 4, axis=1)
        into, forget, out, new = _sigmoid(into), _sigmoid(forget), _sigmoid(out), np.tanh(new)
        remembered = forget * memory + into * new
        here, options = active[:, None], self._options[position]
        after = np.where(here, out * np.tanh(remembered), state)
        logits = (
            after @ parameters["heads"][:, options]
            + context @ parameters["context_heads"][:, options]
            + parameters["head_bias"][:, options]
        ) / self._temperature
        squashed = logits if self._tanh_constant is None else np.tanh(logits)
        bounded = squashed if self._tanh_constant is None else self._tanh_constant * squashed
        return _Step(
            position,
            active,
            after,
            (state, memory),
            inputs,
            (into, forget, out, new),
            np.where(here, remembered, memory),
            squashed,
            _log_softmax(bounded / heat),
        )

    # --- learning ------------------------------------------------------------------------------

    def gradient(self, genes: Genes, context: Values, derivatives: Derivatives) -> Values:
        """Returns the gradient of a loss in the parameters, flat like `parameters`.

        Args:
            genes: canonical, shape (B, J).
            context: shape (B, C).
            derivatives: given log-probabilities and entropies, each of shape (B, J), returns the
                loss's derivative in each; what it says of inactive choices does not matter.
        """
        log_probabilities, entropies, steps = self._walk(context, genes, None, 1.0)
        of_log_probabilities, of_entropies = derivatives(log_probabilities, entropies)
        parameters, flat = self._named(self.parameters), np.zeros_like(self.parameters)
        gradients = self._named(flat)
        state_wish = np.zeros((len(genes), self._shapes["start"][1]))
        memory_wish, input_wish = state_wish, state_wish
        for step in reversed(steps):
            at, options = step.position, self._options[step.position]
            here = step.active[:, None]
            # The input of the next active choice was this one's embedding.
            np.add.at(
                gradients["embeddings"][options], genes[step.active, at], input_wish[step.active]
            )
            input_wish = np.where(here, 0.0, input_wish)
            logit_wish = self._logit_gradient(
                step, genes[:, at], of_log_probabilities[:, at], of_entropies[:, at]
            )
            gradients["heads"][:, options] += step.state.T @ logit_wish
            gradients["context_heads"][:, options] += context.T @ logit_wish
            gradients["head_bias"][:, options] += logit_wish.sum(axis=0)
            state_wish = state_wish + logit_wish @ parameters["heads"][:, options].T
            mixed_wish, carried = _cell_gradient(step, state_wish, memory_wish)
            gradients["from_input"] += step.inputs.T @ mixed_wish
            gradients["from_state"] += step.before[0].T @ mixed_wish
            gradients["gate_bias"] += mixed_wish.sum(axis=0)
            input_wish = input_wish + mixed_wish @ parameters["from_input"].T
            through_cell = mixed_wish @ parameters["from_state"].T
            state_wish = np.where(here, through_cell, state_wish)
            memory_wish = np.where(here, carried, memory_wish)
        gradients["start"] += input_wish.sum(axis=0)
        gradients["context"] += context.T @ input_wish
        return flat

    def _logit_gradient(
        self, step: _Step, taken: Genes, of_log_probability: Values, of_entropy: Values
    ) -> Values:
        """Returns the loss's derivative in the linear head's output, shape (B, n)."""
        probabilities = np.exp(step.log_probabilities)
        entropy = -(probabilities * step.log_probabilities).sum(axis=1, keepdims=True)
        one_hot = np.arange(probabilities.shape[1]) == taken[:, None]
        wish = of_log_probability[:, None] * (one_hot - probabilities) - of_entropy[
            :, None
        ] * probabilities * (step.log_probabilities + entropy)
        if self._tanh_constant is not None:
            wish = wish * self._tanh_constant * (1 - step.squashed**2)
        return np.where(step.active[:, None], wish / self._temperature, 0.0)

    def descend(self, gradient: Values, learning_rate: float) -> None:
        """Moves the parameters against a gradient, by a step of Adam."""
        self._num_steps += 1
        powers = (gradient, gradient**2)
        for moment, power, beta in zip(self._moments, powers, BETAS, strict=True):
            moment *= beta
            moment += (1 - beta) * power
        first, second = (
            moment / (1 - beta**self._num_steps)
            for moment, beta in zip(self._moments, BETAS, strict=True)
        )
        self.parameters -= learning_rate * first / (np.sqrt(second) + EPSILON)


def _cell_gradient(step: _Step, state_wish: Values, memory_wish: Values) -> tuple[Values, Values]:
    """Returns the loss's derivative before the cell's gates, and in the memory it began with.

    Args:
        step: of the forward pass.
        state_wish: the derivative in the state after the cell, shape (B, H).
        memory_wish: the derivative in the memory after it, shape (B, H).

    Returns:
        Shapes (B, 4 H), 0 where the choice is inactive, and (B, H).
    """
    into, forget, out, new = step.gates
    squashed = np.tanh(step.memory)
    memory_wish = memory_wish + state_wish * out * (1 - squashed**2)
    mixed = np.concatenate(
        [
            memory_wish * new * into * (1 - into),
            memory_wish * step.before[1] * forget * (1 - forget),
            state_wish * squashed * out * (1 - out),
            memory_wish * into * (1 - new**2),
        ],
        axis=1,
    )
    return np.where(step.active[:, None], mixed, 0.0), memory_wish * forget


def _sigmoid(values: Values) -> Values:
    return 0.5 * (1 + np.tanh(0.5 * values))  # does not overflow


def _log_softmax(logits: Values) -> Values:
    shifted: Values = logits - logits.max(axis=1, keepdims=True)
    normalized: Values = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalized

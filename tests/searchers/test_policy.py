"""The policy network: its probabilities, and its gradient against torch's."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import seeds, spaces

from search_space.operators import enumerate_genes
from search_space.space import Choice, Condition, Genes, SearchSpace
from searchers.policy import Policy, Values

NESTED = SearchSpace(
    "nested",
    [
        Choice(name="depth", options=(1, 2, 3)),
        Choice(name="fixed", options=("only",)),
        Choice(name="kernel", options=(3, 5, 7), when=Condition(parent="depth", options=(2, 3))),
        Choice(name="ratio", options=(1, 2), when=Condition(parent="kernel", options=(5, 7))),
        Choice(name="width", options=(8, 16, 24, 32)),
    ],
)


def policy(space: SearchSpace, num_context: int = 0, seed: int = 0, **changes: Any) -> Policy:
    values = {"hidden_size": 5, "initial_range": 0.8, "temperature": 1.0, "tanh_constant": None}
    rng = np.random.default_rng(seed)
    return Policy(space, num_context, rng=rng, **(values | changes))


def everything(space: SearchSpace) -> Genes:
    return np.concatenate(list(enumerate_genes(space)))


@settings(max_examples=25)
@given(spaces(max_choices=5, max_options=3), seeds, st.sampled_from([0, 4]))
def test_the_probabilities_of_all_architectures_add_up_to_one(
    space: SearchSpace, seed: int, hidden_size: int
) -> None:
    genes = everything(space)
    context = np.tile([0.3, -0.7], (len(genes), 1))
    chances, entropies = policy(space, 2, seed, hidden_size=hidden_size).log_probabilities(
        genes, context
    )
    assert np.exp(chances.sum(axis=1)).sum() == pytest.approx(1)
    inactive = ~space.active(genes)
    assert (chances[inactive] == 0).all()
    assert (entropies[inactive] == 0).all()
    # The expected sum of the decisions' entropies is the entropy of architectures.
    probabilities = np.exp(chances.sum(axis=1))
    expected = -(probabilities * chances.sum(axis=1)).sum()
    assert (probabilities * entropies.sum(axis=1)).sum() == pytest.approx(expected)


def test_conditions_on_many_options_are_looked_up_once() -> None:
    # Each condition was worked out option by option, by a pass over all choices for each.
    many = tuple(range(3000))
    parent = Choice(name="parent", options=many)
    when = Condition(parent="parent", options=many[1::2])
    space = SearchSpace(
        "many", [parent, *(Choice(name=f"c{i}", options=(0, 1), when=when) for i in range(20))]
    )
    calls = 0

    class Counting(SearchSpace):
        def children(self, position: int, option: int) -> list[int]:
            nonlocal calls
            calls += 1
            return super().children(position, option)

    counting = Counting("many", space.choices)
    drawn = policy(counting).draw(np.empty((200, 0)), np.random.default_rng(0))
    assert calls == 0
    assert np.array_equal(counting.canonical(drawn.genes), drawn.genes)
    assert (drawn.genes[:, 1:].any(axis=1) <= (drawn.genes[:, 0] % 2 == 1)).all()


def test_what_is_drawn_has_the_probability_that_is_said() -> None:
    subject, count = policy(NESTED, seed=3), 20_000
    drawn = subject.draw(np.empty((count, 0)), np.random.default_rng(0))
    genes = everything(NESTED)
    chances, _ = subject.log_probabilities(genes, np.empty((len(genes), 0)))
    expected = np.exp(chances.sum(axis=1))
    found = {tuple(row): 0 for row in genes.tolist()}
    for row in drawn.genes.tolist():
        found[tuple(row)] += 1
    shares = np.array([*found.values()]) / count
    assert shares == pytest.approx(expected, abs=4 * np.sqrt(expected.max() / count))
    again, _ = subject.log_probabilities(drawn.genes, np.empty((count, 0)))
    assert again == pytest.approx(drawn.log_probabilities)


def test_heat_makes_draws_even_and_says_so() -> None:
    subject = policy(NESTED, initial_range=5.0)
    hot = subject.draw(np.empty((2000, 0)), np.random.default_rng(0), heat=1e9)
    depths = np.bincount(hot.genes[:, 0], minlength=3) / 2000
    assert depths == pytest.approx([1 / 3] * 3, abs=0.05)
    assert hot.log_probabilities[:, 0] == pytest.approx(-np.log(3))
    assert hot.log_probabilities[:, 1] == pytest.approx(0)


def test_without_hidden_units_choices_are_independent_but_for_the_context() -> None:
    subject = policy(NESTED, 1, hidden_size=0)
    genes = everything(NESTED)
    for context in (-1.0, 1.0):
        chances, _ = subject.log_probabilities(genes, np.full((len(genes), 1), context))
        assert len({round(value, 9) for value in chances[genes[:, 4] == 2, 4]}) == 1
    both = [subject.log_probabilities(genes[:1], np.array([[c]]))[0] for c in (-1.0, 1.0)]
    assert not np.allclose(*both)


def test_a_bound_on_logits_leaves_every_option_a_chance() -> None:
    subject = policy(NESTED, initial_range=50.0, tanh_constant=1.5)
    genes = everything(NESTED)
    chances, _ = subject.log_probabilities(genes, np.empty((len(genes), 0)))
    assert chances[:, 4].min() >= np.log(1 / (1 + 3 * np.exp(3.0))) - 1e-9
    free, _ = policy(NESTED, initial_range=50.0).log_probabilities(genes, np.empty((len(genes), 0)))
    assert free[:, 4].min() < -20


# --- torch as the oracle -------------------------------------------------------------------------


def torch_loss(
    subject: Policy, genes: Genes, context: Values, weights: tuple[Values, Values], **kind: Any
) -> Values:
    """The gradient of sum(a log p + b H) by torch, one sample after the other, by its LSTM cell."""
    flat = torch.tensor(subject.parameters, requires_grad=True)
    names = subject._named(subject.parameters)
    sizes = [array.size for array in names.values()]
    parts = {
        name: part.reshape(names[name].shape)
        for name, part in zip(names, torch.split(flat, sizes), strict=True)
    }
    hidden = parts["start"].shape[1]
    order = [0, 1, 3, 2]  # torch's gates are in, forget, new, out
    cell = {
        name: torch.cat([parts[name].split(hidden, dim=1)[k] for k in order], dim=1)
        for name in ("from_input", "from_state", "gate_bias")
    }
    starts = np.concatenate([[0], np.cumsum(NESTED.num_options)])
    total = torch.zeros((), dtype=torch.float64)
    for i, row in enumerate(genes.tolist()):
        state = torch.zeros(1, hidden, dtype=torch.float64)
        memory = state
        told = torch.tensor(context[i : i + 1])
        inputs = parts["start"] + told @ parts["context"]
        for j in np.flatnonzero(NESTED.active(genes[i : i + 1])[0]):
            state, memory = torch.lstm_cell(
                inputs,
                (state, memory),
                cell["from_input"].T,
                cell["from_state"].T,
                cell["gate_bias"][0],
                torch.zeros(4 * hidden, dtype=torch.float64),
            )
            options = slice(starts[j], starts[j + 1])
            logits = (
                state @ parts["heads"][:, options]
                + told @ parts["context_heads"][:, options]
                + parts["head_bias"][:, options]
            ) / kind.get("temperature", 1.0)
            if kind.get("tanh_constant") is not None:
                logits = kind["tanh_constant"] * torch.tanh(logits)
            chances = torch.log_softmax(logits, dim=1)[0]
            total = total + weights[0][i, j] * chances[row[j]]
            total = total - weights[1][i, j] * (chances.exp() * chances).sum()
            inputs = parts["embeddings"][options][row[j]][None]
    total.backward()  # type: ignore[no-untyped-call]
    assert flat.grad is not None
    return np.asarray(flat.grad.numpy())


@pytest.mark.parametrize(
    "kind",
    [{}, {"temperature": 2.5, "tanh_constant": 1.5}, {"hidden_size": 1}, {"initial_range": 3.0}],
    ids=str,
)
def test_the_gradient_is_that_of_torch(kind: dict[str, Any]) -> None:
    subject = policy(NESTED, 2, seed=1, **kind)
    rng = np.random.default_rng(2)
    genes = NESTED.sample(12, rng)
    context = rng.normal(size=(12, 2))
    weights = (rng.normal(size=genes.shape), rng.normal(size=genes.shape))
    gradient = subject.gradient(genes, context, lambda *_: weights)
    expected = torch_loss(subject, genes, context, weights, **kind)
    assert np.abs(expected).max() > 0.1
    assert gradient == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_steps_are_those_of_adam() -> None:
    # Kingma and Ba 2015, algorithm 1, as it stands there (torch.optim takes seconds to import).
    subject = policy(NESTED)
    expected = subject.parameters.copy()
    mean, square = np.zeros_like(expected), np.zeros_like(expected)
    for t in range(1, 6):
        gradient = np.random.default_rng(t).normal(size=expected.shape)
        subject.descend(gradient, 0.03)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        expected -= 0.03 * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
    assert subject.parameters == pytest.approx(expected)

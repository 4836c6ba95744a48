"""Reinforcement learning: a policy that draws architectures is paid for what became of them.

A draw is an episode of one decision per active choice, paid at its end (`searchers/rewards.py`).
The policy (`searchers/policy.py`) learns from `batch_size` draws at a time, by

- PPO (Schulman et al. 2017, arXiv 1707.06347, equation 7): `epochs` steps along the gradient of
  min(r A, clip(r, 1 - clip, 1 + clip) A), where r is how much more probable a decision has become
  since it was drawn. NASNet and MnasNet learn so; the clip is not published (0.2 is PPO's).
- REINFORCE (Williams 1992): one step along A grad log p, as N2N does.

The advantage A is the draw's own reward less a baseline: the moving average (decay 0.95) of the
rewards of earlier draws, with the weights of early ones scaled up so that it is an average from the
start. (N2N's public code uses the batch's mean reward for all of its draws, and a baseline that is
too low at first; both learn worse.) Rewards may be relative to all that is known, and depend on the
draw's weights, so the earlier draws are paid anew by today's scale and this draw's weights. The
first batch has no earlier draws: there the baseline is the mean of the others.

Repeats. A policy that converges draws again what it has drawn. No architecture is proposed twice,
but such a draw is an honest sample of the policy, and its outcome is known: it is learned from like
a measured one, at no cost, and with it all draws of an architecture that is out. (Without them the
policy would learn only from what it thinks unlikely.) When a whole round of draws holds nothing
new, the next is drawn from a more even policy (logits divided by 1.5, then 1.5^2, ...); what is
found so is learned from with the probability that it was drawn with, so that r corrects for it.
Repeats from an evened policy are left out. What chance or a warm start has proposed was not drawn:
it is learned from as if the policy had drawn it when it was told. Failures teach nothing.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from search_space.outcomes import Failed, Measured
from search_space.space import Genes
from searchers.ledger import Ledger
from searchers.policy import Policy, Values
from searchers.protocol import (
    Observation,
    Problem,
    Proposal,
    Searcher,
    UnsuitableProblemError,
    WarmStart,
)
from searchers.rewards import Known, RewardSettings, ScalarizedReward, draw_weights

HEAT = 1.5
"""How much more even the policy becomes after a round of draws without anything new."""
LEAST_SHARE = 2.0**-60
"""A reward that weighs less than this, against the newest one's 1, is forgotten."""
MAX_REMEMBERED = 10_000
"""Rewards in a moving average, however slow its decay is."""
MAX_LOG_RATIO = 20.0
"""Larger ratios are cut here: they are clipped anyway, or their advantage is negative."""


class PPOSettings(BaseModel):
    """Reinforcement learning with a policy network; see the module.

    The defaults suit some hundred evaluations. NASNet's controller has a hidden size of 100, a
    learning rate of 0.00035, an entropy weight of 0.00001 and batches of 20, for 20,000 of them.
    A warm start is proposed before the policy's first draws.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["ppo"] = "ppo"
    algorithm: Literal["ppo", "reinforce"] = Field(
        default="ppo", description="Several clipped steps on a batch, or one plain step."
    )
    reward: RewardSettings = ScalarizedReward()
    batch_size: int = Field(
        default=10, ge=1, le=10_000, description="Proposals between barriers; draws of one update."
    )
    hidden_size: int = Field(
        default=32,
        ge=0,
        le=1024,
        description="Units of the LSTM; 0: choices are independent of each other.",
    )
    initial_range: float = Field(
        default=0.1, gt=0, le=10, description="Parameters start uniform within plus and minus this."
    )
    learning_rate: float = Field(default=0.01, gt=0, le=10, description="Of Adam.")
    epochs: int = Field(default=4, ge=1, le=1000, description="Steps on a batch; of `ppo` only.")
    clip: float = Field(default=0.2, gt=0, lt=1, description="Of the ratio; of `ppo` only.")
    entropy_weight: float = Field(
        default=0.01, ge=0, le=1000, description="Of the bonus for being undecided."
    )
    baseline_decay: float = Field(
        default=0.95, ge=0, lt=1, description="Of the moving average of rewards, per draw."
    )
    temperature: float = Field(default=1.0, gt=0, le=1000, description="Divides logits.")
    tanh_constant: float | None = Field(
        default=None,
        gt=0,
        le=1000,
        description="Bounds logits: they are this times tanh of what they would be.",
    )
    warm_start: WarmStart = ()

    def check(self, problem: Problem) -> None:
        """Returns if the reward is defined for this problem.

        Raises:
            UnsuitableProblemError: it is not.
        """
        try:
            self.reward.check(problem)
        except UnsuitableProblemError as error:
            field = f"reward.{error.field}"
            raise UnsuitableProblemError(field, error.rule, error.value) from None

    def build(self, problem: Problem, seed: int) -> "PPOSearcher":
        """Returns the searcher; equal problems, settings, seeds and logs give equal proposals.

        Raises:
            UnsuitableProblemError: the reward is not defined for this problem; the rule names the
                searchers that can do it.
        """
        from searchers.settings import check_problem  # it knows all searchers, and so this one

        check_problem(self, problem)
        return PPOSearcher(problem, self, seed)


@dataclass(frozen=True)
class _Draw:
    """What the policy has drawn.

    Attributes:
        genes: shape (num_choices,).
        weights: that it will be paid by, shape (num_objectives,).
        log_probabilities: of each choice's option when it was drawn, shape (num_choices,).
    """

    genes: Genes
    weights: Values
    log_probabilities: Values


@dataclass(frozen=True)
class _Lesson:
    """A draw whose outcome is known, and that outcome's place among all."""

    draw: _Draw
    place: int


class PPOSearcher(Searcher):
    """Proposes what its policy draws."""

    def __init__(self, problem: Problem, settings: PPOSettings, seed: int) -> None:
        self._settings = settings
        self._num_objectives = len(problem.objectives)
        reward = settings.reward
        self._is_conditional = (
            isinstance(reward, ScalarizedReward)
            and reward.weights is None
            and self._num_objectives > 1
        )
        self._rng = np.random.default_rng(seed)
        self._policy = Policy(
            problem.space,
            self._num_objectives if self._is_conditional else 0,
            hidden_size=settings.hidden_size,
            initial_range=settings.initial_range,
            temperature=settings.temperature,
            tanh_constant=settings.tanh_constant,
            rng=self._rng,
        )
        self._ledger = Ledger(problem, settings.warm_start)
        self._known = Known(problem)
        self._places: dict[bytes, int] = {}  # of outcomes, by the architecture's row
        self._out: dict[bytes, list[_Draw]] = {}  # draws of what was not told yet
        self._lessons: list[_Lesson] = []  # that were not learned from yet
        # Places of those that were, in their order: as many as weigh anything in the baseline.
        self._learned: deque[int] = deque(maxlen=num_remembered(settings.baseline_decay))
        self._num_updates = 0

    @property
    def batch_size(self) -> int:  # noqa: D102 - as in Searcher
        return self._settings.batch_size

    def ask(self, count: int) -> Sequence[Proposal]:  # noqa: D102 - as in Searcher
        heat = 1.0

        def draw(missing: int) -> Genes:
            nonlocal heat
            rows = self._draw(missing, heat)
            if len(rows) == 0:
                heat *= HEAT
            return rows

        return self._ledger.propose(count, draw, self._rng)

    def tell(self, observations: Sequence[Observation]) -> None:  # noqa: D102 - as in Searcher
        self._ledger.record(observations)
        for observation in observations:
            row = self._ledger.rows([observation.proposal.number])[0]
            draws = self._out.pop(row.tobytes(), None)
            outcome = observation.outcome
            if isinstance(outcome, Failed):
                continue
            metrics = outcome.metrics if isinstance(outcome, Measured) else None
            place = self._places[row.tobytes()] = self._known.add(metrics)
            self._lessons += [_Lesson(draw, place) for draw in draws or [self._as_if_drawn(row)]]
            self._learn()

    # --- drawing -------------------------------------------------------------------------------

    def _draw(self, missing: int, heat: float) -> Genes:
        """Returns up to `missing` new rows of one round of draws; learns from the known ones."""
        size = max(missing, self._settings.batch_size)
        weights = draw_weights(self._settings.reward, self._num_objectives, size, self._rng)
        drawn = self._policy.draw(self._context(weights), self._rng, heat=heat)
        is_new = self._ledger.is_new(drawn.genes)
        rows: dict[bytes, Genes] = {}
        for new, *parts in zip(is_new, drawn.genes, weights, drawn.log_probabilities, strict=True):
            if len(rows) == missing:
                break
            draw = _Draw(*parts)
            key = draw.genes.tobytes()
            if new and key not in rows:
                rows[key] = draw.genes
                self._out[key] = [draw]
            elif heat == 1 and key in self._out:
                self._out[key].append(draw)
            elif heat == 1 and key in self._places:
                self._lessons.append(_Lesson(draw, self._places[key]))
        self._learn()
        return np.array([*rows.values()], dtype=np.int64).reshape(len(rows), drawn.genes.shape[1])

    def _context(self, weights: Values) -> Values:
        """Returns what the policy sees of the weights: nothing where they are always the same."""
        return (
            weights - weights.mean(axis=1, keepdims=True)
            if self._is_conditional
            else weights[:, :0]
        )

    def _as_if_drawn(self, row: Genes) -> _Draw:
        weights = draw_weights(self._settings.reward, self._num_objectives, 1, self._rng)
        chances, _ = self._policy.log_probabilities(row[np.newaxis], self._context(weights))
        return _Draw(row, weights[0], chances[0])

    # --- learning ------------------------------------------------------------------------------

    def _learn(self) -> None:
        """Learns from the oldest lessons as long as they fill a batch."""
        size = self._settings.batch_size
        while len(self._lessons) >= size:
            batch, self._lessons = self._lessons[:size], self._lessons[size:]
            self._update(batch)
            self._learned += [lesson.place for lesson in batch]
            self._num_updates += 1

    def _update(self, batch: Sequence[_Lesson]) -> None:
        settings = self._settings
        genes = np.stack([lesson.draw.genes for lesson in batch])
        weights = np.stack([lesson.draw.weights for lesson in batch])
        before = np.stack([lesson.draw.log_probabilities for lesson in batch])
        advantages = self._advantages([lesson.place for lesson in batch], weights)[:, None]
        of_entropies = np.full(genes.shape, -settings.entropy_weight / len(batch))

        def derivatives(log_probabilities: Values, _: Values) -> tuple[Values, Values]:
            if settings.algorithm == "reinforce":
                slopes = np.broadcast_to(advantages, genes.shape)
            else:
                slopes = clipped_slopes(log_probabilities - before, advantages, settings.clip)
            return -slopes / len(batch), of_entropies

        for _ in range(1 if settings.algorithm == "reinforce" else settings.epochs):
            gradient = self._policy.gradient(genes, self._context(weights), derivatives)
            self._policy.descend(gradient, settings.learning_rate)

    def _advantages(self, places: Sequence[int], weights: Values) -> Values:
        """Returns each lesson's reward less its baseline, shape (len(places),)."""
        rewards = self._settings.reward.rewards(self._known, weights, self._num_updates)
        own: Values = rewards[np.arange(len(places)), places]
        baseline = own
        if self._learned:
            ages = np.arange(len(self._learned))[::-1]
            shares = np.power(self._settings.baseline_decay, ages)
            baseline = rewards[:, [*self._learned]] @ (shares / shares.sum())
        elif len(places) > 1:
            baseline = (rewards[:, places].sum(axis=1) - own) / (len(places) - 1)
        return np.subtract(own, baseline)


def num_remembered(decay: float) -> int:
    """Returns after how many rewards those before weigh less than rounding in a moving average.

    Draws that are repeated are learned from at no cost, so that there is no end to them.
    """
    if decay == 0:
        return 1
    return min(MAX_REMEMBERED, math.ceil(math.log(LEAST_SHARE) / math.log(decay)))


def clipped_slopes(log_ratios: Values, advantages: Values, clip: float) -> Values:
    """Returns the slope of PPO's clipped objective in each log-probability.

    The objective is min(r A, clip(r, 1 - clip, 1 + clip) A) with r = exp(log_ratio): it is flat
    where r has already moved beyond the clip in the direction that A asks for, and r A elsewhere.

    Args:
        log_ratios: of each decision, today's log-probability less that of the draw; shape (B, J).
        advantages: shape (B, 1).
        clip: how far r may move.
    """
    ratios = np.exp(np.minimum(log_ratios, MAX_LOG_RATIO))
    is_flat = np.where(advantages > 0, ratios > 1 + clip, ratios < 1 - clip)
    return np.where(is_flat, 0.0, ratios * advantages)

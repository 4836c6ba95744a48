"""What every searcher promises; a new one adds a subclass with its settings at the end."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from strategies import outcomes, seeds, spaces
from toy_problems import METRICS, Script, grid, play, search, two_losses, zdt1

from search_space.cnn import MobileNetV3Settings
from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from search_space.space import Architecture, Genes, InvalidArchitectureError, SearchSpace
from searchers.analytic import AnalyticSearcher, AnalyticSettings
from searchers.espalier import EspalierSettings
from searchers.gp import GPSettings
from searchers.linas import LINASSettings
from searchers.local_search import LocalSearchSettings
from searchers.nsga2 import NSGA2Settings
from searchers.ppo import PPOSettings
from searchers.predictors.gaussian_process import GaussianProcessSettings
from searchers.predictors.ridge import RidgeSettings
from searchers.protocol import (
    Limit,
    MissingMetricError,
    Observation,
    Proposal,
    Searcher,
)
from searchers.random import RandomSettings
from searchers.regularized_evolution import RegularizedEvolutionSettings
from searchers.rewards import ScalarizedReward
from searchers.settings import SearcherSettings
from searchers.tpe import TPESettings

scripts: st.SearchStrategy[Script] = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.lists(st.tuples(st.integers(0, 100), outcomes(*METRICS)), max_size=12),
    ),
    max_size=8,
)
# The suite's tests are inherited on purpose: each class runs them on its own searcher.
inherited = settings(suppress_health_check=[HealthCheck.differing_executors], max_examples=25)
GOOD = Measured({"f1": 1.0, "f2": 2.0})


class SearcherContract:
    """The suite; `searcher_settings` is what a subclass sets."""

    searcher_settings: ClassVar[SearcherSettings]
    num_many: ClassVar[int] = 300  # proposals of a large space; less where each takes long

    def build(self, space: SearchSpace, seed: int = 0, *limits: Limit) -> Searcher:
        return self.searcher_settings.build(two_losses(space, *limits), seed)

    @inherited
    @given(spaces(), seeds, scripts)
    def test_proposals_are_valid_numbered_in_order_and_never_repeated(
        self, space: SearchSpace, seed: int, script: Script
    ) -> None:
        proposals = play(self.build(space, seed), script)
        assert [proposal.number for proposal in proposals] == list(range(len(proposals)))
        assert len({proposal.architecture.digest for proposal in proposals}) == len(proposals)
        for proposal in proposals:
            assert space.validate(proposal.architecture) == proposal.architecture

    @inherited
    @given(spaces(), seeds, scripts)
    def test_fewer_are_proposed_only_when_the_space_is_exhausted(
        self, space: SearchSpace, seed: int, script: Script
    ) -> None:
        proposals = play(self.build(space, seed), script)
        assert len(proposals) == min(space.size, sum(count for count, _ in script))

    @inherited
    @given(spaces(), seeds, scripts)
    def test_settings_seed_and_log_determine_every_proposal(
        self, space: SearchSpace, seed: int, script: Script
    ) -> None:
        limit = Limit(metric="f1", upper=0.5)
        first = play(self.build(space, seed, limit), script)
        assert play(self.build(space, seed, limit), script) == first

    @inherited
    @given(spaces(), seeds, scripts)
    def test_a_rebuilt_searcher_goes_on_from_the_middle_of_its_log(
        self, space: SearchSpace, seed: int, script: Script
    ) -> None:
        original, rebuilt = self.build(space, seed), self.build(space, seed)
        assert play(original, script) == play(rebuilt, script)
        assert original.ask(5) == rebuilt.ask(5)

    @inherited
    @given(spaces())
    def test_a_space_can_be_proposed_in_full(self, space: SearchSpace) -> None:
        searcher = self.build(space)
        proposals = list(searcher.ask(space.size + 1))
        assert len({proposal.architecture for proposal in proposals}) == space.size
        assert list(searcher.ask(1)) == []
        searcher.tell([Observation(proposal, GOOD) for proposal in proposals])
        assert list(searcher.ask(1)) == []

    def test_a_space_is_proposed_in_full_one_by_one_while_learning(self) -> None:
        space = grid(num_variables=3, num_steps=5)
        history = search(self.build(space), zdt1, space.size, batch_size=1)
        assert len({proposal.architecture for proposal, _ in history}) == space.size

    def test_a_space_without_choices_has_one_architecture(self) -> None:
        searcher = self.build(SearchSpace("fixed", []))
        assert [dict(proposal.architecture) for proposal in searcher.ask(3)] == [{}]
        assert list(searcher.ask(3)) == []

    def test_many_proposals_of_a_space_too_large_to_enumerate(self) -> None:
        space = MobileNetV3Settings().build()
        searcher = self.build(space)

        def depth_against_kernels(architecture: Architecture) -> Outcome:
            sizes = [v for name, v in architecture.items() if name.endswith("kernel_size")]
            return Measured({"f1": len(architecture), "f2": -float(sum(map(float, sizes)))})

        history = search(searcher, depth_against_kernels, self.num_many)
        assert len({proposal.architecture.digest for proposal, _ in history}) == self.num_many

    def test_asks_may_run_ahead_of_tells(self) -> None:
        searcher = self.build(grid(3, 10))
        out = [*searcher.ask(30), *searcher.ask(5)]
        searcher.tell([Observation(proposal, GOOD) for proposal in reversed(out)])
        assert [proposal.number for proposal in searcher.ask(2)] == [35, 36]

    def test_nothing_may_be_asked_for_but_not_less(self) -> None:
        searcher = self.build(grid(3, 10))
        assert list(searcher.ask(0)) == []
        with pytest.raises(ValueError, match="count must be at least 0, got -1"):
            searcher.ask(-1)

    @pytest.mark.parametrize("outcome", [Failed("worker died"), Infeasible("does not fit")])
    def test_a_search_in_which_nothing_is_measured_goes_on(self, outcome: Outcome) -> None:
        history = search(self.build(grid(3, 10)), lambda _: outcome, 50, batch_size=7)
        assert len({proposal.architecture for proposal, _ in history}) == 50

    def test_a_search_in_which_no_limit_is_kept_goes_on(self) -> None:
        searcher = self.build(grid(3, 10), 0, Limit(metric="f1", upper=-1))
        assert len(search(searcher, zdt1, 60)) == 60

    def test_seeds_matter(self) -> None:
        space = grid(3, 10)
        assert self.build(space, 1).ask(5) != self.build(space, 2).ask(5)

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda p: Observation(Proposal(99, p.architecture), GOOD), "this searcher's proposal"),
            (lambda p: Observation(Proposal(-1, p.architecture), GOOD), "this searcher's proposal"),
            (
                lambda p: Observation(Proposal(p.number, Architecture({"x1": 0.5})), GOOD),
                "this searcher's proposal",
            ),
            (lambda p: Observation(p, Measured({"f1": 1.0})), "'f2' must be measured"),
        ],
    )
    def test_bad_observations_are_refused_and_nothing_of_them_is_noted(
        self, spoil: Callable[[Proposal], Observation], message: str
    ) -> None:
        searcher, untouched = self.build(grid(3, 10)), self.build(grid(3, 10))
        first, second = searcher.ask(2)
        untouched.ask(2)
        with pytest.raises(ValueError, match=message):
            searcher.tell([Observation(first, GOOD), spoil(second)])
        for each in (searcher, untouched):
            each.tell([Observation(second, GOOD), Observation(first, GOOD)])
        assert searcher.ask(40) == untouched.ask(40)

    def test_an_outcome_is_told_once(self) -> None:
        searcher = self.build(grid(3, 10))
        first, second = (Observation(proposal, GOOD) for proposal in searcher.ask(2))
        with pytest.raises(ValueError, match="once"):
            searcher.tell([first, first])
        searcher.tell([first])
        with pytest.raises(ValueError, match="told once, got number 0 again"):
            searcher.tell([second, first])
        searcher.tell([second])

    def test_limits_need_their_metrics(self) -> None:
        searcher = self.build(grid(3, 10), 0, Limit(metric="macs", upper=1))
        (proposal,) = searcher.ask(1)
        with pytest.raises(MissingMetricError, match="'macs'"):
            searcher.tell([Observation(proposal, GOOD)])

    def test_settings_survive_json_and_are_found_by_their_kind(self) -> None:
        adapter: TypeAdapter[SearcherSettings] = TypeAdapter(SearcherSettings)
        text = adapter.dump_json(self.searcher_settings)
        assert adapter.validate_json(text) == self.searcher_settings
        kind = self.searcher_settings.kind
        assert adapter.validate_python({"kind": kind}) == type(self.searcher_settings)()

    def warm(self, space: SearchSpace, first: list[Architecture], seed: int = 0) -> Searcher:
        warm_start = tuple(dict(architecture) for architecture in first)
        settings = self.searcher_settings.model_copy(update={"warm_start": warm_start})
        text = settings.model_dump_json()  # as it comes from a job's spec
        return type(settings).model_validate_json(text).build(two_losses(space), seed)

    @inherited
    @given(spaces(), seeds, scripts, st.integers(0, 12))
    def test_a_warm_start_is_proposed_first_and_is_part_of_what_determines_the_rest(
        self, space: SearchSpace, seed: int, script: Script, count: int
    ) -> None:
        drawn = [space.decode(row) for row in space.sample(count, np.random.default_rng(seed))]
        distinct = list(dict.fromkeys(drawn))
        proposals = play(self.warm(space, drawn, seed), script)
        found = [proposal.architecture for proposal in proposals]
        assert found[: len(distinct)] == distinct[: len(found)]
        assert len(set(found)) == len(found) == min(space.size, sum(asked for asked, _ in script))
        assert play(self.warm(space, drawn, seed), script) == proposals

    def test_a_warm_start_may_be_asked_for_in_parts_and_beyond_the_first_batch(self) -> None:
        space = grid(3, 10)
        first = [space.decode(row) for row in space.sample(25, np.random.default_rng(1))]
        distinct = list(dict.fromkeys(first))
        searcher = self.warm(space, first)
        proposals = [*searcher.ask(3)]
        searcher.tell([Observation(proposal, GOOD) for proposal in proposals])
        proposals += searcher.ask(len(distinct))
        assert [p.architecture for p in proposals[: len(distinct)]] == distinct
        assert len({p.architecture for p in proposals}) == len(distinct) + 3

    def test_a_warm_start_of_another_space_is_refused(self) -> None:
        with pytest.raises(InvalidArchitectureError, match="x1"):
            self.warm(grid(3, 10), [Architecture({"x1": 0.123})])

    def test_the_batch_size_is_positive(self) -> None:
        assert self.build(grid(3, 10)).batch_size > 0


def figures_of_genes(genes: Genes) -> dict[str, npt.NDArray[np.float64]]:
    """Two figures at odds, computed of genes alone."""
    weights = np.arange(1, genes.shape[1] + 1)
    first, second = genes @ weights, (5 - genes) ** 2 @ weights[::-1]
    return {"f1": first.astype(float), "f2": second.astype(float), "macs": first.astype(float)}


class TestAnalytic(SearcherContract):
    """Given figures of any space: those of the settings are of families of networks only."""

    searcher_settings = AnalyticSettings(
        candidates=60, population_size=8, num_children=20, batch_size=7
    )

    def build(self, space: SearchSpace, seed: int = 0, *limits: Limit) -> Searcher:
        problem = two_losses(space, *limits)
        return AnalyticSearcher(problem, self.searcher_settings, seed, figures_of_genes)

    def warm(self, space: SearchSpace, first: list[Architecture], seed: int = 0) -> Searcher:
        warm_start = tuple(dict(architecture) for architecture in first)
        settings = self.searcher_settings.model_copy(update={"warm_start": warm_start})
        settings = AnalyticSettings.model_validate_json(settings.model_dump_json())
        return AnalyticSearcher(two_losses(space), settings, seed, figures_of_genes)


class TestRandom(SearcherContract):
    searcher_settings = RandomSettings(batch_size=7)


class TestEspalier(SearcherContract):
    searcher_settings = EspalierSettings(
        num_initial=6,
        initial="random",
        process=GaussianProcessSettings(num_steps=2),
        max_learned=30,
    )
    num_many = 60


class TestLINAS(SearcherContract):
    searcher_settings = LINASSettings(
        population_size=8,
        predictor=RidgeSettings(num_alphas=3),
        inner_population_size=10,
        inner_evaluations=40,
    )


class TestNSGA2(SearcherContract):
    searcher_settings = NSGA2Settings(population_size=8)


class TestRegularizedEvolution(SearcherContract):
    searcher_settings = RegularizedEvolutionSettings(population_size=8, num_initial=5)


class TestLocalSearch(SearcherContract):
    searcher_settings = LocalSearchSettings(num_initial=4)


class TestLocalSearchWithRestarts(SearcherContract):
    searcher_settings = LocalSearchSettings(
        num_initial=4, neighbourhood="full", at_optimum="restart"
    )


class TestPPO(SearcherContract):
    searcher_settings = PPOSettings(batch_size=20, hidden_size=4)


class TestReinforceOfIndependentChoices(SearcherContract):
    searcher_settings = PPOSettings(
        algorithm="reinforce",
        reward=ScalarizedReward(weights=(1, 2)),
        batch_size=20,
        hidden_size=0,
        tanh_constant=2.5,
    )


class TestTPE(SearcherContract):
    searcher_settings = TPESettings(batch_size=7, num_initial=40, num_candidates=4)
    num_many = 60


class TestGP(SearcherContract):
    """Random at first, as a model takes too long for this suite: see test_optuna_search.py."""

    searcher_settings = GPSettings(batch_size=7, num_initial=1000)
    num_many = 60

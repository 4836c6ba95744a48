"""The client of searches that are evaluated here, outside the service."""

from collections.abc import Callable, Sequence

from search_space.outcomes import Outcome
from server.client.connection import quoted
from server.client.evaluating import Evaluate, Evaluation
from server.client.requests import Requests
from server.schemas.outside import (
    HeldLeaseBody,
    LeasesBody,
    LeasesView,
    LeaseView,
    ObservationsBody,
    OutcomeBody,
    ProposalsBody,
    ProposalsView,
    ToldView,
)


class OutsideRequests(Requests):
    """Leases of proposals and what came of them; see `Client`."""

    def lease_proposals(
        self, search_id: str, count: int = 1, *, worker: str | None = None
    ) -> ProposalsView:
        """Leases proposals: `count` of them, or fewer, with the reason."""
        body = ProposalsBody(count=count, worker=worker)
        return self._post(f"/v1/searches/{quoted(search_id)}/proposals", body, ProposalsView)

    def tell_observations(self, search_id: str, items: Sequence[OutcomeBody]) -> ToldView:
        """Tells what came of leased proposals, all or none; telling the same again is fine."""
        body = ObservationsBody(items=list(items))
        return self._post(f"/v1/searches/{quoted(search_id)}/observations", body, ToldView)

    def renew_leases(self, search_id: str, leases: Sequence[LeaseView]) -> LeasesView:
        """Puts off the end of leases; says which are lost. Outages are not waited for."""
        path = f"/v1/searches/{quoted(search_id)}/proposals/renew"
        return self._post(path, _held(leases), LeasesView, is_repeatable=False)

    def release_leases(self, search_id: str, leases: Sequence[LeaseView]) -> LeasesView:
        """Gives leases back, so that others get the proposals at once.

        Outages are not waited for: leases that are not given back expire by themselves.
        """
        path = f"/v1/searches/{quoted(search_id)}/proposals/release"
        return self._post(path, _held(leases), LeasesView, is_repeatable=False)

    def evaluate(
        self,
        search_id: str,
        evaluate: Evaluate,
        *,
        batch: int = 1,
        threads: int = 1,
        worker: str | None = None,
        on_told: Callable[[LeaseView, Outcome], None] = lambda _lease, _outcome: None,
    ) -> None:
        """Evaluates a search until it has ended: leases proposals, calls a function, tells.

        Leases are renewed meanwhile, and outages of the service are bridged for `patience_s` each.
        Any number of processes, on any machines, may do this for one search at once.

        Args:
            search_id: of a search whose evaluator is of kind `outside`.
            evaluate: is given an architecture and returns its metrics, or an outcome: `Measured`
                with provenance, `Infeasible` or `Failed` with a reason. What it raises ends this
                call; the leases are given back.
            batch: how many proposals to lease at once, in each thread.
            threads: how many calls of `evaluate` may run at once.
            worker: who evaluates, for people to read.
            on_told: called with each outcome that the service has taken, from its thread.

        Raises:
            ApiError: the service refuses: the search is another kind's, or a metric is missing.
            ServiceUnreachableError: the service has not answered for `patience_s`.
        """
        Evaluation(self, search_id, evaluate, batch, worker, self._patience_s, on_told).run(threads)


def _held(leases: Sequence[LeaseView]) -> LeasesBody:
    return LeasesBody(
        items=[HeldLeaseBody(number=lease.number, lease=lease.lease) for lease in leases]
    )

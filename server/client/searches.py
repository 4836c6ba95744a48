"""The client of searches and evaluations."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Unpack

import httpx

from server.client.connection import Document, quoted
from server.client.event_stream import split_lines
from server.client.filters import SearchFilters
from server.client.requests import Requests
from server.schemas.comparisons import ComparisonView, HypervolumeView
from server.schemas.responses import PageOf
from server.schemas.searches import (
    ArchitectureKnowledge,
    EvaluationView,
    FrontView,
    ObservationView,
    PredictionsView,
    SearchView,
)


class SearchRequests(Requests):
    """Searches and what they found; see `Client`."""

    def create_search(self, body: Document) -> SearchView:
        """Submits a search; `wait` for its job."""
        return self._post("/v1/searches", body, SearchView)

    def search(self, search_id: str) -> SearchView:
        """Returns a search."""
        return self._get(f"/v1/searches/{quoted(search_id)}", SearchView)

    def change_search(self, search_id: str, changes: Document) -> SearchView:
        """Changes name, description or labels of a search."""
        return self._change(f"/v1/searches/{quoted(search_id)}", changes, SearchView)

    def searches(self, **filters: Unpack[SearchFilters]) -> Iterator[SearchView]:
        """Yields searches, newest first unless they are sorted otherwise."""
        return self._pages("/v1/searches", PageOf[SearchView], {**filters})

    def observations(self, search_id: str) -> Iterator[ObservationView]:
        """Yields what a search observed, in the order of its proposals."""
        return self._pages(f"/v1/searches/{quoted(search_id)}/evaluations", PageOf[ObservationView])

    def predictions(self, search_id: str) -> PredictionsView:
        """Returns how well a search's predictors had ranked each batch."""
        return self._get(f"/v1/searches/{quoted(search_id)}/predictions", PredictionsView)

    def front(self, search_id: str) -> FrontView:
        """Returns the Pareto front of what a search measured so far."""
        return self._get(f"/v1/searches/{quoted(search_id)}/front", FrontView)

    def front_picture(self, search_id: str, image_format: Literal["png", "svg"]) -> bytes:
        """Returns the front as a picture."""
        return self._connection.send(
            "GET", f"/v1/searches/{quoted(search_id)}/front.{image_format}"
        ).content

    def evaluations(
        self, *, architecture_digest: str | None = None, space_id: str | None = None
    ) -> Iterator[EvaluationView]:
        """Yields evaluations of all searches, newest first."""
        parameters = {"architecture_digest": architecture_digest, "space": space_id}
        return self._pages("/v1/evaluations", PageOf[EvaluationView], parameters)

    def architecture(self, digest: str) -> ArchitectureKnowledge:
        """Returns all that is known about an architecture."""
        return self._get(f"/v1/architectures/{quoted(digest)}", ArchitectureKnowledge)

    def evaluations_in_bulk(
        self, *, space_id: str | None = None, search_id: str | None = None
    ) -> Iterator[EvaluationView]:
        """Yields all evaluations, oldest first, in one answer that is read as it comes."""
        given = {"space": space_id, "search": search_id}
        query = httpx.QueryParams({name: value for name, value in given.items() if value})
        lines = split_lines(self._connection.stream(f"/v1/evaluations.ndjson?{query}"))
        for line in lines:
            yield self._connection.parse(line, EvaluationView)

    # --- how searches went -----------------------------------------------------------------------

    def hypervolume(
        self, search_id: str, reference: Mapping[str, float] | None = None
    ) -> HypervolumeView:
        """Returns how the front of a search grew.

        Args:
            search_id: whose.
            reference: the point that volumes are measured from, by metric; by default a little
                beyond the worst that was measured.
        """
        path = f"/v1/searches/{quoted(search_id)}/hypervolume?{_query((), reference)}"
        return self._get(path, HypervolumeView)

    def compare(
        self, search_ids: Sequence[str], reference: Mapping[str, float] | None = None
    ) -> ComparisonView:
        """Returns searches of one problem side by side; `reference` as in `hypervolume`."""
        return self._get(f"/v1/comparisons?{_query(search_ids, reference)}", ComparisonView)

    def comparison_picture(
        self,
        search_ids: Sequence[str],
        image_format: Literal["png", "svg"],
        reference: Mapping[str, float] | None = None,
    ) -> bytes:
        """Returns how the fronts of searches grew as a picture; `reference` as above."""
        path = f"/v1/comparisons.{image_format}?{_query(search_ids, reference)}"
        return self._connection.send("GET", path).content


def _query(search_ids: Sequence[str], reference: Mapping[str, float] | None) -> httpx.QueryParams:
    points = [("reference", f"{name}:{value!r}") for name, value in (reference or {}).items()]
    return httpx.QueryParams([*(("search", one) for one in search_ids), *points])

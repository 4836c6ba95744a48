"""The client of searches and evaluations."""

from collections.abc import Iterator
from typing import Literal

from server.client.connection import Document, quoted
from server.client.requests import Requests
from server.schemas.responses import (
    ArchitectureKnowledge,
    EvaluationView,
    FrontView,
    ObservationView,
    PageOf,
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

    def searches(self) -> Iterator[SearchView]:
        """Yields searches, newest first."""
        return self._pages("/v1/searches", PageOf[SearchView])

    def observations(self, search_id: str) -> Iterator[ObservationView]:
        """Yields what a search observed, in the order of its proposals."""
        return self._pages(f"/v1/searches/{quoted(search_id)}/evaluations", PageOf[ObservationView])

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

"""The client of supernets and their assessments."""

from collections.abc import Iterator
from typing import Literal, Unpack

from server.client.connection import Document, quoted
from server.client.filters import SupernetFilters
from server.client.requests import Requests
from server.schemas.assessments import AssessmentDetail, AssessmentView
from server.schemas.responses import PageOf, SupernetView
from server.schemas.stitches import StitchesView


class SupernetRequests(Requests):
    """Supernets, and whether they can be trusted; see `Client`."""

    def create_supernet(self, body: Document) -> SupernetView:
        """Submits the training of a supernet; `wait` for its job."""
        return self._post("/v1/supernets", body, SupernetView)

    def supernet(self, supernet_id: str) -> SupernetView:
        """Returns a supernet."""
        return self._get(f"/v1/supernets/{quoted(supernet_id)}", SupernetView)

    def change_supernet(self, supernet_id: str, changes: Document) -> SupernetView:
        """Changes name, description or labels of a supernet."""
        return self._change(f"/v1/supernets/{quoted(supernet_id)}", changes, SupernetView)

    def supernets(self, **filters: Unpack[SupernetFilters]) -> Iterator[SupernetView]:
        """Yields supernets, newest first unless they are sorted otherwise."""
        return self._pages("/v1/supernets", PageOf[SupernetView], {**filters})

    def stitches(self, supernet_id: str) -> StitchesView:
        """Returns what every stitch of a supernet was worth before its training."""
        return self._get(f"/v1/supernets/{quoted(supernet_id)}/stitches", StitchesView)

    def create_assessment(self, supernet_id: str, body: Document) -> AssessmentView:
        """Submits the assessment of a supernet; `wait` for its job."""
        return self._post(f"/v1/supernets/{quoted(supernet_id)}/assessments", body, AssessmentView)

    def assessment(self, assessment_id: str) -> AssessmentDetail:
        """Returns an assessment with all that it evaluated."""
        return self._get(f"/v1/assessments/{quoted(assessment_id)}", AssessmentDetail)

    def assessments(self, *, supernet_id: str | None = None) -> Iterator[AssessmentView]:
        """Yields assessments, newest first."""
        return self._pages("/v1/assessments", PageOf[AssessmentView], {"supernet": supernet_id})

    def assessment_picture(self, assessment_id: str, image_format: Literal["png", "svg"]) -> bytes:
        """Returns an assessment as a picture."""
        return self._connection.send(
            "GET", f"/v1/assessments/{quoted(assessment_id)}/plot.{image_format}"
        ).content

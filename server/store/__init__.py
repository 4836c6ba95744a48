"""Every query. A method is one transaction, and only the store commits."""

from server.store.access import AccessStore, Change, Quotas
from server.store.assessments import Assessed, AssessmentStore
from server.store.base import Artifact, Page
from server.store.evaluations import EvaluationStore, Finalist, Observed, Point
from server.store.exports import ExportFile, ExportStore
from server.store.jobs import ClaimedJob, JobStore
from server.store.quotas import Usage
from server.store.refinements import Chosen, RefinementStore
from server.store.resources import ResourceStore
from server.store.searches import Asked, SearchStore, Told
from server.store.uploads import UploadStore

__all__ = [
    "Artifact",
    "Asked",
    "Assessed",
    "Change",
    "Chosen",
    "ClaimedJob",
    "ExportFile",
    "Finalist",
    "Observed",
    "Page",
    "Point",
    "Quotas",
    "Store",
    "Told",
    "Usage",
]


class Store(
    JobStore,
    ResourceStore,
    UploadStore,
    SearchStore,
    EvaluationStore,
    ExportStore,
    RefinementStore,
    AssessmentStore,
    AccessStore,
):
    """The database. Rows that it returns are detached values.

    Every method raises `DatabaseUnavailableError` when the database does not answer.
    """

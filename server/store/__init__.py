"""Every query. A method is one transaction, and only the store commits."""

from server.store.assessments import Assessed, AssessmentStore
from server.store.base import Artifact, Page
from server.store.claims import ClaimLimits
from server.store.evaluations import EvaluationStore, Finalist, Point
from server.store.exports import ExportFile, ExportStore
from server.store.job_requests import JobRequestStore
from server.store.jobs import ClaimedJob, JobStore
from server.store.leases import LeaseStore, StopRequest
from server.store.refinements import Chosen, RefinementStore
from server.store.resources import ResourceStore
from server.store.runners import RunnerFacts, RunnerStore
from server.store.searches import Asked, SearchStore, Told
from server.store.uploads import UploadStore

__all__ = [
    "Artifact",
    "Asked",
    "Assessed",
    "Chosen",
    "ClaimLimits",
    "ClaimedJob",
    "ExportFile",
    "Finalist",
    "Page",
    "Point",
    "RunnerFacts",
    "StopRequest",
    "Store",
    "Told",
]


class Store(
    JobStore,
    JobRequestStore,
    LeaseStore,
    RunnerStore,
    ResourceStore,
    UploadStore,
    SearchStore,
    EvaluationStore,
    ExportStore,
    RefinementStore,
    AssessmentStore,
):
    """The database. Rows that it returns are detached values.

    Every method raises `DatabaseUnavailableError` when the database does not answer.
    """

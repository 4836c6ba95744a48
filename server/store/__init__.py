"""Every query. A method is one transaction, and only the store commits."""

from server.store.access import AccessStore, Change, Quotas
from server.store.assessments import Assessed, AssessmentStore
from server.store.base import Artifact, Page
from server.store.campaign_results import OccurrenceSearch, Usage, Volume
from server.store.campaigns import CampaignStore
from server.store.claims import ClaimLimits
from server.store.computed_searches import ComputedSearchStore
from server.store.descriptions import DescriptionStore
from server.store.evaluations import EvaluationStore, Finalist, Observed, Point
from server.store.exports import ExportFile, ExportStore
from server.store.figures import Figures, FigureStore
from server.store.idempotency import Answer, Creation, IdempotencyStore, KeyTakenError
from server.store.job_requests import JobRequestStore
from server.store.jobs import ClaimedJob, JobStore
from server.store.leases import LeaseStore, StopRequest
from server.store.listing import NEWEST, Part
from server.store.occurrences import Candidate
from server.store.outside import OutsideStore
from server.store.quotas import ProjectUsage
from server.store.refinements import Chosen, RefinementStore
from server.store.resources import ResourceStore
from server.store.retention import RetentionStore
from server.store.runners import RunnerFacts, RunnerStore
from server.store.searches import SearchStore
from server.store.table_searches import TableSearchStore
from server.store.uploads import UploadStore
from server.store.webhooks import ClaimedDelivery, WebhookStore

__all__ = [
    "NEWEST",
    "Answer",
    "Artifact",
    "Assessed",
    "Candidate",
    "Change",
    "Chosen",
    "ClaimLimits",
    "ClaimedDelivery",
    "ClaimedJob",
    "Creation",
    "ExportFile",
    "Figures",
    "Finalist",
    "KeyTakenError",
    "Observed",
    "OccurrenceSearch",
    "Page",
    "Part",
    "Point",
    "ProjectUsage",
    "Quotas",
    "RunnerFacts",
    "StopRequest",
    "Store",
    "Usage",
    "Volume",
]


class Store(
    CampaignStore,
    JobStore,
    JobRequestStore,
    LeaseStore,
    RunnerStore,
    ResourceStore,
    UploadStore,
    SearchStore,
    OutsideStore,
    TableSearchStore,
    ComputedSearchStore,
    EvaluationStore,
    ExportStore,
    RefinementStore,
    AssessmentStore,
    IdempotencyStore,
    DescriptionStore,
    AccessStore,
    FigureStore,
    RetentionStore,
    WebhookStore,
):
    """The database. Rows that it returns are detached values.

    Every method raises `DatabaseUnavailableError` when the database does not answer.
    """

"""The tables. Everything that was ever measured is a row here.

Rows that methods of the store return are detached: plain values, filled completely.
"""

from search_space.space import Architecture
from server.tables.access import ApiKeyRow, ChangeRow, ProjectArtifactRow, ProjectRow
from server.tables.assessments import AssessedRow, AssessmentRow
from server.tables.base import Json, ProjectOwned, Table, UtcDateTime
from server.tables.campaigns import (
    CampaignRow,
    OccurrenceRow,
    OccurrenceSearchRow,
    PromotionRow,
)
from server.tables.exports import ExportRow, ReadingRow
from server.tables.idempotency import AnswerRow
from server.tables.jobs import JobDependencyRow, JobEventRow, JobNeedRow, JobRow, RunnerRow
from server.tables.refinements import FineTuningRow, RefinedNetworkRow, RefinementRow
from server.tables.resources import ArtifactRow, DataSetRow, SpaceRow, SupernetRow, UploadRow
from server.tables.searches import (
    EvaluationRow,
    LeaseRow,
    MeasurementRow,
    ObservationRow,
    ProposalRow,
    SearchRow,
)
from server.tables.webhooks import DeliveryRow, WebhookRow

__all__ = [
    "AnswerRow",
    "ApiKeyRow",
    "ArtifactRow",
    "AssessedRow",
    "AssessmentRow",
    "CampaignRow",
    "ChangeRow",
    "DataSetRow",
    "DeliveryRow",
    "EvaluationRow",
    "ExportRow",
    "FineTuningRow",
    "JobDependencyRow",
    "JobEventRow",
    "JobNeedRow",
    "JobRow",
    "Json",
    "LeaseRow",
    "MeasurementRow",
    "ObservationRow",
    "OccurrenceRow",
    "OccurrenceSearchRow",
    "ProjectArtifactRow",
    "ProjectOwned",
    "ProjectRow",
    "PromotionRow",
    "ProposalRow",
    "ReadingRow",
    "RefinedNetworkRow",
    "RefinementRow",
    "RunnerRow",
    "SearchRow",
    "SpaceRow",
    "SupernetRow",
    "Table",
    "UploadRow",
    "UtcDateTime",
    "WebhookRow",
    "architecture_of",
]


def architecture_of(row: ProposalRow | EvaluationRow | ExportRow) -> Architecture:
    """Returns the row's architecture as a value."""
    return Architecture(row.architecture)

"""The client of the REST API."""

from search_space.outcomes import Failed, Infeasible, Measured
from server.client.client import KEY_VARIABLE, Client
from server.client.connection import DEFAULT_URL, Document, parse_url
from server.client.errors import (
    ApiError,
    ClientError,
    DamagedDownloadError,
    FieldFault,
    NotOurServiceError,
    ServiceUnreachableError,
)

__all__ = [
    "DEFAULT_URL",
    "KEY_VARIABLE",
    "ApiError",
    "Client",
    "ClientError",
    "DamagedDownloadError",
    "Document",
    "Failed",
    "FieldFault",
    "Infeasible",
    "Measured",
    "NotOurServiceError",
    "ServiceUnreachableError",
    "parse_url",
]

"""What lists can be asked for; see docs/api.md for what each list takes.

`sort` is `created_at` or `name`, with a `-` in front from its greatest; times are of RFC 3339.
"""

from typing import TypedDict


class Filters(TypedDict, total=False):
    """Of every list that is sorted by time."""

    sort: str
    created_after: str
    created_before: str


class NamedFilters(Filters, total=False):
    """Of lists of what has a name."""

    name: str


class SupernetFilters(NamedFilters, total=False):
    """Of supernets; `status` is their job's."""

    space: str
    data_set: str
    status: str


class SearchFilters(NamedFilters, total=False):
    """Of searches; `status` is their job's."""

    supernet: str
    space: str
    status: str


class ExportFilters(Filters, total=False):
    """Of exports; `status` is their job's."""

    search: str
    architecture_digest: str
    status: str


class RefinementFilters(NamedFilters, total=False):
    """Of refinements; `status` is their job's."""

    search: str
    status: str

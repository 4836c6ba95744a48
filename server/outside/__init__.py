"""Searches whose architectures are evaluated outside the service: leases, reports, grouping."""

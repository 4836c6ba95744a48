"""Settings of all tests."""

import pytest
from hypothesis import settings

# A shared machine stalls now and then: slowness is pytest-timeout's business, not an example's.
# Thirty examples each time find what a hundred do within a few runs, in a third of the time.
settings.register_profile("espalier", deadline=None, max_examples=30)
settings.load_profile("espalier")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts files with slow tests first, so that no process ends long after the others."""
    slow = {
        item.path
        for item in items
        if item.get_closest_marker("slow") or item.get_closest_marker("ray")
    }
    items.sort(key=lambda item: item.path not in slow)

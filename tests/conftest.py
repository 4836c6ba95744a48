"""Settings of all tests."""

import pytest
from hypothesis import settings

# A shared machine stalls now and then: slowness is pytest-timeout's business, not an example's.
settings.register_profile("espalier", deadline=None)
settings.load_profile("espalier")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps all tests that use Ray in one of the processes that share the suite: one cluster."""
    for item in items:
        if item.get_closest_marker("ray") is not None:
            item.add_marker(pytest.mark.xdist_group("ray"))

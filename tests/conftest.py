"""Settings of all tests."""

import pytest
from hypothesis import settings

# A shared machine stalls now and then: slowness is pytest-timeout's business, not an example's.
settings.register_profile("espalier", deadline=None)
settings.load_profile("espalier")

WITH_OWN_RAY = ("test_crashes.py", "test_demo.py")
"""Files whose tests start whole services, each with a Ray of its own."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Divides the tests that use Ray among two of the processes that share the suite.

    One has the session's cluster; in the other, services come and go.
    """
    for item in items:
        if item.get_closest_marker("ray") is not None:
            group = "services" if item.path.name in WITH_OWN_RAY else "ray"
            item.add_marker(pytest.mark.xdist_group(group))

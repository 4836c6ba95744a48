"""Settings of all tests."""

from hypothesis import settings

# A shared machine stalls now and then: slowness is pytest-timeout's business, not an example's.
settings.register_profile("espalier", deadline=None)
settings.load_profile("espalier")

"""Settings of all tests."""

from hypothesis import settings

# A shared machine stalls now and then: slowness is pytest-timeout's business, not an example's.
# Forty examples each time find what a hundred do within a few runs, in half the time.
settings.register_profile("espalier", deadline=None, max_examples=40)
settings.load_profile("espalier")

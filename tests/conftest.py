"""For all tests: property tests have no time limit for one example, which a busy machine would break at random."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("steady", deadline=None, max_examples=60)
settings.load_profile("steady")

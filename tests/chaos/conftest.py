"""The seed of a run of the chaos suite: printed, and set by HELPERHUB_TEST_CHAOS_SEED to see the same choices again."""

from __future__ import annotations

import os
import random

import pytest

# Before pytest-xdist starts its processes, which inherit it.
SEED = os.environ.setdefault("HELPERHUB_TEST_CHAOS_SEED", str(random.SystemRandom().randrange(1_000_000)))


def pytest_report_header() -> str:
    return f"chaos: HELPERHUB_TEST_CHAOS_SEED={SEED}"


@pytest.fixture
def seed() -> int:
    """The seed of this run."""
    return int(SEED)

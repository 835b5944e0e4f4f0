"""What every chapter begins with: a hub that runs the helpers it is given."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import pytest

from helperhub import Hub
from helperhub.testing import running_hub

Running = Callable[..., AbstractContextManager[Hub]]


@pytest.fixture
def running(redis_url: str) -> Running:
    """`running_hub` on the tests' server; on your machine leave ``url`` out, and it starts one."""
    return partial(running_hub, url=redis_url)

"""Logging as it was: every test here changes the root logger."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator

import pytest

from helperhub.telemetry.logs import reset_log_context

_NAMES = ("", "dramatiq", "apscheduler", "dramatiq.worker.WorkerThread")


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Put back what a test changes."""
    root = logging.getLogger()
    handlers, levels = list(root.handlers), {name: logging.getLogger(name).level for name in _NAMES}
    show = warnings.showwarning
    yield
    reset_log_context()
    logging.captureWarnings(capture=False)
    warnings.showwarning = show
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)

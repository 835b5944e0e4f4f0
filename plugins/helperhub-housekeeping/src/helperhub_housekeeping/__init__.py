"""Housekeeping for HelperHub: old executions are cleaned up, and a report on each week goes out."""

from __future__ import annotations

__version__ = "0.1.0"

"""Housekeeping for HelperHub: old executions are cleaned up, backups written, and each week is reported on."""

from __future__ import annotations

__version__ = "0.1.0"

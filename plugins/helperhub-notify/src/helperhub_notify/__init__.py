"""Tells people of HelperHub's alerts by mail, SMS, chat and a hundred other ways, through apprise."""

from __future__ import annotations

__version__ = "0.1.0"

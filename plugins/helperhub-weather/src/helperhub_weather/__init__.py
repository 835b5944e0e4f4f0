"""Weather helpers for HelperHub: an hourly observation and a digest of the day, from Open-Meteo."""

from __future__ import annotations

__version__ = "0.1.0"

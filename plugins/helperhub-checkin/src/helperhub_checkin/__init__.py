"""Checks for HelperHub: web pages, TCP ports and TLS certificates, each an instance of one helper."""

from __future__ import annotations

__version__ = "0.1.0"

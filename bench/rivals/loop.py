"""Runs coroutines of adapters whose rivals are asynchronous, all on one loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

_loop = asyncio.new_event_loop()


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run ``coroutine`` to its end and return what it returns."""
    return _loop.run_until_complete(coroutine)

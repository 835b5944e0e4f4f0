"""Limits of the helper `tidy`, for tests of the scripts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.integration.store.conftest import Store

from helperhub.model.limits import HeldLimits, Limits, Rate
from helperhub.store.rules import pack_limits


def limit(store: Store, helper: str = "tidy", *, paused: bool = False, **limits: object) -> None:
    """Let these limits hold for a helper."""
    held = HeldLimits(Limits(**limits), paused)  # type: ignore[arg-type]
    store.scripts.set_rules({f"helper:{helper}": pack_limits(held) if held else ""})


def rate(starts: int, seconds: float) -> Rate:
    return Rate(starts, timedelta(seconds=seconds))


def publish(store: Store, *ids: str, **places: Any) -> None:
    for id_ in ids:
        assert store.publish(id_, **places) == (1, id_)

"""What a helper's function is handed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

SettingsT = TypeVar("SettingsT")


def _never() -> bool:
    return False


def _unheard(done: float, total: float | None, text: str) -> None:
    del done, total, text


@dataclass(frozen=True, slots=True)
class Context(Generic[SettingsT]):
    """One attempt, as its function sees it.

    Every field has a default, so that a test can write ``Context(settings=...)``.

    Args:
        execution_id: The execution's id.
        helper: The helper's name.
        instance: The instance's name, or None.
        payload: What the execution was given: JSON values, or the helper's payload model.
        settings: The plugin's settings, an instance of the model the helper declares.
        attempt: Starts of the function so far, this one included, from 1.
        delivery: Times this execution was handed to a worker, this one included, from 1.
        planned_at: The schedule's moment, or None if nobody planned it.
        deadline_at: When the time limit strikes, or None.
        log: A logger whose records carry the execution's id and helper.
    """

    execution_id: str = "local"
    helper: str = "local"
    instance: str | None = None
    payload: Any = None
    settings: SettingsT = None  # type: ignore[assignment]  # helpers without a model have no settings
    attempt: int = 1
    delivery: int = 1
    planned_at: datetime | None = None
    deadline_at: datetime | None = None
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("helperhub.helper"))
    _is_cancelled: Callable[[], bool] = _never
    _report_progress: Callable[[float, float | None, str], None] = _unheard

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to stop this execution; asks Redis at most once a second."""
        return self._is_cancelled()

    def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        """Tell how far the attempt is; shown while it runs, written at most once a second.

        Args:
            done: How much is done, in the helper's own unit.
            total: How much there is, or None if that isn't known.
            text: What is going on, for people.
        """
        self._report_progress(done, total, text)

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from helperhub import Cron, Helper, Overlap, RetryPolicy
from helperhub.errors import InvalidHelper
from helperhub.model.helper import HelperSpec
from helperhub.model.schedule import Schedule
from helperhub.schedules.notation import check_schedule

STARTED_AT = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)


@dataclass
class RecordingRegistrar:
    """Takes helpers in as a hub does, checks included, and remembers them."""

    environment: dict[str, Any] = field(default_factory=dict)
    added: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    timezone: str = "UTC"
    started_at: datetime = STARTED_AT

    def add(
        self,
        helper: Helper | Any,
        *,
        instance: str | None = None,
        schedule: Schedule | Mapping[str, Any] | None = None,
        payload: Any = None,
        priority: int | None = None,
        expires_after: timedelta | None = None,
        retry: RetryPolicy | None = None,
        time_limit: timedelta | None = None,
        overlap: Overlap | None = None,
        enabled: bool | None = None,
        description: str | None = None,
    ) -> None:
        spec = HelperSpec(name=helper.name, instance=instance, description=description or "")
        if spec.key in self.added:
            message = f"'{spec.key}' was added twice."
            raise InvalidHelper(message)
        if isinstance(schedule, Cron):
            check_schedule(schedule, default_tz=self.timezone)
        self.added[spec.key] = {
            "schedule": schedule,
            "payload": payload,
            "priority": priority,
            "expires_after": expires_after,
            "retry": retry,
            "time_limit": time_limit,
            "overlap": overlap,
            "enabled": enabled,
            "description": description,
            "queue": helper.declaration.spec.queue,
        }

    def settings(self, model: Any) -> Any:
        return model(**self.environment)

    def report(self, problem: str) -> None:
        assert "\n" not in problem
        self.problems.append(problem)


@pytest.fixture
def hub() -> RecordingRegistrar:
    return RecordingRegistrar()


@pytest.fixture
def crontab(tmp_path: Path) -> Callable[..., Path]:
    """Write a crontab file as cron would accept it."""

    def write(content: str | bytes, name: str = "my.crontab") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o644)
        return path

    return write

from __future__ import annotations

from datetime import timedelta

import pytest

from helperhub.settings import ResolvedQueue, load_settings, resolve_queue

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("name", "time_limit", "max_attempts", "result_ttl"),
    [
        ("high", HOUR, 4, 24 * HOUR),
        ("default", 2 * HOUR, 4, 24 * HOUR),
        ("low", 4 * HOUR, 3, 12 * HOUR),
        ("reports", HOUR / 6, 4, 24 * HOUR),
    ],
)
def test_queue_without_settings_has_the_standard_rules_of_its_name(
    name: str, time_limit: timedelta, max_attempts: int, result_ttl: timedelta
) -> None:
    settings = load_settings([], {}).settings

    assert resolve_queue(settings, name) == ResolvedQueue(time_limit, max_attempts, result_ttl, None)


def test_queue_has_the_rules_that_are_set_and_the_standard_ones_beside_them() -> None:
    variables = {
        "HELPERHUB_HISTORY__KEEP": "2h",
        "HELPERHUB_QUEUES__LOW__MAX_ATTEMPTS": "9",
        "HELPERHUB_QUEUES__LOW__MAX_DEPTH": "5",
    }

    settings = load_settings([], variables).settings

    assert resolve_queue(settings, "low") == ResolvedQueue(4 * HOUR, 9, 12 * HOUR, 5)
    assert resolve_queue(settings, "high").result_ttl == 2 * HOUR

"""Specs and overrides: what is refused, and what holds of both together."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from helperhub import Every, Overlap
from helperhub.errors import InvalidHelper
from helperhub.model.execution import AttemptError, Execution, Status, Trigger
from helperhub.model.helper import HelperSpec, Override, effective_spec, split_key
from helperhub.model.instant import from_ms

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("name", ["a", "weather", "Weather2", "a.b-c_d", "x" * 63])
def test_name_of_letters_digits_and_dashes_is_taken(name: str) -> None:
    assert HelperSpec(name).key == name


@pytest.mark.parametrize("name", ["", "2go", "a b", "a/b", "a#b", "a@b", "x" * 64, "é", "status", "executions", "-a"])
def test_name_that_would_be_mistaken_is_refused(name: str) -> None:
    with pytest.raises(InvalidHelper):
        HelperSpec(name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"instance": ""},
        {"instance": "a/b"},
        {"instance": "x" * 81},
        {"queue": "a b"},
        {"schedules": {"a#b": Every(HOUR)}},
        {"priority": 0},
        {"priority": 6},
        {"expires_after": timedelta(0)},
        {"time_limit": -HOUR},
    ],
    ids=str,
)
def test_value_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidHelper):
        HelperSpec("tidy", **wrong)


def test_key_of_an_instance_names_both() -> None:
    spec = HelperSpec("weather", instance="berlin")

    assert spec.key == "weather/berlin"
    assert split_key(spec.key) == ("weather", "berlin")
    assert split_key("weather") == ("weather", None)


def test_spec_holds_where_nothing_was_changed() -> None:
    spec = HelperSpec("tidy", priority=2, payload={"a": 1})

    assert effective_spec(spec, None) is spec
    assert effective_spec(spec, Override()) == spec


def test_operators_values_come_before_the_specs() -> None:
    spec = HelperSpec("tidy", schedules={"": Every(HOUR)}, priority=2, expires_after=HOUR, payload={"a": 1})
    override = Override(enabled=False, schedules={}, priority=5, expires_after=2 * HOUR)

    after = effective_spec(spec, override)

    assert (after.enabled, after.schedules, after.priority, after.expires_after) == (False, {}, 5, 2 * HOUR)
    assert after.payload == {"a": 1}


def test_payload_can_be_changed_to_nothing() -> None:
    spec = HelperSpec("tidy", payload={"a": 1})

    assert effective_spec(spec, Override(payload=None, has_payload=True)).payload is None
    assert effective_spec(spec, Override(payload={"b": 2})).payload == {"a": 1}


def test_override_out_of_range_is_refused() -> None:
    with pytest.raises(InvalidHelper, match="priority 9"):
        effective_spec(HelperSpec("tidy"), Override(priority=9))


def test_overlapping_executions_are_skipped_unless_the_author_says_otherwise() -> None:
    assert HelperSpec("tidy").overlap is Overlap.SKIP


def test_document_of_an_execution_has_the_words_that_every_face_uses() -> None:
    words = """id helper instance queue priority status reason planned_at due_at enqueued_at started_at finished_at
    expires_at attempt max_attempts delivery payload result error errors trigger replay_of metadata waits_for count
    unique_key"""

    document = Execution("a", "weather/berlin", "default", 3, Status.QUEUED).to_document()

    assert sorted(document) == sorted(words.split())
    assert (document["helper"], document["instance"], document["status"]) == ("weather", "berlin", "queued")


def test_document_shows_the_last_error_and_all_that_were_kept() -> None:
    errors = tuple(AttemptError("OSError", f"no {n}", attempt=n, at=from_ms(n)) for n in (1, 3, 4))

    document = Execution("a", "b", "c", 3, Status.ERROR, errors=errors, trigger=Trigger.REPLAY).to_document()

    assert document["error"]["message"] == "no 4"
    assert [error["attempt"] for error in document["errors"]] == [1, 3, 4]
    assert document["trigger"] == "replay"


def test_four_states_are_not_final() -> None:
    assert {status.value for status in Status if not status.final} == {"planned", "queued", "running", "waiting"}

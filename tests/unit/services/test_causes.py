"""What makes two failures one cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helperhub.model.execution import AttemptError, Execution, Status
from helperhub.services.causes import cause_of, group_causes, own_place, plain_message

TRACEBACK = """\
Traceback (most recent call last):
  File "/opt/venv/lib/python3.12/site-packages/dramatiq/worker.py", line 515, in process_message
    res = actor(*message.args)
  File "/opt/venv/lib/python3.12/site-packages/helperhub/broker/running.py", line 50, in run
    return helper.function(_build_context(broker))
  File "/opt/venv/lib/python3.12/site-packages/helperhub_weather/helpers.py", line 31, in weather
    return fetch(ctx.payload)
  File "/opt/venv/lib/python3.12/site-packages/helperhub_weather/sources/http.py", line 12, in fetch
    response.raise_for_status()
  File "/opt/venv/lib/python3.12/site-packages/httpx/_models.py", line 829, in raise_for_status
    raise HTTPStatusError(message)
httpx.HTTPStatusError: 503
"""
AT = datetime(2026, 11, 23, 8, tzinfo=UTC)


def failed(message: str, **places: object) -> Execution:
    error = AttemptError("httpx.HTTPStatusError", message, TRACEBACK)
    execution = Execution("a", "weather", "default", 3, Status.ERROR, errors=(error,), finished_at=AT)
    return replace(execution, **places)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("order 4711 of 'ada' can't be shipped", "order N of '...' can't be shipped"),
        ("no row 3f2504e0-4f89-11d3-9a0c-0305e82c3301 in 12.5 s", "no row ID in N s"),
        ("execution 01m84yb79fsz0ce3bv59dd at 0x7f3a2c10 is gone", "execution ID at ID is gone"),
        ('"Ada" isn\'t in "Berlin"', "'...' isn't in '...'"),
        ("it can't and it won't", "it can't and it won't"),
        ("first line\nsecond 5", "first line"),
        ("utf8 and http2 stay words", "utf8 and http2 stay words"),
        ("", ""),
    ],
)
def test_what_differs_each_time_is_taken_out_of_a_message(text: str, plain: str) -> None:
    assert plain_message(text) == plain


@given(st.integers(min_value=0), st.text("abcdef ", max_size=20))
def test_number_and_quoted_part_make_no_difference(number: int, name: str) -> None:
    assert plain_message(f"order {number} of '{name}' failed") == plain_message("order 1 of 'x' failed")


def test_place_is_the_last_line_of_the_helpers_own_package() -> None:
    assert own_place(TRACEBACK) == "sources/http.py, in fetch: response.raise_for_status()"


def test_place_is_that_of_the_error_itself_where_errors_are_chained() -> None:
    first = TRACEBACK.replace("raise_for_status()", "connect()")
    chained = f"{first}\nThe above exception was the direct cause of the following exception:\n\n{TRACEBACK}"

    assert own_place(chained).endswith("response.raise_for_status()")


@pytest.mark.parametrize("text", ["", "RuntimeError: it broke", "Traceback (most recent call last):\n"])
def test_traceback_without_lines_has_no_place(text: str) -> None:
    assert own_place(text) == ""


def test_fingerprint_stays_when_the_code_above_moves() -> None:
    moved = TRACEBACK.replace("line 12", "line 98").replace("/opt/venv/lib/python3.12", "/srv/app/lib/python3.14")
    error = AttemptError("httpx.HTTPStatusError", "503", moved)

    assert cause_of(failed("503")).fingerprint == cause_of(failed("", errors=(error,))).fingerprint


def test_instances_of_a_helper_share_a_cause_and_helpers_dont() -> None:
    berlin, paris = (cause_of(failed("5", helper=f"weather/{name}")) for name in ("berlin", "paris"))

    assert berlin == paris
    assert berlin.fingerprint != cause_of(failed("5", helper="tides")).fingerprint


def test_other_text_type_or_place_is_another_cause() -> None:
    usual = failed("it broke")
    others = [
        failed("it bent"),
        replace(usual, errors=(AttemptError("ValueError", "it broke", TRACEBACK),)),
        replace(usual, errors=(AttemptError("httpx.HTTPStatusError", "it broke", ""),)),
    ]

    assert len({cause_of(one).fingerprint for one in [usual, *others]}) == 4


def test_without_an_error_the_reason_counts_but_not_what_it_was_replayed_as() -> None:
    lost = Execution("a", "weather", "default", 3, Status.ERROR, reason="no worker has 'weather'")

    again = replace(lost, reason="no worker has 'weather' (replayed as 01m84yb79fsz0ce3bv59dd)")
    assert cause_of(lost) == cause_of(again)


def test_groups_count_and_tell_first_last_and_the_newest() -> None:
    newest_first = [failed(f"order {n}", id=str(n), finished_at=AT - timedelta(hours=n)) for n in range(3)]
    other = failed("no disk", id="x")

    first, second = group_causes([other, *newest_first])

    assert (first.count, first.example, first.last_seen, first.first_seen) == (3, "0", AT, AT - timedelta(hours=2))
    assert first.to_document()["first_seen"] == "2026-11-23T06:00:00Z"
    assert (second.count, second.example) == (1, "x")

"""What people send who mean ill, or whose program is broken: it is refused, and breaks no answer."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from tests.integration.api.conftest import Api

from helperhub.api.answers import write_json
from helperhub.services.strict_json import read_json

RUN = "/api/v1/helpers/echo/run"
UPDATE = "/api/v1/helpers/echo"
AS_JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"priority": 1, "priority": 5}', "'priority' is given twice"),
        (b'{"payload": {"a": 1, "a": 2}}', "'a' is given twice"),
        (b'{"payload": NaN}', "NaN is no JSON"),
        (b'{"payload": -Infinity}', "-Infinity is no JSON"),
        (b'{"payload": 1e999}', "too large a number"),
        (b'{"payload": 18446744073709551616}', "beyond 64 bits"),
        (b'{"payload": ' + b"9" * 5000 + b"}", "beyond 64 bits"),
        (b'{"payload": "\\ud800"}', "surrogates"),
        (b'{"metadata": {"\\udc00": 1}}', "surrogates"),
        (b'{"payload": "\xff"}', "invalid start byte"),
        (b'{"payload": ' + b"[" * 900_000, "nested too deeply"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", RUN), ("PUT", UPDATE)])
def test_json_that_two_readers_may_read_differently_is_refused(
    api: Api, method: str, path: str, body: bytes, said: str
) -> None:
    # Once, NaN was kept as null, the last of two names won, and half a surrogate pair broke the answer.
    answer = api.client.request(method, path, content=body, headers=AS_JSON)

    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_numbers_of_64_bits_and_whole_surrogate_pairs_are_taken() -> None:
    assert read_json(b'[18446744073709551615, -9223372036854775808, 1.5e308, "\\ud83d\\ude00"]') == [
        2**64 - 1,
        -(2**63),
        1.5e308,
        "\N{GRINNING FACE}",
    ]


def test_answer_holds_whatever_code_enqueued() -> None:
    # Once, an integer of 65 bits in a payload made every list that showed it a 500.
    odd = {"number": 2**70, "half": "\ud800", "none": float("nan"), 3: timedelta(seconds=1)}

    assert json.loads(write_json(odd)) == {"number": 2**70, "half": "\ud800", "none": None, "3": "0:00:01"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (RUN, {"delay": "999999999d"}),
        (RUN, {"delay": "9" * 400 + "d"}),
        (RUN, {"expires_after": "999999999d"}),
        (RUN, {"unique_key": "k", "unique_for": "999999999d"}),
        (RUN, {"unique_key": "\u00e4" * 64}),
        (RUN, {"at": "0001-01-01T00:00:00+14:00"}),
        ("/api/v1/keys", {"name": "n", "scopes": ["read"], "expires_in": "999999999d"}),
        ("/api/v1/keys", {"name": "n", "scopes": ["read"], "expires_in": "9000000d"}),
        ("/api/v1/keys", {"name": "n", "scopes": ["read"], "helpers": ["x" * 201]}),
        ("/api/v1/keys", {"name": "n", "scopes": ["read"], "queues": ["a\nb"]}),
    ],
)
def test_values_beyond_reason_are_refused_with_what_to_do(api: Api, path: str, body: dict[str, object]) -> None:
    answer = api.client.post(path, json=body)

    # 422 where the schema already says that it can't be.
    assert answer.status_code in (400, 422)
    assert answer.json()["hint"]


@pytest.mark.parametrize("key", ["a" * 255, "\u00e4" * 63, "\N{GRINNING FACE}" * 63])
def test_unique_key_that_fits_into_a_record_is_taken(api: Api, key: str) -> None:
    answer = api.client.post(RUN, json={"unique_key": key})

    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/api/v1/plan", {"done": "x"}),
        ("/api/v1/plan", {"done": [1]}),
        ("/api/v1/plan", {"done": None}),
        ("/api/v1/plan", {"done": -5}),
        ("/api/v1/plan", {"done": 2**63}),
        ("/api/v1/helpers", {"after": ["x"]}),
        ("/api/v1/audit", {"before": "\u00b2-\u00b2"}),
        ("/api/v1/audit", {"before": "9" * 20 + "-0"}),
        ("/api/v1/audit", {"before": 5}),
        ("/api/v1/audit", {"other": 5}),
    ],
)
def test_cursor_that_somebody_made_up_is_refused(api: Api, path: str, place: dict[str, object]) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")

    answer = api.client.get(path, params={"cursor": cursor})

    assert answer.status_code == 404
    assert "no cursor of this list" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["%ff%fe", "a%00b", "a%0aforged", "..%2f..%2fetc%2fpasswd", "a" * 201, "%e2%80%ae"])
def test_path_of_any_bytes_is_answered_with_a_problem(api: Api, path: str) -> None:
    answer = api.client.get(f"/api/v1/helpers/{path}")

    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("owned", ["echo@20261128T083000Z", "notice:abc", "callback:abc"])
def test_id_that_stands_for_other_work_cant_be_taken_first(api: Api, owned: str) -> None:
    # Whoever did would keep the planned execution, the notice or the callback of that id from being enqueued.
    answer = api.client.post(RUN, json={"id": owned})

    assert answer.status_code == 400
    assert "HelperHub's own" in answer.json()["hint"]


def test_thousands_of_query_parameters_take_no_time(api: Api) -> None:
    answer = api.client.get("/api/v1/helpers?" + "a&" * 15_000 + "limit=1")

    assert answer.status_code == 200
    assert answer.elapsed < timedelta(seconds=2)

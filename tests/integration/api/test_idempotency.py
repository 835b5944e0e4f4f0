"""``Idempotency-Key``: the same request again is answered as the first was."""

from __future__ import annotations

import pytest
from tests.integration.api.conftest import Api

from helperhub.model.access import Scope
from helperhub.services.audit import AuditFilter
from helperhub.store.idempotency import KEPT_MS, UNDER_WAY_MS, Claim, KeptAnswer


def test_same_request_again_gets_the_first_answer_and_does_nothing(api: Api) -> None:
    head = {"Idempotency-Key": "stop-echo"}
    first = api.client.post("/api/v1/helpers/echo/disable", json={"reason": "one"}, headers=head)
    api.client.post("/api/v1/helpers/echo/enable")

    second = api.client.post("/api/v1/helpers/echo/disable", json={"reason": "one"}, headers=head)

    assert second.content == first.content
    assert (second.status_code, second.headers["content-type"]) == (200, "application/json")
    assert second.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert api.hub.helpers.show("echo")["enabled"] is True
    assert len(api.hub.audit.find(AuditFilter(action="helper.disable"), limit=9)) == 1


def test_another_request_under_the_same_key_is_refused(api: Api) -> None:
    head = {"Idempotency-Key": "one"}
    api.client.post("/api/v1/helpers/echo/disable", json={"reason": "one"}, headers=head)

    answer = api.client.post("/api/v1/helpers/echo/disable", json={"reason": "two"}, headers=head)

    assert answer.status_code == 409
    assert answer.json()["code"] == "key_reused"


def test_key_that_isnt_printable_ascii_is_refused(api: Api) -> None:
    for key in (b"", b"\xe9", b"x" * 256):
        answer = api.client.post("/api/v1/helpers/echo/disable", headers=[(b"Idempotency-Key", key)])

        assert answer.status_code == 400
        assert "Idempotency-Key" in answer.json()["detail"]


def test_callers_and_paths_dont_meet_under_one_key(api: Api) -> None:
    head = {"Idempotency-Key": "one"}
    api.client.post("/api/v1/helpers/echo/disable", headers=head)

    elsewhere = api.client.post("/api/v1/helpers/broken/disable", headers=head)
    other = api.asking(Scope.MANAGE).post("/api/v1/helpers/echo/disable", headers=head)

    assert [answer.status_code for answer in (elsewhere, other)] == [200, 200]
    assert not any("idempotent-replayed" in answer.headers for answer in (elsewhere, other))


def test_request_whose_first_is_under_way_is_told_so(api: Api) -> None:
    keys = api.hub.api_keys.all()
    caller = f"key:{keys[0]['id']}"
    parts = (caller, "POST", "/api/v1/helpers/echo/disable", "one")
    first = api.client.post(parts[2], headers={"Idempotency-Key": "one"})
    assert first.status_code == 200
    (kept,) = api.hub.scripts.client.scan_iter(match=f"{api.hub.scripts.keys.prefix}:idempotency:*")
    fingerprint = api.hub.kept_answers.claim(parts, "").fingerprint  # type: ignore[union-attr]
    api.hub.scripts.client.delete(kept)

    claim = api.hub.kept_answers.claim(parts, fingerprint)
    under_way = api.client.post(parts[2], headers={"Idempotency-Key": "one"})

    assert isinstance(claim, Claim)
    assert under_way.status_code == 409
    # A process that died frees it by the end of its lifetime.
    assert 0 < api.hub.scripts.client.pttl(claim.key) <= UNDER_WAY_MS
    api.hub.kept_answers.release(claim)
    assert api.client.post(parts[2], headers={"Idempotency-Key": "one"}).status_code == 200
    assert UNDER_WAY_MS < api.hub.scripts.client.pttl(claim.key) <= KEPT_MS


def test_key_is_taken_or_its_answer_found_by_one_call(api: Api) -> None:
    def calls() -> int:
        stats = api.hub.scripts.client.info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("set", "get", "evalsha"))

    parts = ("key:x", "POST", "/", "one")
    before = calls()
    first = api.hub.kept_answers.claim(parts, "f")
    second = api.hub.kept_answers.claim(parts, "f")

    assert calls() - before == 2
    assert isinstance(first, Claim)
    assert second == KeptAnswer("f")


def test_request_that_was_refused_may_be_mended_under_its_key(api: Api) -> None:
    head = {"Idempotency-Key": "one"}

    refused = api.client.post("/api/v1/helpers/echo/run", json={"priority": 9}, headers=head)
    mended = api.client.post("/api/v1/helpers/echo/run", json={"priority": 1}, headers=head)

    assert (refused.status_code, mended.status_code) == (422, 202)


def test_secret_isnt_kept_for_whoever_repeats_the_request(api: Api) -> None:
    head = {"Idempotency-Key": "one"}
    body = {"name": "n", "scopes": ["read"]}
    made = api.client.post("/api/v1/keys", json=body, headers=head)

    again = api.client.post("/api/v1/keys", json=body, headers=head)

    assert (made.status_code, again.status_code) == (201, 409)
    (kept,) = api.hub.scripts.client.scan_iter(match=f"{api.hub.scripts.keys.prefix}:idempotency:*")
    assert made.json()["key"].encode() not in api.hub.scripts.client.get(kept)
    assert len(api.hub.api_keys.all()) == 2


def test_revoked_key_gets_no_kept_answer(api: Api) -> None:
    made = api.client.post("/api/v1/keys", json={"name": "n", "scopes": ["manage"]}).json()
    holder = api.showing(made["key"])
    head = {"Idempotency-Key": "one"}
    assert holder.post("/api/v1/helpers/echo/disable", headers=head).status_code == 200
    api.client.delete(f"/api/v1/keys/{made['id']}")

    assert holder.post("/api/v1/helpers/echo/disable", headers=head).status_code == 401


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_key_that_cant_be_one_is_refused(api: Api, key: str) -> None:
    answer = api.client.post("/api/v1/helpers/echo/disable", headers={"Idempotency-Key": key})

    assert answer.status_code == 400

"""API keys over HTTP: made, listed, rotated, revoked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.api.conftest import Api

from helperhub.errors import Conflict, NotFound, Unauthenticated
from helperhub.model.access import Scope
from helperhub.services.api_keys import KeyWish, _checksum, split_key
from helperhub.services.audit import AuditFilter


def test_key_is_shown_once_and_kept_as_a_digest(api: Api) -> None:
    made = api.client.post("/api/v1/keys", json={"name": "build server", "scopes": ["run"]})

    assert made.status_code == 201
    text = made.json()["key"]
    parts = split_key(text)
    assert parts is not None
    environment, key_id, secret = parts
    assert (environment, key_id) == ("live", made.json()["id"])
    kept = api.hub.scripts.client.hgetall(api.hub.scripts.keys.at("apikeys"))
    assert secret.encode() not in b"".join(kept.values())
    assert text not in api.client.get("/api/v1/keys").text


def test_mistyped_key_is_told_by_its_checksum() -> None:
    assert split_key("hh_live_3f9aK2mPq8Zx_" + "a" * 43 + "000000") is None


def test_expired_key_is_refused(api: Api) -> None:
    text, _ = api.hub.api_keys.create(KeyWish("short", frozenset({Scope.READ}), lifetime=timedelta(milliseconds=1)))

    answer = api.showing(text).get("/api/v1/helpers")

    assert answer.status_code == 401
    assert "expired" in answer.json()["detail"]
    assert "helperhub keys rotate" in answer.json()["hint"]


def test_revoked_key_is_refused_at_its_next_request(api: Api) -> None:
    made = api.client.post("/api/v1/keys", json={"name": "n", "scopes": ["read"]}).json()
    holder = api.showing(made["key"])
    assert holder.get("/api/v1/helpers").status_code == 200

    api.client.delete(f"/api/v1/keys/{made['id']}")

    assert holder.get("/api/v1/helpers").status_code == 401


def test_rotated_key_goes_on_for_the_overlap_beside_its_successor(api: Api) -> None:
    body = {"name": "n", "scopes": ["manage"], "helpers": ["echo"], "expires_in": "30d"}
    old = api.client.post("/api/v1/keys", json=body).json()

    new = api.client.post(f"/api/v1/keys/{old['id']}/rotate", json={"overlap": "1h"}).json()

    for key in (old["key"], new["key"]):
        assert api.showing(key).get("/api/v1/helpers").status_code == 200
    listed = {key["id"]: key for key in api.client.get("/api/v1/keys").json()["keys"]}
    assert listed[old["id"]]["rotated_to"] == new["id"]
    assert listed[old["id"]]["expires_at"] < old["expires_at"]
    assert (new["scopes"], new["helpers"]) == (["manage"], ["echo"])


def test_rotation_without_overlap_ends_the_old_key(api: Api) -> None:
    old = api.client.post("/api/v1/keys", json={"name": "n", "scopes": ["read"]}).json()

    api.client.post(f"/api/v1/keys/{old['id']}/rotate", json={"overlap": "0s"})

    assert api.showing(old["key"]).get("/api/v1/helpers").status_code == 401


def test_rotation_of_a_key_that_is_revoked_meanwhile_leaves_neither(api: Api) -> None:
    """It wrote what it had read, and the revoked key held again for the overlap."""
    old = api.client.post("/api/v1/keys", json={"name": "n", "scopes": ["read"]}).json()
    known = {key["id"] for key in api.hub.api_keys.all()}

    def revoke() -> datetime:
        # It asks for the time between reading the key and writing it.
        api.hub.api_keys.revoke(old["id"])
        return datetime.now(UTC)

    with pytest.raises(NotFound):
        replace(api.hub.api_keys, now=revoke).rotate(old["id"])

    assert {key["id"] for key in api.hub.api_keys.all()} == known - {old["id"]}
    assert api.showing(old["key"]).get("/api/v1/helpers").status_code == 401
    assert api.hub.audit.find(AuditFilter(action="key.rotate"), limit=1) == []


def test_rotation_of_a_key_that_is_rotated_meanwhile_is_a_conflict(api: Api) -> None:
    old = api.client.post("/api/v1/keys", json={"name": "n", "scopes": ["read"]}).json()

    def rotate() -> datetime:
        api.hub.api_keys.rotate(old["id"], overlap=timedelta(0))
        return datetime.now(UTC)

    with pytest.raises(Conflict):
        replace(api.hub.api_keys, now=rotate).rotate(old["id"])

    assert api.showing(old["key"]).get("/api/v1/helpers").status_code == 401


def test_key_says_when_it_was_used_last(api: Api) -> None:
    made = api.client.post("/api/v1/keys", json={"name": "n", "scopes": ["read"]}).json()
    assert made["last_used_at"] is None
    api.showing(made["key"]).get("/api/v1/helpers")

    used = {key["id"]: key["last_used_at"] for key in api.hub.api_keys.all()}

    assert used[made["id"]] is not None


def test_key_whose_secret_is_wrong_is_refused_though_its_checksum_is_right(api: Api) -> None:
    text = api.key(Scope.ADMIN)
    other = api.key(Scope.READ)
    parts, others = split_key(text), split_key(other)
    assert parts is not None
    assert others is not None

    head = f"hh_live_{parts[1]}_{others[2]}"
    with pytest.raises(Unauthenticated):
        api.hub.api_keys.check(head + _checksum(head))

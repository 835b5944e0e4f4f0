"""Webhooks: messages from outside that start helpers."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import BaseModel
from tests.integration.api.conftest import SOON, Api, Serve

from helperhub import helper
from helperhub.errors import NotFound
from helperhub.model.access import Scope
from helperhub.model.execution import Trigger
from helperhub.services.audit import AuditFilter
from helperhub.testing.running import KNOWN_KEYS
from helperhub.trust.standard_webhooks import TOLERANCE_S, sign


class City(BaseModel):
    name: str


@helper(payload_model=City)
def typed(ctx: Any) -> None: ...


def make(api: Api, **wanted: Any) -> dict[str, Any]:
    answer = api.client.post("/api/v1/webhooks", json={"helper": "echo", "name": "test", **wanted})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def signed(secret: str, body: bytes, *, message_id: str = "msg_1", at: datetime | None = None) -> dict[str, str]:
    stamp = int((at or datetime.now(UTC)).timestamp())
    head = {"webhook-id": message_id, "webhook-timestamp": str(stamp)}
    head["webhook-signature"] = sign(secret, message_id, stamp, body)
    return {"content-type": "application/json", **head}


def test_message_starts_the_helper_and_is_answered_with_its_execution(serve: Serve) -> None:
    api = serve(worker=True)
    hook = make(api)

    answer = api.showing().post(hook["path"], json={"city": "Berlin"})

    assert answer.status_code == 202
    job_id = answer.json()["job_id"]
    assert answer.json() == {
        "message": "Workflow execution enqueued",
        "job_id": job_id,
        "workflow_id": "echo",
        "status": "accepted",
    }
    ended = api.hub.wait(job_id, timeout=SOON)
    assert (ended.trigger, ended.result) == (Trigger.WEBHOOK, {"city": "Berlin"})
    assert ended.metadata == {"webhook": hook["id"], "source": "127.0.0.1"}


@pytest.mark.parametrize("wrong", ["wh_3f9aK2mPq8Zx_" + "a" * 43, "nonsense", "x" * 90])
def test_unknown_token_is_answered_404(api: Api, wrong: str) -> None:
    assert api.showing().post(f"/webhook/{wrong}").status_code == 404


def test_right_id_with_a_wrong_secret_is_answered_404(api: Api) -> None:
    token = make(api)["token"]

    answer = api.showing().post(f"/webhook/{token[:-1]}{'a' if token[-1] != 'a' else 'b'}")

    assert answer.status_code == 404


def test_disabled_webhook_is_answered_400_until_it_is_enabled(api: Api) -> None:
    hook = make(api)

    api.client.post(f"/api/v1/webhooks/{hook['id']}/disable", json={"reason": "floods us"})
    refused = api.showing().post(hook["path"])
    api.client.post(f"/api/v1/webhooks/{hook['id']}/enable")

    assert refused.status_code == 400
    assert "disabled" in refused.json()["detail"]
    assert api.showing().post(hook["path"]).status_code == 202


def test_webhook_of_a_disabled_helper_is_answered_400(api: Api) -> None:
    hook = make(api)
    api.hub.helpers.disable("echo", reason="maintenance")
    deadline = threading.Event()

    # What is known of helpers may be a second old.
    while (answer := api.showing().post(hook["path"])).status_code == 202:
        deadline.wait(0.05)

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("kind", "body", "payload"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}),
        ("application/cloudevents+json; charset=utf-8", b"[1]", [1]),
        ("application/x-www-form-urlencoded", b"a=1&b=x+y&a=2&c=", {"a": ["1", "2"], "b": "x y", "c": ""}),
        ("text/plain", "für dich".encode(), {"text": "für dich"}),
        ("text/plain; charset=iso-8859-1", "für dich".encode("latin-1"), {"text": "für dich"}),
    ],
)
def test_body_becomes_the_payload_as_its_type_says(api: Api, kind: str, body: bytes, payload: Any) -> None:
    answer = api.showing().post(make(api)["path"], content=body, headers={"Content-Type": kind})

    assert answer.status_code == 202
    assert api.hub.executions.get(answer.json()["job_id"]).payload == payload


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/xml", b"<a/>", 415),
        ("", b"text", 415),
        ("text/plain; charset=utf-16", b"\xff\xfe", 415),
        ("application/json", b"{", 422),
        ("application/json", b"\xff", 422),
        ("application/json", b"[" * 5000 + b"]" * 5000, 422),
        ("application/json", b'{"city": "Berlin", "city": "Bonn"}', 422),
        ("application/cloudevents+json", b'[{"a": 1, "a": 1}]', 422),
        ("application/json", b'{"n": 1e999}', 422),
        ("application/x-www-form-urlencoded", b"a=%ff", 422),
        ("application/x-www-form-urlencoded", b"a=1&" * 1001, 422),
        ("text/plain", b"\xff", 422),
        ("application/json", b'"' + b"x" * 300 + b'"', 413),
    ],
)
def test_body_that_cant_be_taken_is_answered_with_why(serve: Serve, kind: str, body: bytes, status: int) -> None:
    api = serve()
    hook = make(api, **({"max_body": 256} if status == 413 else {}))

    answer = api.showing().post(hook["path"], content=body, headers={"Content-Type": kind} if kind else {})

    assert answer.status_code == status
    assert answer.json()["detail"]


def test_payload_that_doesnt_fit_its_helpers_model_is_refused_without_showing_it(serve: Serve) -> None:
    api = serve([typed])
    hook = make(api, helper="typed")

    wrong = api.showing().post(hook["path"], json={"name": ["hunter2"]})

    assert wrong.status_code == 422
    assert "name" in wrong.json()["detail"]
    assert "hunter2" not in wrong.text
    assert api.showing().post(hook["path"], json={"name": "Berlin"}).status_code == 202


def test_same_message_again_starts_nothing_new(api: Api) -> None:
    hook, other = make(api), make(api)
    head = {"Idempotency-Key": "order-17"}

    ids = [api.showing().post(hook["path"], headers=head).json()["job_id"] for _ in range(3)]

    assert len(set(ids)) == 1
    assert api.showing().post(other["path"], headers=head).json()["job_id"] != ids[0]
    assert api.showing().post(hook["path"]).json()["job_id"] != ids[0]
    with_long = api.showing().post(hook["path"], headers={"Idempotency-Key": "x" * 256})
    assert with_long.status_code == 400


def test_signed_webhook_takes_what_its_secret_signed_once(api: Api) -> None:
    hook = make(api, signed=True)
    body = b'{"a": 1}'
    head = signed(hook["secret"], body)

    first = api.showing().post(hook["path"], content=body, headers=head)
    # Whoever repeats it can't make it another one.
    again = api.showing().post(hook["path"], content=body, headers={**head, "Idempotency-Key": "mine"})

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["job_id"] == again.json()["job_id"]


def test_signature_is_checked_over_the_bytes_before_names_that_come_twice_are_refused(api: Api) -> None:
    hook = make(api, signed=True)
    body = b'{"a": 1, "a": 2}'

    right = api.showing().post(hook["path"], content=body, headers=signed(hook["secret"], body))
    wrong = api.showing().post(hook["path"], content=body, headers=signed(hook["secret"], b'{"a": 2}'))

    assert (right.status_code, wrong.status_code) == (422, 401)
    assert "'a' is given twice" in right.json()["detail"]


@pytest.mark.parametrize("what", ["no headers", "body", "id", "old", "future", "timestamp", "signature", "secret"])
def test_signed_webhook_refuses_what_isnt_signed_rightly(api: Api, what: str) -> None:
    hook = make(api, signed=True)
    body = b'{"a": 1}'
    away = timedelta(seconds=TOLERANCE_S + 5)
    now = datetime.now(UTC)
    head = {
        "no headers": {"content-type": "application/json"},
        "body": signed(hook["secret"], b'{"a": 2}'),
        "id": {**signed(hook["secret"], body), "webhook-id": "msg_2"},
        "old": signed(hook["secret"], body, at=now - away),
        "future": signed(hook["secret"], body, at=now + away),
        "timestamp": {**signed(hook["secret"], body), "webhook-timestamp": "yesterday"},
        "signature": {**signed(hook["secret"], body), "webhook-signature": "v1,nonsense v2,more"},
        "secret": signed("whsec_" + "A" * 44, body),
    }[what]

    answer = api.showing().post(hook["path"], content=body, headers=head)

    assert answer.status_code == 401
    assert list(api.hub.records.waiting(["default"])) == []


def test_signature_is_that_of_the_specification() -> None:
    # The example of the specification's own libraries.
    found = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )

    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_rotated_token_and_secret_go_on_beside_their_successors(api: Api) -> None:
    hook = make(api, signed=True)
    new_path = api.client.post(f"/api/v1/webhooks/{hook['id']}/rotate", json={"overlap": "1h"}).json()["path"]
    new_secret = api.client.post(f"/api/v1/webhooks/{hook['id']}/rotate-secret").json()["secret"]

    statuses = [
        api.showing()
        .post(path, content=b"{}", headers=signed(secret, b"{}", message_id=path[-6:] + secret[-6:]))
        .status_code
        for path in (hook["path"], new_path)
        for secret in (hook["secret"], new_secret)
    ]

    assert statuses == [202] * 4
    assert new_path != hook["path"]
    assert api.client.get(f"/api/v1/webhooks/{hook['id']}").json()["overlap_ends_at"] is not None


def test_rotation_without_overlap_ends_the_old_token(api: Api) -> None:
    hook = make(api)

    new = api.client.post(f"/api/v1/webhooks/{hook['id']}/rotate", json={"overlap": "0s"}).json()

    assert api.showing().post(hook["path"]).status_code == 404
    assert api.showing().post(new["path"]).status_code == 202


def test_overlap_ends(api: Api) -> None:
    hook = make(api)
    api.client.post(f"/api/v1/webhooks/{hook['id']}/rotate", json={"overlap": "1ms"})

    assert api.showing().post(hook["path"]).status_code == 404


def test_token_is_kept_as_a_digest_only(api: Api) -> None:
    hook = make(api)
    secret = hook["token"].rpartition("_")[2]

    kept = b"".join(api.hub.scripts.client.hgetall(api.hub.scripts.keys.at("webhooks")).values())

    assert secret.encode() not in kept
    assert hashlib.sha256(secret.encode()).hexdigest().encode() in kept
    assert hook["token"] not in api.client.get("/api/v1/webhooks").text
    entry = api.hub.audit.find(AuditFilter(action="webhook.create"), limit=1)
    assert hook["token"] not in str(entry)


def test_secret_is_sealed_where_the_hub_encrypts(serve: Serve) -> None:
    api = serve(settings={"HELPERHUB_ENCRYPTION__KEYS": KNOWN_KEYS})
    hook = make(api, signed=True)

    kept = b"".join(api.hub.scripts.client.hgetall(api.hub.scripts.keys.at("webhooks")).values())

    assert hook["secret"].encode() not in kept
    answer = api.showing().post(hook["path"], content=b"{}", headers=signed(hook["secret"], b"{}"))
    assert answer.status_code == 202


def test_deleted_webhook_is_no_more_and_doesnt_come_back(api: Api) -> None:
    hook = make(api)

    deleted = api.client.delete(f"/api/v1/webhooks/{hook['id']}")

    assert deleted.json() == {"id": hook["id"], "deleted": True}
    assert api.showing().post(hook["path"]).status_code == 404
    assert api.client.post(f"/api/v1/webhooks/{hook['id']}/enable").status_code == 404
    assert api.client.get("/api/v1/webhooks").json() == {"webhooks": []}


def test_rotation_of_a_webhook_that_is_deleted_meanwhile_brings_nothing_back(api: Api) -> None:
    hook = make(api)

    def delete() -> datetime:
        api.hub.webhooks.delete(hook["id"])
        return datetime.now(UTC)

    with pytest.raises(NotFound):
        replace(api.hub.webhooks, now=delete).rotate_secret(hook["id"])

    assert api.hub.webhooks.all() == []


def test_change_from_before_a_deletion_brings_nothing_back(api: Api) -> None:
    hook = make(api)
    store = api.hub.webhooks.store
    raw = store.read_raw(hook["id"])
    api.hub.webhooks.delete(hook["id"])

    assert store.swap(hook["id"], raw, {"helper": "echo"}) is False
    assert store.read(hook["id"]) is None


def test_narrowed_key_sees_its_helpers_webhooks_only(api: Api) -> None:
    own, hidden = make(api), make(api, helper="broken")
    narrowed = api.asking(Scope.MANAGE, helpers=["echo"])

    listed = narrowed.get("/api/v1/webhooks").json()["webhooks"]

    assert [one["id"] for one in listed] == [own["id"]]
    assert narrowed.get(f"/api/v1/webhooks/{hidden['id']}").status_code == 404
    assert narrowed.post(f"/api/v1/webhooks/{hidden['id']}/rotate").status_code == 404
    assert narrowed.delete(f"/api/v1/webhooks/{hidden['id']}").status_code == 404
    assert narrowed.post("/api/v1/webhooks", json={"helper": "broken", "name": "n"}).status_code == 404


def test_webhook_of_no_helper_isnt_made(api: Api) -> None:
    answer = api.client.post("/api/v1/webhooks", json={"helper": "ecko", "name": "n"})

    assert answer.status_code == 404


def test_changes_are_in_the_audit(api: Api) -> None:
    hook = make(api)
    api.client.post(f"/api/v1/webhooks/{hook['id']}/disable", json={"reason": "floods us"})
    api.client.post(f"/api/v1/webhooks/{hook['id']}/rotate")
    api.client.delete(f"/api/v1/webhooks/{hook['id']}")

    entries = api.hub.audit.find(AuditFilter(action="webhook.", target=hook["id"]), limit=9)

    actions = ["webhook.delete", "webhook.rotate_token", "webhook.disable", "webhook.create"]
    assert [entry["action"] for entry in entries] == actions
    assert entries[2]["reason"] == "floods us"


def test_secrets_in_a_webhooks_payload_reach_the_helper_and_nobody_else(serve: Serve) -> None:
    seen: list[Any] = []

    @helper
    def login(ctx: Any) -> None:
        seen.append(ctx.payload)

    api = serve([login], worker=True)
    body = {"user": "ada", "password": "hunter2", "deep": [{"apiKey": "k"}], "note": "Bearer abcdefgh12345"}

    job_id = api.showing().post(make(api, helper="login")["path"], json=body).json()["job_id"]

    execution = api.hub.wait(job_id, timeout=SOON)
    assert seen == [body]
    shown = {"user": "ada", "password": "[redacted]", "deep": [{"apiKey": "[redacted]"}], "note": "Bearer [redacted]"}
    assert execution.payload == shown


def test_hundred_at_once_are_each_one_execution(api: Api) -> None:
    path = make(api)["path"]
    found: list[str] = []

    def send() -> None:
        with httpx.Client(base_url=api.url, timeout=20, trust_env=False) as client:
            answer = client.post(path, json={"n": 1})
            found.append(answer.json()["job_id"])

    threads = [threading.Thread(target=send) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(found)) == 100
    assert {execution.id for execution in api.hub.records.waiting(["default"])} == set(found)

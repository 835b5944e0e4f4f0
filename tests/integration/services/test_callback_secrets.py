"""What callbacks are signed with, what they never carry, and which URLs are refused at once."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr
from tests.integration.services.calling import calling, over
from tests.integration.services.targets import target

from helperhub import Context, helper
from helperhub.errors import InvalidHelper, UsageError
from helperhub.services.helpers import HelperUpdate
from helperhub.trust.standard_webhooks import verify

Wait = Callable[..., None]


def test_encrypted_payload_does_not_leave(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    keys = "k:" + base64.b64encode(b"k" * 32).decode()
    with target() as there, calling(redis_url, hub_name, ENCRYPTION__KEYS=keys) as hub:
        hub.enqueue("job", {"card": "4111"}, callback=there.url)
        wait_until(lambda: over(hub))

    assert there.requests[0].event["data"]["payload"] is None


@pytest.mark.parametrize("url", ["ftp://example.org/", "http://ada:pw@example.org/", "http://127.1/", "no url"])
def test_url_that_cant_be_one_is_refused_when_it_is_set(url: str, redis_url: str, hub_name: str) -> None:
    with calling(redis_url, hub_name, worker=False, scheduler=False) as hub:
        with pytest.raises(UsageError, match="The callback"):
            hub.enqueue("job", callback=url)
        with pytest.raises(UsageError, match="The callback"):
            hub.helpers.update("job", HelperUpdate(callback=url))
        assert hub.executions.records.count_dead() == 0


def test_declared_url_that_cant_be_one_is_refused() -> None:
    with pytest.raises(InvalidHelper, match="user or password"):
        helper(name="told", callback="http://ada:pw@example.org/")(lambda ctx: ctx)


def test_rotated_ring_signs_for_old_and_new_secret(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    old, new = ("o:" + base64.b64encode(b"o" * 32).decode(), "n:" + base64.b64encode(b"n" * 32).decode())
    with calling(redis_url, hub_name, worker=False, scheduler=False, SIGNING__KEYS=old) as hub:
        (known,) = hub.callback_secrets.all()
    with target() as there, calling(redis_url, hub_name, SIGNING__KEYS=f"{new},{old}") as hub:
        hub.enqueue("job", callback=there.url)
        wait_until(lambda: over(hub))
        secrets = hub.callback_secrets.all()

    (request,) = there.requests
    assert secrets[0] != known
    for secret in (secrets[0], known):
        assert verify([secret], request.headers, request.body, now_s=float(request.headers["webhook-timestamp"]))


def test_fields_declared_secret_do_not_leave(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    class Order(BaseModel):
        card: SecretStr
        city: str

    @helper(payload_model=Order)
    def order(ctx: Context[Any]) -> dict[str, str]:
        return {"card": ctx.payload.card.get_secret_value(), "city": ctx.payload.city}

    with target() as there, calling(redis_url, hub_name, order) as hub:
        hub.enqueue("order", {"card": "4111", "city": "Berlin"}, callback=there.url)
        wait_until(lambda: over(hub))

    data = there.requests[0].event["data"]
    assert data["payload"] == data["result"] == {"card": "[redacted]", "city": "Berlin"}

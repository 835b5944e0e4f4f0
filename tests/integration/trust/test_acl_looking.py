"""Redis users of roles that look on read metrics, and what ends, with nothing refused."""

from __future__ import annotations

from typing import Any

import pytest

from helperhub import helper
from helperhub.services.acl import Role, build_rules
from helperhub.store.connection import build_client
from helperhub.testing import ServerForTests
from helperhub.testing.running import build_hub, running_hub


@helper
def echo(ctx: Any) -> Any:
    return ctx.payload


@pytest.mark.parametrize("role", [Role.WEB, Role.READ_ONLY])
def test_metrics_and_what_ends_can_be_read_by_roles_that_look(role: Role, hub_name: str) -> None:
    settings = {"HELPERHUB_HUB": hub_name}
    with ServerForTests() as server:
        admin = build_client(server.url)
        user = build_rules(role, hub_name, password="secret")
        admin.execute_command(*user.command.split())
        looking = build_hub((), url=server.url.replace("unix://", f"unix://{user.user}:secret@"), settings=settings)
        since = looking.live.now()
        with running_hub([echo], url=server.url, settings=settings, scheduler=False) as hub:
            hub.wait(hub.enqueue("echo"))

        text = looking.metrics.write()
        (tail,) = looking.live._tails
        tail.listen(since[0])
        tail.hear()
        told = [outcome for part in looking.live.between(since, looking.live.now()) for outcome in part]
        tail.close()
        looking.close()

        assert b'helperhub_redis_up{shard="0"} 1.0' in text
        assert [outcome.helper for outcome in told] == ["echo"]
        assert admin.acl_log() == []
        admin.close()

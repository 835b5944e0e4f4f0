"""What a real server answers when it is in trouble, and what becomes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
import redis

from helperhub.errors import StoreError, StoreForbidden, StoreRefused, StoreUnavailable
from helperhub.model.execution import Status
from helperhub.store.connection import build_client, store_errors
from helperhub.store.keys import Keys
from helperhub.store.record import Record
from helperhub.store.scripts import Publication, Scripts
from helperhub.testing import ServerForTests
from helperhub.testing.running import build_hub, working

WaitUntil = Callable[..., None]


@pytest.fixture
def scripts(server: ServerForTests) -> Iterator[Scripts]:
    found = Scripts(build_client(server.url, retries=0), Keys("main"))
    yield found
    found.client.close()


def publish(scripts: Scripts) -> None:
    scripts.publish([Publication("one", Record(helper="job", queue="default"))])


def refusal(scripts: Scripts) -> StoreError:
    with pytest.raises(StoreError) as caught:
        publish(scripts)
    return caught.value


def test_replica_after_a_failover_is_transient_and_its_connection_is_dropped(
    scripts: Scripts, operator: redis.Redis
) -> None:
    """A worker went on talking to the demoted primary for as long as it lived."""
    publish(scripts)
    before = scripts.client.client_id()
    operator.replicaof("127.0.0.1", 1)

    error = refusal(scripts)

    assert type(error) is StoreUnavailable
    assert scripts.client.client_id() != before
    operator.replicaof("NO", "ONE")
    publish(scripts)


def test_replica_that_lost_its_primary_is_transient(scripts: Scripts, operator: redis.Redis) -> None:
    operator.config_set("replica-serve-stale-data", "no")
    operator.replicaof("127.0.0.1", 1)

    assert type(refusal(scripts)) is StoreUnavailable


def test_too_few_replicas_are_transient(scripts: Scripts, operator: redis.Redis) -> None:
    operator.config_set("min-replicas-to-write", 1)

    assert type(refusal(scripts)) is StoreUnavailable


def test_long_script_of_somebody_else_is_transient(
    scripts: Scripts, operator: redis.Redis, server: ServerForTests, wait_until: WaitUntil
) -> None:
    operator.config_set("busy-reply-threshold", 10)
    with redis.Redis.from_url(server.url) as other:

        def spin() -> None:
            with pytest.raises(redis.ResponseError):
                other.eval("while true do end", 0)

        spinning = threading.Thread(target=spin)
        spinning.start()
        wait_until(lambda: "BUSY" in str(_publish_or_error(scripts)))
        alone, in_pipeline = refusal(scripts), _pipelined(scripts.client)
        operator.script_kill()
        spinning.join()

    assert type(alone) is type(in_pipeline) is StoreUnavailable
    publish(scripts)


def _pipelined(client: Any) -> StoreError:
    pipeline = client.pipeline(transaction=False)
    pipeline.get("a")
    with pytest.raises(StoreError) as caught, store_errors():
        pipeline.execute()
    return caught.value


def test_server_that_reads_its_data_is_transient(
    scripts: Scripts, operator: redis.Redis, server: ServerForTests, wait_until: WaitUntil
) -> None:
    publish(scripts)
    operator.mset({f"filler:{number}": "x" * 200 for number in range(300)})
    operator.config_set("key-load-delay", 3000)  # us a key
    operator.config_set("loading-process-events-interval-bytes", 1024)
    with redis.Redis.from_url(server.url) as other:
        reading = threading.Thread(target=lambda: other.execute_command("DEBUG", "RELOAD"))
        reading.start()
        wait_until(lambda: "loading" in str(_publish_or_error(scripts)), seconds=5)
        error = _publish_or_error(scripts)
        wait_until(lambda: _publish_or_error(scripts) is None, seconds=20)
        reading.join()

    assert type(error) is StoreUnavailable


def _publish_or_error(scripts: Scripts) -> StoreError | None:
    try:
        publish(scripts)
    except StoreError as error:
        return error
    return None


def test_full_memory_refuses_with_what_to_do(scripts: Scripts, operator: redis.Redis) -> None:
    operator.config_set("maxmemory", "1mb")

    error = refusal(scripts)

    assert type(error) is StoreRefused
    assert "maxmemory" in error.hint


def test_disk_that_cant_be_written_refuses_with_what_to_do(
    scripts: Scripts, operator: redis.Redis, server: ServerForTests, wait_until: WaitUntil
) -> None:
    operator.config_set("save", "3600 1")
    (server.directory / "dump.rdb").mkdir()  # the finished snapshot can't take its place
    operator.set("something", "new")
    operator.bgsave()
    wait_until(lambda: operator.info("persistence")["rdb_last_bgsave_status"] == "err")

    error = refusal(scripts)

    assert type(error) is StoreRefused
    assert "disk" in error.hint


def test_missing_login_wrong_login_and_forbidden_deed_are_told_apart_from_the_rest(
    server: ServerForTests, operator: redis.Redis
) -> None:
    operator.acl_setuser("reader", enabled=True, passwords=["+right"], commands=["+get", "+info"], keys=["*"])
    operator.acl_setuser("script", enabled=True, passwords=["+right"], categories=["+@all"], keys=["other:*"])
    operator.config_set("requirepass", "secret")
    url = server.url.replace("unix://", "unix://{}@")

    for login, part in [
        ("", "Authentication required"),
        ("reader:wrong", "invalid username-password"),
        ("reader:right", "evalsha"),
    ]:
        scripts = Scripts(build_client(url.format(login) if login else server.url, retries=0), Keys("main"))
        error = refusal(scripts)
        scripts.client.close()

        assert type(error) is StoreForbidden, login
        assert part in error.message
        assert "HELPERHUB_REDIS_URL" in error.hint
    scripts = Scripts(build_client(url.format("script:right"), retries=0), Keys("main"))
    assert type(refusal(scripts)) is StoreForbidden
    scripts.client.close()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "unix:///nowhere/at.sock"])
def test_nobody_there_is_transient(url: str) -> None:
    scripts = Scripts(build_client(url, retries=0), Keys("main"))

    assert type(refusal(scripts)) is StoreUnavailable


def test_value_of_another_type_lasts(scripts: Scripts, operator: redis.Redis) -> None:
    operator.lpush(scripts.keys.at("queues"), "not a set")

    assert type(refusal(scripts)) is StoreError


def test_login_that_is_refused_for_a_while_costs_no_outcome(
    server: ServerForTests, operator: redis.Redis, wait_until: WaitUntil
) -> None:
    """Outcomes were dropped as if their executions were broken, and the work was done again."""
    hub = build_hub((), url=server.url, settings={})
    release = threading.Event()

    @dramatiq.actor(broker=hub.broker)
    def hold() -> str:
        release.wait(10)
        return "done"

    with working(hub):
        id_ = hold.send().message_id
        wait_until(lambda: hub.executions.get(id_).status is Status.RUNNING)
        operator.config_set("requirepass", "secret")
        operator.client_kill_filter(_type="normal", skipme=True)
        release.set()
        wait_until(lambda: "NOAUTH" in str(operator.info("errorstats")))
        operator.config_set("requirepass", "")

        execution = hub.wait(id_, timeout=timedelta(seconds=15))

    assert (execution.status, execution.delivery) == (Status.SUCCESS, 1)
    hub.close()

"""The schema of the keys: raised when all processes know more, never lowered, and older scripts do nothing above it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from helperhub.errors import NewerSchema
from helperhub.store import schema
from helperhub.store.schema import SILENT_MS, Schemas
from helperhub.store.scripts import _digest, load_script

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store

#: The release after this one: it also writes this one's schema.
NEXT = Schemas(newest=3, writes_from=2, reads_from=2)


@contextmanager
def release(schemas: Schemas) -> Iterator[None]:
    """Be another release for the length of the block."""
    before = schema.KNOWN
    try:
        _be(schemas)
        yield
    finally:
        _be(before)


def _be(schemas: Schemas) -> None:
    schema.KNOWN = schemas
    load_script.cache_clear()
    _digest.cache_clear()


def join(store: Store, worker: str, known: int | None, *, lease_ms: int = 30_000) -> None:
    about = {} if known is None else {"schema": str(known)}
    store.scripts.join(worker, lease_ms=lease_ms, about=about)


def written(store: Store) -> int:
    return int(store.client.hget(store.key("meta"), "schema") or 0)


def test_first_process_that_may_says_which_schema_is_written(store: Store) -> None:
    assert store.scripts.agree() == (2, "")
    assert written(store) == 2


def test_process_of_the_next_release_leaves_the_schema_alone_until_a_scheduler_raises_it(store: Store) -> None:
    store.scripts.agree()

    with release(NEXT):
        assert store.scripts.agree() == (2, "")
        assert store.scripts.agree(scheduler="new") == (3, "")


def test_schema_is_not_raised_while_a_worker_process_knows_less(store: Store) -> None:
    store.scripts.agree()
    join(store, "old", 2)
    with release(NEXT):
        join(store, "new", 3)

        assert store.scripts.agree(scheduler="new") == (2, "")

    store.scripts.reap([])
    store.advance(30_001)  # the leases of both are over
    with release(NEXT):
        join(store, "new", 3)

        assert store.scripts.agree(scheduler="new") == (3, "")


def test_schema_is_not_raised_while_a_scheduler_knows_less(store: Store) -> None:
    store.scripts.agree(scheduler="old")
    with release(NEXT):
        assert store.scripts.agree(scheduler="new") == (2, "")

        store.advance(SILENT_MS + 1)

        assert store.scripts.agree(scheduler="new") == (3, "")


def test_scheduler_says_what_it_knows_with_its_first_look_at_the_plan(store: Store) -> None:
    store.scripts.due("old", limit=1)

    with release(NEXT):
        assert store.scripts.agree(scheduler="new") == (2, "")


def test_scheduler_that_says_nothing_is_named_to_who_cannot_write_for_it(store: Store) -> None:
    store.scripts.agree()
    store.client.zadd(store.key("schedulers"), {"silent": store.now_ms()})

    with release(NEXT):
        schema_now, behind = store.scripts.agree(scheduler="new")

    assert (schema_now, behind) == (2, "silent")
    assert written(store) == 2


def test_what_schedulers_said_that_are_gone_is_forgotten(store: Store) -> None:
    store.scripts.agree(scheduler="gone")
    store.catalogue.forget_schedulers(before_ms=store.now_ms() + 1)

    store.scripts.agree(scheduler="here")

    assert set(store.client.hkeys(store.key("meta"))) == {b"schema", b"scheduler:here"}


def test_worker_process_that_says_nothing_is_named_to_who_cannot_write_for_it(store: Store) -> None:
    join(store, "before-schemas", None)

    assert store.scripts.agree() == (0, "before-schemas")
    assert written(store) == 0


@pytest.mark.parametrize("script", ["publish", "claim", "settle", "due", "cancel", "purge", "reap", "agree"])
def test_scripts_of_an_older_release_do_nothing_once_the_schema_is_raised(store: Store, script: str) -> None:
    store.publish("a")
    store.join("w")
    store.claim()
    with release(NEXT):
        store.advance(30_001)
        store.scripts.agree(scheduler="new")
    before = store.snapshot()
    calls: dict[str, Callable[[], object]] = {
        "publish": lambda: store.publish("b"),
        "claim": store.claim,
        "settle": lambda: store.settle("a"),
        "due": lambda: store.scripts.due("old", limit=1),
        "cancel": lambda: store.scripts.cancel(["a"], reason=""),
        "purge": lambda: store.scripts.purge("default", limit=1, reason=""),
        "reap": store.reap,
        "agree": store.scripts.agree,
    }

    with pytest.raises(NewerSchema, match=r"schema 3, and this release knows 2.*Install the release"):
        calls[script]()

    assert store.snapshot() == before

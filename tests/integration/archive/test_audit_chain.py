"""The audit trail in the archive: whole, and whoever changes it is found out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, update

from helperhub import Hub
from helperhub.archive import tables
from helperhub.archive.audit import AuditChain, digest_of
from helperhub.archive.database import Database
from helperhub.model.access import SYSTEM
from helperhub.services.archiving import Archiver
from helperhub.services.audit import AuditFilter, acting_as
from helperhub.store.archived import audit_since

TABLE = tables.audit


def note(hub: Hub, *targets: str) -> None:
    with acting_as(SYSTEM):
        for target in targets:
            hub.audit.note("helper.disable", target, before={"enabled": True}, reason="\0 why")


def test_archived_trail_is_whole_and_says_who_did_what(hub: Hub, archiver: Archiver, database: Database) -> None:
    note(hub, "a", "b")
    archiver.advance()
    note(hub, "c")
    archiver.advance()

    found = hub.audit.verify()

    assert (found["ok"], found["entries"], found["problem"]) == (True, 3, None)
    with database.read() as connection:
        rows = connection.execute(TABLE.select().order_by(TABLE.c.number)).all()
    assert [(row.number, row.action, row.target, row.who) for row in rows] == [
        (1, "helper.disable", "a", "system"),
        (2, "helper.disable", "b", "system"),
        (3, "helper.disable", "c", "system"),
    ]


def change_content(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(TABLE).where(TABLE.c.number == 2).values(content='{"who":"nobody"}'))


def take_out_one(database: Database) -> None:
    with database.write() as connection:
        connection.execute(delete(TABLE).where(TABLE.c.number == 2))


def take_out_the_last(database: Database) -> None:
    with database.write() as connection:
        connection.execute(delete(TABLE).where(TABLE.c.number == 3))


def make_all_anew(database: Database) -> None:
    """Change one entry, and the digests of it and all behind it: the chain by itself is whole."""
    digest = AuditChain(database).digest_at(1)
    assert digest is not None
    with database.write() as connection:
        for row in connection.execute(TABLE.select().where(TABLE.c.number > 1).order_by(TABLE.c.number)).all():
            content = row.content.replace("system", "nobody")
            digest = digest_of(digest, row.id, content)
            connection.execute(update(TABLE).where(TABLE.c.number == row.number).values(content=content, digest=digest))


@pytest.mark.parametrize("change", [change_content, take_out_one, take_out_the_last, make_all_anew])
def test_change_of_the_archived_trail_is_found(
    hub: Hub, archiver: Archiver, database: Database, change: Callable[[Database], Any]
) -> None:
    note(hub, "a", "b", "c")
    archiver.advance()

    change(database)

    found = hub.audit.verify()
    assert not found["ok"]
    assert found["problem"]


def test_trail_goes_on_in_the_archive_where_redis_ends(hub: Hub, archiver: Archiver) -> None:
    note(hub, "a", "b")
    archiver.advance()
    ids = [id_ for id_, _ in audit_since(hub.scripts, "0-0")]
    hub.scripts.client.xdel(hub.scripts.keys.at("audit"), *ids)
    note(hub, "c")

    entries = hub.audit.find(AuditFilter(), limit=10)

    assert [entry["target"] for entry in entries] == ["c", "b", "a"]
    assert [entry["target"] for entry in hub.audit.find(AuditFilter(), limit=10, before=entries[1]["id"])] == ["a"]
    assert entries[2]["before"] == {"enabled": True}


def test_empty_trail_is_whole(hub: Hub, archiver: Archiver) -> None:
    archiver.advance()

    assert hub.audit.verify()["entries"] == 0

"""The PostgreSQL that tests share: every test has a database of its own, and a crash keeps what was committed."""

from __future__ import annotations

import psycopg
from tests.servers.postgres import PostgresForTests


def test_database_is_empty_and_is_dropped_after_the_block() -> None:
    with PostgresForTests() as server:
        with server.database() as url, psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE here (id int)")
            connection.commit()
        with server.database() as url, psycopg.connect(url) as connection:
            tables = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'here'").fetchone()
        with psycopg.connect(server.url) as connection:
            left = connection.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE 'helperhub_test_%'"
            ).fetchall()

    assert tables == (0,)
    assert left == []


def test_what_was_committed_is_there_after_a_kill() -> None:
    with PostgresForTests() as server, server.database() as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept (id int)")
            connection.execute("INSERT INTO kept VALUES (7)")

        server.kill()
        server.start()

        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT id FROM kept").fetchall() == [(7,)]

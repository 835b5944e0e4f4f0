"""Rows for a benchmark of the archive: made in PostgreSQL itself, with its indexes built afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg

#: The newest row is of this moment (2026-11-01), the oldest of 90 days before.
END_MS = 1_793_491_200_000
SPAN_MS = 90 * 86_400_000
HELPERS = 200
#: In half of all rows, in one of 500 each, and in none but the oldest hundredth.
COMMON, MIDDLE, OLD = "delivered", "city17", "legacy"
_STATUS = """CASE WHEN k < 960 THEN 'success' WHEN k < 980 THEN 'error' WHEN k < 990 THEN 'expired'
  WHEN k < 995 THEN 'cancelled' ELSE 'skipped' END"""
#: n counts from 0, oldest first; r, s and k are by chance from n alone, so that every run has the same rows.
_ROWS = f"""
INSERT INTO executions
SELECT id, ms, 'helper' || h, CASE WHEN n % 20 = 0 THEN 'site' || n % 7 ELSE '' END,
  CASE n % 50 WHEN 0 THEN 'reports' WHEN 1 THEN 'high' WHEN 2 THEN 'low' ELSE 'default' END, status, 1 + n % 5,
  CASE status WHEN 'expired' THEN 'not started in time' WHEN 'skipped' THEN 'overlap' ELSE '' END,
  ms - 2000, ms - 2000, ms - 1500, ms - 1000, ms, NULL, 1, 3, 1, 'schedule', NULL, NULL, 1,
  '{{"order": "o' || n || '", "city": "city' || r % 500 || '", "amount": ' || r % 9973
    || CASE WHEN n < %(rows)s / 100 THEN ', "origin": "{OLD}"' ELSE '' END || '}}',
  CASE WHEN status = 'success' THEN '{{"state": "' || CASE WHEN r % 2 = 0 THEN '{COMMON}' ELSE 'waiting' END
    || '", "seconds": ' || r % 977 || '}}' END,
  CASE WHEN n % 10 = 0 THEN '{{"app": "crm", "user": "u' || r % 5000 || '"}}' END,
  CASE WHEN status = 'error' THEN 'httpx.ConnectTimeout' END,
  CASE WHEN status = 'error' THEN 'timed out after ' || r % 60 || ' s at host' || r % 300 END
FROM (
  SELECT n, r, k, (power(s / 999983.0, 2) * {HELPERS})::int AS h, {_STATUS} AS status,
    {END_MS} - {SPAN_MS} + (n::numeric * {SPAN_MS} / %(rows)s)::bigint AS ms, lpad(to_hex(n), 10, '0') || '-bench' AS id
  FROM (
    SELECT n, (n * 2654435761 + 12345) %% 1000003 AS r, (n * 2246822519 + 7) %% 999983 AS s,
      (n * 3266489917 + 11) %% 1000 AS k
    FROM generate_series(0::bigint, %(rows)s - 1) AS n
  ) AS numbers
) AS made
""".replace(" % ", " %% ")  # noqa: S608 - constants
_METADATA = """
INSERT INTO execution_metadata
SELECT pair.key, pair.value, recorded_ms, id FROM executions, LATERAL json_each_text(metadata::json) AS pair
WHERE metadata IS NOT NULL
"""
_ATTEMPTS = """
INSERT INTO attempts SELECT id, 1, recorded_ms, recorded_ms, error_type, error_message, 'File "x.py", line 3, in get'
FROM executions WHERE status = 'error'
"""


def fill(url: str, rows: int, say: Callable[[str], None]) -> None:
    """Fill an empty archive with so many executions, their metadata and attempts, and gather statistics."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename IN"
            " ('executions', 'execution_metadata', 'attempts')"
            " AND indexname NOT IN (SELECT conname FROM pg_constraint)"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"'.encode())
        for what, statement in (("executions", _ROWS), ("metadata", _METADATA), ("attempts", _ATTEMPTS)):
            _timed(say, what, connection, statement, {"rows": rows})
        for name, definition in indexes:
            _timed(say, name, connection, definition)
        _timed(say, "statistics", connection, "VACUUM (ANALYZE)")


def _timed(
    say: Callable[[str], None],
    what: str,
    connection: psycopg.Connection,
    statement: str,
    values: dict[str, int] | None = None,
) -> None:
    began = time.monotonic()
    connection.execute(statement.encode(), values if values and "%(" in statement else None)
    say(f"{what}: {time.monotonic() - began:.1f} s")

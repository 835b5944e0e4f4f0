"""Text in executions: PostgreSQL has an index of words, SQLite looks at row by row.

With an index there are two ways, and neither is quick for every word. Through the index: all that has the word
is found at once, and must be put in order, so it is for what is rare. Along the time: newest first, each row
looked at, so it is for what is frequent. In between, index and a span of time are put together. See
docs/decisions/0030.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Text, cast, func, or_, text
from sqlalchemy.dialects.postgresql import TSQUERY

from helperhub.archive import tables
from helperhub.archive.conditions import Condition

#: A phrase's operators in a query of PostgreSQL's: followed by, or so many words behind.
_FOLLOWED_BY = re.compile(r"<(?:-|[0-9]+)>")
_ESCAPE = "\\"
#: What is shorter than this is a whole word: so much begins with "s" that to gather it takes too long.
_LEAST_BEGINNING = 3
_QUERIES = text(
    "SELECT to_tsquery('simple', one)::text FROM unnest(CAST(:quoted AS text[])) WITH ORDINALITY AS given(one, place)"
    " ORDER BY place"
)
_ROWS = text("SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'executions'::regclass")
_ESTIMATE = text(
    "EXPLAIN (FORMAT JSON) SELECT 1 FROM executions"
    " WHERE execution_words(reason, error_type, error_message, payload, result) @@ CAST(:words AS tsquery)"
)


@dataclass(frozen=True, slots=True)
class Words:
    """Terms as PostgreSQL takes them.

    Args:
        phrases: What must hold.
        words: The same without the order within phrases, which the index answers exactly.
        count: About how many rows have the words, as PostgreSQL estimates it.
        rows: And how many there are.
    """

    phrases: str
    words: str
    count: float
    rows: float

    @property
    def in_index(self) -> Condition:
        """Whether a row has the words."""
        return _has(self.words)

    @property
    def exactly(self) -> Condition:
        """Whether a row has the phrases, to be checked of a row: no index is asked.

        An index can't tell the order of words: PostgreSQL would check every row that it names, before any other
        condition.
        """
        return _has(self.phrases).is_(True)

    @property
    def found(self) -> list[Condition]:
        """What the index answers, and what is left to check."""
        return [self.in_index] if self.words == self.phrases else [self.in_index, self.exactly]


def read_words(connection: Connection, terms: Sequence[str]) -> Words:
    """Return terms as PostgreSQL takes them: one of several is a phrase, its last may be a beginning."""
    quoted = [f"'{_quote(term)}'" for term in terms]
    found = connection.execute(_QUERIES, {"quoted": quoted}).scalars()
    phrases = " & ".join(f"({_open_end(one)})" for one in found if one)
    words = _FOLLOWED_BY.sub("&", phrases)
    plan: Any = connection.execute(_ESTIMATE, {"words": words}).scalar()
    rows = connection.execute(_ROWS).scalar_one()
    return Words(phrases, words, float(plan[0]["Plan"]["Plan Rows"]), float(rows))


def _open_end(query: str) -> str:
    last = query.rpartition(" ")[2].strip("'")
    return f"{query}:*" if len(last) >= _LEAST_BEGINNING else query


def _quote(term: str) -> str:
    """Return a term for between the quotes of ``to_tsquery``; a backslash there is no more than a separator."""
    return term.replace("\0", " ").replace("\\", " ").replace("'", "''")


def _has(query: str) -> Condition:
    one = tables.executions.c
    words = func.execution_words(one.reason, one.error_type, one.error_message, one.payload, one.result)
    return words.bool_op("@@")(cast(query, TSQUERY))


def anywhere(terms: Iterable[str]) -> list[Condition]:
    """Return conditions for SQLite: each term occurs somewhere, in any case."""
    return [_occurs(term) for term in terms]


def _occurs(term: str) -> Condition:
    one = tables.executions.c
    # LIKE knows upper and lower case of ASCII only.
    forms = {term} if term.isascii() else {term, term.lower(), term.upper(), term.capitalize()}
    plain = [f"%{_escape(form)}%" for form in forms]
    in_json = [f"%{_escape(json_text(form))}%" for form in forms]
    texts = [(one.reason, plain), (one.error_type, plain), (one.error_message, plain)]
    texts += [(one.payload, in_json), (one.result, in_json)]
    return or_(*(cast(column, Text).like(form, escape=_ESCAPE) for column, of_column in texts for form in of_column))


def _escape(text_: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text_)


def json_text(term: str) -> str:
    """Return a term as it stands within a text of JSON."""
    return json.dumps(term, ensure_ascii=False)[1:-1]


__all__ = ["Words", "anywhere", "json_text", "read_words"]

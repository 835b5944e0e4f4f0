"""Which schema a hub's keys and records have, and which ones this release knows.

The number in ``P:meta`` is the schema that is written. Scripts of a release that doesn't know it
refuse to do anything, and it is raised only once every registered process knows more. So a release
also reads and writes the schema before its own until all are new; see docs/decisions/0020.
"""

from __future__ import annotations

from dataclasses import dataclass

from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys

#: A scheduler says once a minute what it knows; silent for so long it is gone.
SILENT_MS = 180_000


@dataclass(frozen=True, slots=True)
class Schemas:
    """What a release can do.

    Args:
        newest: The newest schema it knows.
        writes_from: The oldest it can write.
        reads_from: The oldest it can read.
    """

    newest: int
    writes_from: int
    reads_from: int


#: 1: a record is one msgpack array, and nobody says which schema it is. 2: a record is a header and two parts.
#: Only tests change it, to be the release after this one.
KNOWN = Schemas(newest=2, writes_from=2, reads_from=1)


def read_schema(client: Client, keys: Keys) -> int:
    """Return the schema that is written in a shard; 0 if no process has said so yet."""
    with store_errors():
        return int(client.hget(keys.at("meta"), "schema") or 0)

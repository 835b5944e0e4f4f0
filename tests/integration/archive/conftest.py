"""A hub with an archive, once in SQLite and once in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helperhub import Hub
from helperhub.archive.database import Database
from helperhub.services.archiving import Archiver
from helperhub.testing import find_strays
from helperhub.testing.running import build_hub


@pytest.fixture
def hub(redis_url: str, hub_name: str, archive_url: str, tmp_path: Path) -> Iterator[Hub]:
    """A hub without helpers, and its archive; afterwards nothing may lie about in its keys."""
    settings = {
        "HELPERHUB_HUB": hub_name,
        "HELPERHUB_DATABASE_URL": archive_url,
        "HELPERHUB_DATA_DIR": str(tmp_path / "data"),
    }
    found = build_hub((), url=redis_url, settings=settings)
    found.upgrade_archive()
    yield found
    strays = find_strays(found.scripts.client, found.scripts.keys)
    found.close()
    assert strays == []


@pytest.fixture
def archiver(hub: Hub) -> Archiver:
    """Takes over what ended when it is told to."""
    return hub.build_archiver()


@pytest.fixture
def database(hub: Hub) -> Database:
    """The archive's database."""
    assert hub.database is not None
    return hub.database

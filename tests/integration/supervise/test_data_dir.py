"""The data directory refuses what would harm the data."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from helperhub.errors import ServerStartError
from helperhub.supervise.data_dir import DataDirectory, Engine, RunningServer

VALKEY_9 = Engine("valkey", "9.1.2")


def test_directory_is_made_for_its_user_alone(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "new" / "data")

    directory.lock()
    directory.unlock()

    assert directory.path.stat().st_mode & 0o777 == 0o700


def test_lock_is_refused_while_another_holds_it_and_free_after(tmp_path: Path) -> None:
    first, second = DataDirectory(tmp_path), DataDirectory(tmp_path)
    first.lock()

    with pytest.raises(ServerStartError, match=f"in use by process {os.getpid()}"):
        second.lock()
    assert second.is_locked()

    first.unlock()
    assert not second.is_locked()
    second.lock()
    second.unlock()


def test_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ServerStartError, match="can't be used") as caught:
        DataDirectory(tmp_path / "file").lock()

    assert "HELPERHUB_DATA_DIR" in caught.value.hint


@pytest.mark.parametrize("written_by", [Engine("redis", "7.0.15"), Engine("valkey", "10.0.0")])
def test_data_of_another_engine_or_a_newer_major_is_refused(tmp_path: Path, written_by: Engine) -> None:
    directory = DataDirectory(tmp_path)
    directory.record_engine(written_by)

    with pytest.raises(ServerStartError, match=f"written by {written_by}; valkey 9.1.2 may not read it") as caught:
        directory.record_engine(VALKEY_9)

    assert f"Install {written_by.name} {written_by.major} or newer" in caught.value.hint


@pytest.mark.parametrize("written_by", [Engine("valkey", "8.1.0"), VALKEY_9, Engine("valkey", "9.4.0")])
def test_data_of_the_same_or_an_older_major_is_taken_over(tmp_path: Path, written_by: Engine) -> None:
    directory = DataDirectory(tmp_path)
    directory.record_engine(written_by)

    directory.record_engine(VALKEY_9)

    assert json.loads((tmp_path / "engine.json").read_text()) == {"engine": "valkey", "version": "9.1.2"}


def test_data_whose_version_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "engine.json").write_text('{"engine": "valkey"}')

    with pytest.raises(ServerStartError, match="names no version"):
        DataDirectory(tmp_path).record_engine(VALKEY_9)


def test_published_server_is_read_back_until_it_is_unpublished(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    server = RunningServer(pid=7, socket=tmp_path / "server.sock", started_at=datetime(2026, 11, 23, tzinfo=UTC))

    directory.publish(server)
    assert directory.published() == server

    directory.unpublish()
    assert directory.published() is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1, "socket": "/s", "started_at": "soon"}'])
def test_broken_server_file_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.json").write_text(text)

    assert DataDirectory(tmp_path).published() is None

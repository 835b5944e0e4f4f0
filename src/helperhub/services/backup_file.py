"""The file of a backup: one line of JSON that says what it is, then the rows, compressed, with their checksum.

``head -1 FILE`` shows the line; what follows is one gzip stream of rows, each a length (4 bytes) and a msgpack array,
and at the end a map of counts, the rows' digest, and the SHA-256 of all before it, the first line included.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgpack
import orjson

from helperhub.errors import BadBackup, HelperHubError
from helperhub.store.backup_rows import ENDED, OPEN, Row, weigh

FORMAT = 1
_NAME = "helperhub_backup"
_LENGTH = struct.Struct(">I")
#: No row is as large; a damaged length must not ask for memory.
_MOST_BYTES = 1 << 30
_HEADER_BYTES = 65_536
#: zlib's fastest: a record shrinks to a third, and level 6 takes three times as long for a tenth less.
_LEVEL = 1
_PRIVATE = 0o600
_GROUP = 500


@dataclass(frozen=True, slots=True)
class Header:
    """What a backup says of itself.

    Args:
        hub: The hub's name.
        schema: That of its keys.
        shards: How many it has.
        version: The release that wrote it.
        created_at: When, RFC 3339.
        began_ms: The moment of each shard that it holds, by its clock.
    """

    hub: str
    schema: int
    shards: int
    version: str
    created_at: str
    began_ms: list[int]

    def to_document(self) -> dict[str, Any]:
        """Return it as the first line has it."""
        return {
            _NAME: FORMAT,
            "hub": self.hub,
            "schema": self.schema,
            "shards": self.shards,
            "version": self.version,
            "created_at": self.created_at,
            "began_ms": self.began_ms,
        }


@dataclass(frozen=True, slots=True)
class Totals:
    """What is in a backup.

    Args:
        rows: Rows in all.
        open: Executions that weren't over.
        ended: Executions that were.
        dead_letters: Those of them that are dead letters.
        helpers: In the catalogue.
        digest: The rows', whatever their order.
    """

    rows: int
    open: int
    ended: int
    dead_letters: int
    helpers: int
    digest: str

    def to_document(self) -> dict[str, Any]:
        """Return it as every face shows it."""
        return {
            "rows": self.rows,
            "executions": self.open + self.ended,
            "open": self.open,
            "ended": self.ended,
            "dead_letters": self.dead_letters,
            "helpers": self.helpers,
            "digest": self.digest,
        }


class Counting:
    """Counts and weighs rows as they pass."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts: Counter[str] = Counter()
        self._digest = 0
        self._group: list[Row] = []

    def over(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield ``rows`` as they are."""
        for row in rows:
            self._counts["rows"] += 1
            if row.kind in (OPEN, ENDED):
                self._counts[row.kind] += 1
            elif row.name in (b"dead", b"catalogue"):
                self._counts[row.name.decode()] += len(row.items)
            self._digest += weigh([row])
            yield row

    def totals(self) -> Totals:
        """Return what has passed."""
        n = self._counts
        digest = f"{self._digest & ((1 << 128) - 1):032x}"
        return Totals(n["rows"], n[OPEN], n[ENDED], n["dead"], n["catalogue"], digest)


def write_backup(path: Path, header: Header, rows: Iterable[Row]) -> Totals:
    """Write a backup, for its owner's eyes alone; ``path`` has the whole of it or what it had before.

    Raises:
        HelperHubError: The file can't be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
                totals = _write(file, header, rows)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_directory(path.parent)
        except BaseException:
            with suppress(FileNotFoundError):
                temporary.unlink()
            raise
    except OSError as error:
        message = f"The backup can't be written to {path}: {error.strerror or error}."
        raise HelperHubError(message, hint="Take a directory that is there, writable, and has room.") from error
    return totals


def read_header(path: Path) -> Header:
    """Return what a backup says of itself; the rest isn't looked at.

    Raises:
        BadBackup: It isn't one, or of a format that this release doesn't know.
    """
    with _open(path) as file:
        return _parse_header(path, file.readline(_HEADER_BYTES))


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a backup; when the last one has come, the file is whole.

    Raises:
        BadBackup: It is damaged; rows may have been yielded before that is known.
    """
    for _, row in _read(path):
        if row is not None:
            yield row


def check_backup(path: Path) -> Totals:
    """Read all of a backup and return what is in it.

    Raises:
        BadBackup: It is damaged.
    """
    said: dict[bytes, Any] = {}
    counting = Counting()

    def rows() -> Iterator[Row]:
        for trailer, row in _read(path):
            said.update(trailer)
            if row is not None:
                yield row

    for _ in counting.over(rows()):
        pass
    totals = counting.totals()
    if said[b"digest"].decode() != totals.digest or said[b"rows"] != totals.rows:
        raise _damaged(path, "its rows aren't those that were written")
    return totals


def _write(file: IO[bytes], header: Header, rows: Iterable[Row]) -> Totals:
    line = orjson.dumps(header.to_document()) + b"\n"
    file.write(line)
    seen = hashlib.sha256(line)
    counting = Counting()
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=_LEVEL, mtime=0) as packed:
        for row in counting.over(rows):
            # A named tuple is an array to msgpack.
            frame = msgpack.packb(tuple(row), use_bin_type=False)
            part = _LENGTH.pack(len(frame)) + frame
            seen.update(part)
            packed.write(part)
        totals = counting.totals()
        trailer = msgpack.packb({**totals.to_document(), "sha256": seen.digest()}, use_bin_type=False)
        packed.write(_LENGTH.pack(len(trailer)) + trailer)
    return totals


def _read(path: Path) -> Iterator[tuple[dict[bytes, Any], Row | None]]:
    """Yield the rows, each with an empty map; at last the trailer, with no row."""
    with _open(path) as file:
        line = file.readline(_HEADER_BYTES)
        _parse_header(path, line)
        seen = hashlib.sha256(line)
        try:
            with gzip.GzipFile(fileobj=file, mode="rb") as packed:
                while True:
                    length = packed.read(_LENGTH.size)
                    size = _LENGTH.unpack(length)[0]
                    if size > _MOST_BYTES:
                        raise _damaged(path, f"a row says that it has {size} bytes")
                    frame = packed.read(size)
                    found = msgpack.unpackb(frame, raw=True, strict_map_key=False)
                    if isinstance(found, dict):
                        _check_end(path, found, seen.digest(), packed.read(1))
                        yield found, None
                        return
                    seen.update(length + frame)
                    shard, kind, name, expires_ms, at, items = found
                    yield {}, Row(shard, kind.decode(), name, expires_ms, at, items)
        except (OSError, EOFError, zlib.error, struct.error, ValueError, TypeError, AttributeError) as error:
            raise _damaged(path, str(error) or type(error).__name__) from error
        except msgpack.UnpackException as error:
            raise _damaged(path, f"a row can't be read: {error}") from error


def _check_end(path: Path, trailer: dict[bytes, Any], digest: bytes, behind: bytes) -> None:
    if trailer.get(b"sha256") != digest:
        raise _damaged(path, "its checksum is another")
    if behind:
        raise _damaged(path, "something follows its end")


def _parse_header(path: Path, line: bytes) -> Header:
    try:
        said = orjson.loads(line)
        number = said[_NAME]
    except (ValueError, KeyError, TypeError) as error:
        message = f"{path} isn't a backup of HelperHub."
        raise BadBackup(message, hint="'helperhub backup FILE' writes one.") from error
    if number != FORMAT:
        message = f"The backup {path} has format {number}; this release reads {FORMAT}."
        raise BadBackup(message, hint=f"Restore it with the release that wrote it: {said.get('version', 'unknown')}.")
    try:
        names = ("hub", "schema", "shards", "version", "created_at", "began_ms")
        return Header(*(said[name] for name in names))
    except KeyError as error:
        raise _damaged(path, f"its first line lacks {error}") from error


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        message = f"The backup {path} can't be read: {error.strerror or error}."
        raise BadBackup(message) from error


def _damaged(path: Path, why: str) -> BadBackup:
    message = f"The backup {path} is damaged: {why.rstrip('.')}."
    return BadBackup(message, hint="Take another one; 'helperhub backup --verify FILE' checks it.")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

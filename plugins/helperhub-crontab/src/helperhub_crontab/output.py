"""What a command prints, kept within bounds."""

from __future__ import annotations


class BoundedOutput:
    """Keeps the head and the tail of a stream of bytes, and counts what lies between.

    Args:
        limit: Most bytes kept, half of them from the head.
    """

    def __init__(self, limit: int) -> None:
        self._head_limit = limit // 2
        self._tail_limit = limit - self._head_limit
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._total += len(chunk)
        room = self._head_limit - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        # Cut at twice the limit only, so that a flood of small chunks isn't moved byte by byte.
        if len(self._tail) > 2 * self._tail_limit:
            del self._tail[: -self._tail_limit]

    @property
    def truncated(self) -> bool:
        """Whether something had to be left out."""
        return self._total > self._head_limit + self._tail_limit

    def text(self) -> str:
        """Return the output; what isn't UTF-8 is replaced, and a line tells how much is left out."""
        tail = bytes(self._tail[-self._tail_limit :])
        if not self.truncated:
            return (bytes(self._head) + tail).decode(errors="replace")
        left_out = self._total - len(self._head) - len(tail)
        head = bytes(self._head).decode(errors="replace")
        return f"{head}\n[... {left_out} bytes left out ...]\n{tail.decode(errors='replace')}"

    def last_line(self) -> str:
        """Return the last line that isn't blank, or nothing."""
        tail = bytes(self._tail[-self._tail_limit :]) or bytes(self._head)
        lines = [line for line in tail[-2000:].decode(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip()[:200] if lines else ""

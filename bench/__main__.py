"""``python -m bench``, run at the top of a checkout."""

from __future__ import annotations

from bench.command import main

if __name__ == "__main__":
    raise SystemExit(main())

"""The part of curl that the pages use, for machines that have none: -s, -H, -X, -d, -w and a URL."""

from __future__ import annotations

import argparse
import sys

import httpx


def main() -> int:
    """Send one request and write its answer's body to stdout."""
    parser = argparse.ArgumentParser(prog="curl")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-X", default=None)
    parser.add_argument("-d", default=None)
    parser.add_argument("-w", default="")
    parser.add_argument("url")
    given = parser.parse_args()
    headers = dict(line.split(": ", 1) for line in given.H)
    method = given.X or ("GET" if given.d is None else "POST")
    answer = httpx.request(method, given.url, headers=headers, content=given.d, timeout=20, trust_env=False)
    sys.stdout.write(answer.text + given.w.replace("\\n", "\n").replace("%{http_code}", str(answer.status_code)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

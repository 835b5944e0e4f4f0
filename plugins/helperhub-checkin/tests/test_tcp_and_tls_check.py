"""The checks of ports and certificates."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from helperhub import Context
from helperhub_checkin.failure import CheckFailed
from helperhub_checkin.plugin import checkin
from helperhub_checkin.settings import Settings

ServeTls = Callable[[ssl.SSLContext], int]
MakeTlsContext = Callable[..., ssl.SSLContext]


def check(**target: Any) -> dict[str, Any]:
    result: dict[str, Any] = checkin(Context(settings=Settings(), payload=target))
    return result


def test_open_port_answers_with_its_peer(silent_port: int) -> None:
    result = check(name="db", tcp=f"localhost:{silent_port}")

    assert result.pop("latency_ms") > 0
    assert result == {"target": "db", "kind": "tcp", "peer": f"127.0.0.1:{silent_port}"}


def test_closed_port_fails_as_refused(refusing_port: int) -> None:
    with pytest.raises(CheckFailed) as caught:
        check(name="db", tcp=f"127.0.0.1:{refusing_port}")

    assert str(caught.value) == f"db: TCP 127.0.0.1:{refusing_port} refused"


@pytest.mark.parametrize("host", ["x" * 64 + ".invalid", "does-not-exist.invalid"])
def test_host_without_an_address_is_a_failed_check(host: str) -> None:
    with pytest.raises(CheckFailed, match=f"^db: TCP {host}:1 (failed|can't be resolved): "):
        check(name="db", tcp=f"{host}:1")


def test_good_certificate_answers_with_its_end(
    serve_tls: ServeTls, make_tls_context: MakeTlsContext, ca_file: str
) -> None:
    port = serve_tls(make_tls_context("localhost", days=90.5))

    result = check(name="cert", tls=f"localhost:{port}", ca_file=ca_file)

    assert result.pop("latency_ms") > 0
    end = datetime.fromisoformat(result.pop("not_after"))
    assert abs(end - datetime.now(UTC) - timedelta(days=90.5)) < timedelta(minutes=1)
    assert result == {"target": "cert", "kind": "tls", "peer": f"127.0.0.1:{port}", "days_left": 90}


def test_certificate_that_ends_soon_fails_with_the_days_left(
    serve_tls: ServeTls, make_tls_context: MakeTlsContext, ca_file: str
) -> None:
    port = serve_tls(make_tls_context("localhost", days=9.5))
    end = datetime.now(UTC) + timedelta(days=9.5)

    with pytest.raises(CheckFailed) as caught:
        check(name="cert", tls=f"localhost:{port}", ca_file=ca_file)

    words = f"cert: TLS certificate of localhost:{port} expires in 9 days ({end:%Y-%m-%d}), warn_days is 14"
    assert str(caught.value) == words
    assert check(name="cert", tls=f"localhost:{port}", ca_file=ca_file, warn_days=9)["days_left"] == 9


@pytest.mark.parametrize(
    ("host", "days", "why"),
    [("localhost", -1.0, "certificate has expired"), ("example.org", 90.0, "Hostname mismatch")],
)
def test_certificate_that_is_not_good_fails_with_the_reason(
    serve_tls: ServeTls, make_tls_context: MakeTlsContext, ca_file: str, host: str, days: float, why: str
) -> None:
    port = serve_tls(make_tls_context(host, days=days))

    with pytest.raises(CheckFailed, match=rf"^cert: TLS certificate of localhost:{port} certificate verify failed"):
        check(name="cert", tls=f"localhost:{port}", ca_file=ca_file)
    with pytest.raises(CheckFailed, match=why):
        check(name="cert", tls=f"localhost:{port}", ca_file=ca_file)


def test_certificate_of_an_unknown_authority_is_not_believed(
    serve_tls: ServeTls, make_tls_context: MakeTlsContext
) -> None:
    port = serve_tls(make_tls_context("localhost", issuer=trustme.CA()))

    with pytest.raises(CheckFailed, match="certificate verify failed: "):
        check(name="cert", tls=f"localhost:{port}")


def test_port_that_speaks_no_tls_times_out_with_its_name(silent_port: int) -> None:
    with pytest.raises(CheckFailed, match=rf"TLS certificate of localhost:{silent_port} timed out after 200ms"):
        check(name="cert", tls=f"localhost:{silent_port}", timeout="200ms")


def test_certificate_file_without_certificates_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")

    with pytest.raises(CheckFailed, match=rf"ca_file {empty} can't be read"):
        check(name="cert", tls="localhost:1", ca_file=str(empty))

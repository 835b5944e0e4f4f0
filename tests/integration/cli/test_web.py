"""``helperhub web`` as a process of its own: TLS by options, and what it takes to be open to a network."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import trustme

from helperhub import Hub
from helperhub.model.access import Scope
from helperhub.services.api_keys import KeyWish

#: Starts it with these words and settings, and returns the port at which it is served.
StartWeb = Callable[..., int]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "helperhub", "web", *words]


@pytest.fixture
def start_web(hub: Hub, environ: dict[str, str], tmp_path: Path) -> Iterator[StartWeb]:
    del hub  # it is there first
    with ExitStack() as stack:

        def start(*words: str, **settings: str) -> int:
            log = tmp_path / "web.log"
            with log.open("w") as out:
                argv = command("--port", "0", *words)
                process = subprocess.Popen(argv, env={**environ, **settings}, stdout=out, stderr=out)
            stack.callback(stop, process)
            deadline = time.monotonic() + 20
            while "web_started" not in (said := log.read_text()):
                assert process.poll() is None, said
                assert time.monotonic() < deadline, said
                time.sleep(0.02)
            (started,) = (line for line in said.splitlines() if '"web_started"' in line)
            return int(json.loads(started)["address"].rpartition(":")[2])

        yield start


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    """The settings that make it speak TLS."""
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    return {
        "HELPERHUB_WEB__TLS_CERT": str(tmp_path / "cert.pem"),
        "HELPERHUB_WEB__TLS_KEY": str(tmp_path / "key.pem"),
    }


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def shake_hands(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    line = socket.create_connection(("localhost", port), timeout=10)
    return context.wrap_socket(line, server_hostname="localhost")


def test_certificate_makes_it_answer_https_with_hsts(
    start_web: StartWeb, certificate: dict[str, str], authority: trustme.CA
) -> None:
    port = start_web(**certificate)

    with httpx.Client(verify=trusting(authority), trust_env=False) as client:
        answer = client.get(f"https://localhost:{port}/healthz")
        with pytest.raises(httpx.HTTPError):
            client.get(f"http://localhost:{port}/healthz")

    assert answer.json() == {"status": "alive"}
    assert answer.headers["strict-transport-security"] == "max-age=63072000"
    with shake_hands(port, trusting(authority)) as line:
        assert line.version() == "TLSv1.3"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_before_1_2_is_refused(start_web: StartWeb, certificate: dict[str, str], authority: trustme.CA) -> None:
    context = trusting(authority)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")  # this client would take anything
    port = start_web(**certificate)

    with pytest.raises((ssl.SSLError, ConnectionError), match=r"(?i)version|protocol|reset"):
        shake_hands(port, context)


@pytest.mark.parametrize(
    ("ciphers", "accepted"),
    [
        ("ECDHE+AESGCM", True),
        ("ECDHE+CHACHA20", True),
        ("ECDHE+AES+SHA:!AESGCM:!AESCCM", False),
        ("kRSA+AES:@SECLEVEL=0", False),
    ],
)
def test_tls_1_2_has_forward_secrecy_and_authenticated_encryption_only(
    start_web: StartWeb, certificate: dict[str, str], authority: trustme.CA, ciphers: str, *, accepted: bool
) -> None:
    # Once, uvicorn's default left CBC with SHA-1, and nothing else.
    context = trusting(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    port = start_web(**certificate)

    if accepted:
        shake_hands(port, context).close()
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            shake_hands(port, context)


def test_plain_http_sends_no_hsts_but_a_proxy_that_is_believed_makes_it_https(start_web: StartWeb) -> None:
    port = start_web(HELPERHUB_WEB__PROXIES="127.0.0.1")
    url = f"http://127.0.0.1:{port}/healthz"

    plain = httpx.get(url, trust_env=False)
    proxied = httpx.get(url, headers={"X-Forwarded-Proto": "https"}, trust_env=False)

    assert "strict-transport-security" not in plain.headers
    assert proxied.headers["strict-transport-security"] == "max-age=63072000"


@pytest.mark.parametrize("believed", [True, False])
def test_address_that_is_forwarded_counts_only_if_the_proxy_is_believed(start_web: StartWeb, *, believed: bool) -> None:
    settings = {"HELPERHUB_WEB__FAILURES": "1"} | ({"HELPERHUB_WEB__PROXIES": "127.0.0.1"} if believed else {})
    port = start_web(**settings)

    def ask(address: str) -> int:
        headers = {"X-Forwarded-For": address, "Authorization": "Bearer wrong"}
        return httpx.get(f"http://127.0.0.1:{port}/api/v1/helpers", headers=headers, trust_env=False).status_code

    # The left one is what the client wrote itself; the proxy has added the right one.
    statuses = [ask("198.51.100.1, 203.0.113.7"), ask("198.51.100.2, 203.0.113.7"), ask("203.0.113.8")]

    assert statuses == [401, 429, 401 if believed else 429]


def test_certificate_that_cant_be_used_is_refused_with_what_to_do(
    hub: Hub, environ: dict[str, str], tmp_path: Path
) -> None:
    del hub
    (tmp_path / "cert.pem").write_text("no certificate")
    settings = {"HELPERHUB_WEB__TLS_CERT": str(tmp_path / "cert.pem")}

    done = subprocess.run(
        command("--port", "0"), env={**environ, **settings}, capture_output=True, text=True, timeout=25, check=False
    )

    assert done.returncode == 78
    assert "HELPERHUB_WEB__TLS_CERT" in done.stderr
    assert "Traceback" not in done.stderr


def test_network_is_served_only_once_there_is_a_key(hub: Hub, environ: dict[str, str], start_web: StartWeb) -> None:
    refused = subprocess.run(
        command("--host", "0.0.0.0", "--port", "0"),
        env=environ,
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )

    assert refused.returncode == 78
    assert "helperhub keys create" in refused.stderr

    key, _ = hub.api_keys.create(KeyWish("first", frozenset({Scope.READ})))
    port = start_web("--host", "0.0.0.0")
    answer = httpx.get(
        f"http://127.0.0.1:{port}/api/v1/helpers", headers={"Authorization": f"Bearer {key}"}, trust_env=False
    )
    assert answer.status_code == 200


def test_address_given_as_an_option_is_answered_for(hub: Hub, start_web: StartWeb) -> None:
    # Once, only HELPERHUB_WEB__HOST was, and '--host' led to 421.
    hub.api_keys.create(KeyWish("first", frozenset({Scope.READ})))
    port = start_web("--host", "127.0.0.2")

    assert httpx.get(f"http://127.0.0.2:{port}/healthz", trust_env=False).status_code == 200

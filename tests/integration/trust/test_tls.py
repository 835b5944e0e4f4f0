"""A Redis behind TLS: a loopback proxy ends it, for the embedded server speaks none."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
import trustme

from helperhub import Hub
from helperhub.errors import StoreUnavailable
from helperhub.model.execution import Status
from helperhub.testing import find_strays
from helperhub.testing.running import KNOWN_KEYS, build_hub

PLUGIN = """
from helperhub import helper, hookimpl

@helper
def echo(ctx):
    return ctx.payload

@hookimpl
def helperhub_register(hub):
    hub.add(echo)
"""
OpenProxy = Callable[..., int]


class TlsProxy:
    """Ends TLS on a port of the loopback interface, and passes on to a unix socket."""

    def __init__(self, socket_path: str, context: ssl.SSLContext) -> None:
        self._socket_path = socket_path
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self.port = 0

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(5)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        self._loop.set_exception_handler(lambda loop, context: None)  # who refuses the certificate hangs up
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        server.close()
        pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_redis, to_redis = await asyncio.open_unix_connection(self._socket_path)
        try:
            await asyncio.gather(_pump(reader, to_redis), _pump(from_redis, writer))
        finally:
            for end in (writer, to_redis):
                end.transport.abort()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    except ConnectionError:
        pass  # the other side has gone
    target.transport.abort()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The one who signs the server's certificate."""
    return trustme.CA()


@pytest.fixture
def open_proxy(redis_url: str, authority: trustme.CA) -> Iterator[OpenProxy]:
    """Opens a proxy with a certificate for these names; returns its port."""
    with ExitStack() as stack:

        def open_proxy(*names: str, clients: trustme.CA | None = None) -> int:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(*names).configure_cert(context)
            if clients is not None:
                clients.configure_trust(context)
                context.verify_mode = ssl.CERT_REQUIRED
            proxy = TlsProxy(unquote(redis_url.removeprefix("unix://")), context)
            proxy.start()
            stack.callback(proxy.stop)
            return proxy.port

        yield open_proxy


@contextmanager
def opened(url: str, hub_name: str) -> Iterator[Hub]:
    hub = build_hub((), url=url, settings={"HELPERHUB_HUB": hub_name})
    try:
        yield hub
    finally:
        hub.close()


def write_authority(authority: trustme.CA, directory: Path) -> str:
    """Write the CA's certificate beside others', as a bundle, and return its path for a URL."""
    path = directory / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return quote(str(path))


def test_hub_enqueues_and_a_real_worker_runs_through_tls(
    open_proxy: OpenProxy, authority: trustme.CA, hub_name: str, tmp_path: Path, redis_url: str
) -> None:
    url = f"rediss://localhost:{open_proxy('localhost')}/0?ssl_ca_certs={write_authority(authority, tmp_path)}"
    (tmp_path / "echoing.py").write_text(PLUGIN)
    metadata = tmp_path / "helperhub_echoing-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: helperhub-echoing\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[helperhub]\nechoing = echoing\n")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("HELPERHUB_", "REDIS_"))},
        "PYTHONPATH": str(tmp_path),
        "HELPERHUB_REDIS_URL": url,
        "HELPERHUB_HUB": hub_name,
        "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
        "HELPERHUB_PLUGINS__BLOCKED": "weather,checkin,crontab,housekeeping",
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "helperhub", *words]
        return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=25, check=False)

    registered = run("worker", "--processes", "1", "--burst")
    sent = run("helpers", "run", "echo", "--payload", '{"n":1}')
    worked = run("worker", "--processes", "1", "--burst")

    assert [done.returncode for done in (registered, sent, worked)] == [0, 0, 0], registered.stderr + worked.stderr
    with opened(url, hub_name) as hub:
        (execution,) = hub.records.finished()
        assert (execution.status, execution.result) == (Status.SUCCESS, {"n": 1})
        assert find_strays(hub.scripts.client, hub.scripts.keys) == []


@pytest.mark.parametrize(
    ("names", "query"),
    [(("localhost",), "ssl_ca_certs={theirs}"), (("localhost",), ""), (("other.example",), "ssl_ca_certs={ours}")],
    ids=["signed by another authority", "no authority named", "another server's name"],
)
def test_server_that_cant_prove_who_it_is_is_refused_with_what_to_do(
    names: tuple[str, ...], query: str, open_proxy: OpenProxy, authority: trustme.CA, hub_name: str, tmp_path: Path
) -> None:
    (tmp_path / "theirs").mkdir()
    theirs, ours = write_authority(trustme.CA(), tmp_path / "theirs"), write_authority(authority, tmp_path)
    url = f"rediss://localhost:{open_proxy(*names)}/0?{query.format(theirs=theirs, ours=ours)}"

    with opened(url, hub_name) as hub, pytest.raises(StoreUnavailable) as caught:
        hub.catalogue.read()

    assert "certificate" in caught.value.message
    assert "ssl_ca_certs" in caught.value.hint


def test_client_shows_its_certificate_where_the_server_asks_for_one(
    open_proxy: OpenProxy, authority: trustme.CA, hub_name: str, tmp_path: Path
) -> None:
    clients = trustme.CA()
    ours = clients.issue_cert("worker.example")
    ours.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    ours.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    plain = f"rediss://localhost:{open_proxy('localhost', clients=clients)}/0?ssl_ca_certs="
    plain += write_authority(authority, tmp_path)
    shown = f"{plain}&ssl_certfile={quote(str(tmp_path))}/cert.pem&ssl_keyfile={quote(str(tmp_path))}/key.pem"

    with opened(shown, hub_name) as hub:
        assert hub.catalogue.read().revision == 0
    with opened(plain, hub_name) as hub, pytest.raises(StoreUnavailable):
        hub.catalogue.read()

"""``helperhub web``: the HTTP server in a process of its own. Any number may run, behind one proxy."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from helperhub.api.app import build_app
from helperhub.api.server import ServerOptions, build_server, listen
from helperhub.api.shield import LOOPBACK_NAMES
from helperhub.cli.environment import load, open_log
from helperhub.errors import ConfigurationError, StoreError
from helperhub.hub import Hub, find_url
from helperhub.settings.model import WebSettings
from helperhub.supervise.lifeline import Lifeline
from helperhub.web.dashboard import add_dashboard

_log = logging.getLogger("helperhub.web")


def run_web(*, env_files: Sequence[Path] | None, host: str | None = None, port: int | None = None) -> int:
    """Serve HTTP until a signal; return the exit code.

    Args:
        env_files: Read instead of those the environment names.
        host: Instead of HELPERHUB_WEB__HOST.
        port: Instead of HELPERHUB_WEB__PORT.

    Raises:
        HelperHubError: Settings are wrong, the address can't be had, or it would be open to a network without a key.
    """
    loaded = load(env_files)
    open_log(loaded)
    lifeline = Lifeline.from_environment(loaded.environ)
    hub = Hub(loaded, find_url(loaded))
    hub.require_trust()
    if loaded.settings.web.load_plugins:
        hub.load_plugins()
    web = loaded.settings.web
    options = _options(web, host, port)
    _check_open(hub, options.host)
    server = build_server(build_app(hub, host=options.host, add=[add_dashboard]), options)
    with listen(options) as listening:
        address = _address(options, listening.getsockname()[1], web.root_path)
        if lifeline is None:
            sys.stderr.write(f"helperhub: {address} is served; {address}/docs describes it\n")
        else:
            lifeline.watch(lambda: _stop(server))
            lifeline.send({"event": "ready", "address": address})
        _log.info("web_started", extra={"address": address})
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_given: _stop(server))
        server.run(sockets=[listening])
    hub.close()
    return 0


def _stop(server: uvicorn.Server) -> None:
    # The second time at once: somebody is in a hurry.
    server.force_exit = server.should_exit
    server.should_exit = True


def _options(web: WebSettings, host: str | None, port: int | None) -> ServerOptions:
    return ServerOptions(
        host=host or web.host,
        port=web.port if port is None else port,
        head_patience_s=web.patience.total_seconds(),
        max_connections=web.max_connections,
        root_path=web.root_path,
        proxies=tuple(web.proxies),
        tls_cert=web.tls_cert,
        tls_key=web.tls_key,
    )


def _check_open(hub: Hub, host: str) -> None:
    """Refuse to serve a network as long as there is no key."""
    if host in LOOPBACK_NAMES:
        return
    try:
        keys = hub.api_keys.count()
    except StoreError as error:
        message = f"{host} isn't loopback, and whether there is an API key can't be seen. {error.message}"
        raise ConfigurationError(message, hint=error.hint) from error
    if not keys:
        message = f"{host} isn't loopback, and this hub has no API key."
        raise ConfigurationError(message, hint="Make one first: helperhub keys create NAME --scope admin.")


def _address(options: ServerOptions, port: int, root_path: str) -> str:
    scheme = "http" if options.tls_cert is None else "https"
    host = f"[{options.host}]" if ":" in options.host else options.host
    return f"{scheme}://{host}:{port}{root_path}"

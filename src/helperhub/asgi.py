"""The HTTP app for a server of one's own: ``uvicorn helperhub.asgi:build --factory``.

'helperhub web' does more: it limits how slowly a request may arrive, and refuses to serve a network without a key.
"""

from __future__ import annotations

from fastapi import FastAPI

from helperhub.api.app import build_app
from helperhub.hub import Hub
from helperhub.web.dashboard import add_dashboard


def build() -> FastAPI:
    """Return the app of the hub that the environment describes.

    Raises:
        ConfigurationError: A setting is wrong.
        StoreUnavailable: No Redis is configured, and no embedded server runs.
    """
    hub = Hub.from_env()
    if hub.settings.web.load_plugins:
        hub.load_plugins()
    return build_app(hub, add=[add_dashboard])

"""Loads what makes spans, where it is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helperhub.errors import ConfigurationError

if TYPE_CHECKING:
    from helperhub.telemetry.traces import Traces


def load_traces(endpoint: str | None, *, hub: str, version: str, process: str) -> Traces | None:
    """Return what makes spans for the collector at ``endpoint``; without one nothing of it is loaded.

    Args:
        endpoint: The collector's URL; None means that there is none.
        hub: The hub's name.
        version: This release.
        process: This process's id.

    Raises:
        ConfigurationError: OpenTelemetry's SDK isn't installed.
    """
    if endpoint is None:
        return None
    try:
        from helperhub.telemetry.traces import build_traces  # noqa: PLC0415 - costs 0.2 s, and is an extra
    except ImportError as error:
        message = f"HELPERHUB_OTEL_ENDPOINT is set, and OpenTelemetry isn't installed: {error}."
        raise ConfigurationError(message, hint="pip install 'helperhub[otel]', or leave the setting out.") from error
    return build_traces(endpoint, hub=hub, version=version, process=process)

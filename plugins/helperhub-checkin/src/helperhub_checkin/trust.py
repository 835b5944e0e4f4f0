"""Whose certificates are believed."""

from __future__ import annotations

import functools
import ssl

import httpx

from helperhub_checkin.failure import CheckFailed
from helperhub_checkin.target import Target


def build_tls_context(target: Target) -> ssl.SSLContext:
    """Return the TLS context that ``target`` asks for.

    Raises:
        CheckFailed: Its ``ca_file`` can't be read.
    """
    if not target.verify:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if target.ca_file is None:
        return _usual_context()
    try:
        return ssl.create_default_context(cafile=target.ca_file)
    except OSError as error:  # ssl.SSLError, for a file without certificates, is one too
        message = f"{target.name}: ca_file {target.ca_file} can't be read: {error.strerror or error}"
        raise CheckFailed(message) from error


@functools.cache
def _usual_context() -> ssl.SSLContext:
    """Return a context with httpx's authorities and the system's, where companies put their own.

    Kept, because reading 150 certificates takes longer than most checks.
    """
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context

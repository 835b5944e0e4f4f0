"""Tells a service outside that the hub is well, so that somebody notices when it isn't heard any more."""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

from helperhub import __version__
from helperhub.errors import HelperHubError

_log = logging.getLogger("helperhub.heartbeat")


class HeartbeatMissed(HelperHubError):
    """The service outside didn't hear it."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One beat after the other.

    Args:
        url: Is called (GET) while all is well; the operator's, so it may be inside.
        fail: Is put behind its path to say that something isn't well; empty means to be silent then.
        timeout: How long a call may take.
        ail: Returns what isn't well, empty if nothing.
    """

    url: str = field(repr=False)
    fail: str
    timeout: timedelta
    ail: Callable[[], str]

    def beat(self) -> None:
        """Call once, or be silent.

        Raises:
            HeartbeatMissed: The service can't be reached, or refuses.
        """
        why = self.ail()
        if why:
            _log.warning("heartbeat_unwell", extra={"error": why})
            if not self.fail:
                return
        self._call(self._failed() if why else self.url)

    def _failed(self) -> str:
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + self.fail))

    def _call(self, url: str) -> None:
        host = urlsplit(url).hostname  # the rest may be secret
        try:
            request = urllib.request.Request(url, headers={"User-Agent": f"HelperHub/{__version__}"})  # noqa: S310 - its scheme is checked with the settings
            with urllib.request.urlopen(request, timeout=self.timeout.total_seconds()):  # noqa: S310 - as above
                pass
        except urllib.error.HTTPError as error:
            message = f"The heartbeat was refused by {host}: {error.code}."
            raise HeartbeatMissed(message, hint="Check HELPERHUB_HEARTBEAT__URL.") from None
        except (OSError, ValueError) as error:
            message = f"The heartbeat didn't reach {host}: {getattr(error, 'reason', None) or type(error).__name__}."
            raise HeartbeatMissed(message, hint="Check HELPERHUB_HEARTBEAT__URL.") from None


__all__ = ["Heartbeat", "HeartbeatMissed"]

"""HelperHub runs helpers: scheduled or triggered work that people install with pip.

This is the public API for helper authors. Importing it costs next to nothing: every name is loaded
when it is first used (PEP 562), so that ``helperhub --help`` doesn't wait for what it doesn't need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dramatiq.errors import Retry

    from helperhub.errors import HelperHubError
    from helperhub.hub import Hub
    from helperhub.model.context import Context
    from helperhub.model.helper import Overlap
    from helperhub.model.notifier import Notifier
    from helperhub.model.retry import RetryPolicy
    from helperhub.model.schedule import Cron, Daily, Every, Once
    from helperhub.plugins.contract import Registrar, hookimpl
    from helperhub.plugins.declaration import Helper, helper

__all__ = [
    "Context",
    "Cron",
    "Daily",
    "Every",
    "Helper",
    "HelperHubError",
    "Hub",
    "Notifier",
    "Once",
    "Overlap",
    "Registrar",
    "Retry",
    "RetryPolicy",
    "helper",
    "hookimpl",
]

__version__ = "0.1.0"

#: Where each public name lives; the imports above say the same to type checkers.
_HOMES = {
    "Context": "helperhub.model.context",
    "Cron": "helperhub.model.schedule",
    "Daily": "helperhub.model.schedule",
    "Every": "helperhub.model.schedule",
    "Helper": "helperhub.plugins.declaration",
    "HelperHubError": "helperhub.errors",
    "Hub": "helperhub.hub",
    "Notifier": "helperhub.model.notifier",
    "Once": "helperhub.model.schedule",
    "Overlap": "helperhub.model.helper",
    "Registrar": "helperhub.plugins.contract",
    "Retry": "dramatiq.errors",
    "RetryPolicy": "helperhub.model.retry",
    "helper": "helperhub.plugins.declaration",
    "hookimpl": "helperhub.plugins.contract",
}


if not TYPE_CHECKING:  # else type checkers would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """Load a public name on first use, and keep it."""
        if name not in _HOMES:
            message = f"module 'helperhub' has no attribute '{name}'"
            raise AttributeError(message)
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value


def __dir__() -> list[str]:
    """Return what is there and what would be loaded."""
    return sorted({*globals(), *__all__})

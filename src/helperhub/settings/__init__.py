"""Settings: read from the environment and env files by the hub and the entry points only.

Every setting has the prefix ``HELPERHUB_``; ``__`` parts nested names, as in
``HELPERHUB_WORKER__THREADS=8``. The process environment wins over env files, later env files win
over earlier ones. `settings.env.example` lists every setting; a test holds it to `model.py`.
"""

from helperhub.settings.environment import DEFAULT_ENV_FILE, ENV_FILE_VARIABLE
from helperhub.settings.filling import section_of
from helperhub.settings.kinds import Duration
from helperhub.settings.listing import SettingRow, list_settings
from helperhub.settings.loading import LoadedSettings, installed_plugins, load_settings, plugin_settings
from helperhub.settings.model import (
    PREFIX,
    EncryptionSettings,
    HistorySettings,
    LogSettings,
    OnFailureSettings,
    PluginSettings,
    QueueSettings,
    SchedulerSettings,
    Settings,
    SigningSettings,
    WorkerSettings,
)
from helperhub.settings.queues import STANDARD_QUEUES, ResolvedQueue, list_rules, resolve_queue

__all__ = [
    "DEFAULT_ENV_FILE",
    "ENV_FILE_VARIABLE",
    "PREFIX",
    "STANDARD_QUEUES",
    "Duration",
    "EncryptionSettings",
    "HistorySettings",
    "LoadedSettings",
    "LogSettings",
    "OnFailureSettings",
    "PluginSettings",
    "QueueSettings",
    "ResolvedQueue",
    "SchedulerSettings",
    "SettingRow",
    "Settings",
    "SigningSettings",
    "WorkerSettings",
    "installed_plugins",
    "list_rules",
    "list_settings",
    "load_settings",
    "plugin_settings",
    "resolve_queue",
    "section_of",
]

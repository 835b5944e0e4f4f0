"""Tools for tests of plugins and of HelperHub itself: `running_hub` runs helpers as they will be run."""

from __future__ import annotations

from helperhub.testing.cluster import ClusterForTests
from helperhub.testing.keyspace import find_strays
from helperhub.testing.mail_sink import MailSink
from helperhub.testing.registrar import RegistrarForTests
from helperhub.testing.running import running_hub
from helperhub.testing.sentinel import SentinelForTests
from helperhub.testing.server import ServerForTests

__all__ = [
    "ClusterForTests",
    "MailSink",
    "RegistrarForTests",
    "SentinelForTests",
    "ServerForTests",
    "find_strays",
    "running_hub",
]

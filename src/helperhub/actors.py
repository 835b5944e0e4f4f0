"""The module for Dramatiq's own command: ``dramatiq helperhub.actors`` runs a worker.

Importing it builds the hub from the environment and declares the actors of every installed plugin.
"""

from __future__ import annotations

import sys

from helperhub.errors import HelperHubError
from helperhub.hub import Hub
from helperhub.telemetry.logs import quiet_dramatiq

try:
    hub = Hub.from_env()
    hub.require_trust()
    hub.check_server()
    hub.start_reports()
    hub.load_plugins()
    hub.register_if_room(only_new=True)
except HelperHubError as error:
    # One clean line instead of a traceback: these are the operator's to mend. Dramatiq's command ends with the code.
    sys.stderr.write(f"helperhub: {error}\n")
    raise SystemExit(error.exit_code) from None

quiet_dramatiq()
broker = hub.broker

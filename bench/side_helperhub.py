"""This package with everything it does by default: history, leases, retries, records."""

from __future__ import annotations

import os

import dramatiq
import jobs

from helperhub import Hub
from helperhub.settings import load_settings
from helperhub.telemetry.logs import setup_logging
from helperhub.testing.running import KNOWN_KEYS

os.environ["HELPERHUB_REDIS_URL"] = os.environ["BENCH_URL"]
os.environ["HELPERHUB_SIGNING__KEYS"] = KNOWN_KEYS
setup_logging(level="error")
hub = Hub(load_settings([]), os.environ["BENCH_URL"])
broker = hub.broker
dramatiq.set_broker(broker)
jobs.declare()

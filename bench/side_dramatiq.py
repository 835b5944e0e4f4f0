"""The rival: Dramatiq's own RedisBroker with its default middleware, which keeps no history."""

from __future__ import annotations

import os

import dramatiq
import jobs
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=os.environ["BENCH_URL"])
dramatiq.set_broker(broker)
jobs.declare()

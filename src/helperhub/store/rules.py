"""The rules that scripts go by when they hand work out: limits of helpers, queues and the hub, and queues' order."""

from __future__ import annotations

from collections.abc import Mapping

from helperhub.model.duration import to_ms
from helperhub.model.limits import HeldLimits
from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys

#: A field that says that a process has entered what the settings say.
SETTINGS = "settings"
_HELPER = "helper:"


def pack_limits(held: HeldLimits) -> str:
    """Return a helper's limits as `lua/parts/limits.lua` reads them: numbers parted by blanks, 0 for no limit.

    At once, at once per key, starts and window (ms) of the rate and of that per key, and 1 if it is paused.
    """
    limits = held.limits
    numbers = [limits.concurrency or 0, limits.concurrency_per_key or 0]
    for rate in (limits.rate, limits.rate_per_key):
        numbers += [rate.starts, to_ms(rate.window)] if rate else [0, 0]
    return " ".join(map(str, [*numbers, int(held.paused)]))


def read_rules(client: Client, keys: Keys) -> dict[str, str]:
    """Return the rules of a shard, by field."""
    with store_errors():
        return {field.decode(): text.decode() for field, text in client.hgetall(keys.at("rules")).items()}


def find_changes(
    present: Mapping[str, str],
    limits: Mapping[str, HeldLimits],
    settings: Mapping[str, str],
    *,
    unknown: frozenset[str],
    renew_settings: bool,
) -> dict[str, str]:
    """Return the fields that have to change, empty where one has to go.

    Args:
        present: The rules as they are.
        limits: What is to hold, by helper.
        settings: What the settings say of queues and the hub.
        unknown: Helpers whose limits can't be read: theirs stay as they are.
        renew_settings: Whether the settings replace those that another process has entered.
    """
    wanted = {_HELPER + name: pack_limits(held) for name, held in limits.items() if held}
    wanted |= {field: text for field, text in present.items() if field.removeprefix(_HELPER) in unknown}
    if renew_settings or SETTINGS not in present:
        wanted |= {SETTINGS: "1", **settings} if settings else {}
    else:
        wanted |= {field: text for field, text in present.items() if not field.startswith(_HELPER)}
    changes = {field: text for field, text in wanted.items() if present.get(field) != text}
    return changes | dict.fromkeys(present.keys() - wanted.keys(), "")

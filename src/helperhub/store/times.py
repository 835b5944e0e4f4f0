"""How long attempts waited and ran, counted by steps: what `lua/settle.lua` adds to ``times:<queue>``."""

from __future__ import annotations

from collections.abc import Mapping

#: The steps' upper ends, ms; above the last there is one more. `lua/settle.lua` has the same.
STEPS_MS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000)
#: A field is the step of the wait times this, plus the step of the run.
_FACTOR = 32


def split_times(raw: Mapping[bytes, bytes]) -> tuple[list[int], list[int]]:
    """Return how many attempts waited, and how many ran, within each step and above the last."""
    waited, ran = ([0] * (len(STEPS_MS) + 1) for _ in range(2))
    for field, count in raw.items():
        of_wait, of_run = divmod(int(field), _FACTOR)
        waited[of_wait] += int(count)
        ran[of_run] += int(count)
    return waited, ran

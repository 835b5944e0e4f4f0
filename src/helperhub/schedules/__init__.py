"""Pure rules of time: due times, missed times and overlaps; ``now`` is always an argument."""

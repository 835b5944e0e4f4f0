"""The only floor that talks to Redis: keys, scripts, and the readers of what they write."""

"""Logs and error reports that leave the process."""

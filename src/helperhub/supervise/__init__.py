"""Processes: the embedded server, the children, and the keeper of their leases."""

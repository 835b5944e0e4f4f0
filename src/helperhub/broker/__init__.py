"""Dramatiq's broker over the store: publish, claim, settle."""

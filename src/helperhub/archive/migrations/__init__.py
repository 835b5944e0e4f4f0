"""The archive's migrations; each is one step that a release took."""

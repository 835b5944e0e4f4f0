"""The HTTP API: routes over `services`, and what guards them. Imported by nobody but its entry points."""

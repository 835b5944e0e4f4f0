"""The dashboard: pages for people over the use cases, live, under ``/ui/``."""

"""Use cases, called alike by the command line, HTTP and the dashboard."""

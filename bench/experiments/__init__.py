"""What is done to a side; each experiment answers one or more measures."""

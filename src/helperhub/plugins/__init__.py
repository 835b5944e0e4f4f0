"""The plugin contract: what authors write, and how a process finds and checks it."""

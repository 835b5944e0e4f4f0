"""One migration a file, each after the one that its `down_revision` names."""

"""The benchmarks: HelperHub and its rivals, side by side; see README.md."""

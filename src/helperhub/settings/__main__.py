"""Prints the text of ``settings.env.example``."""

import sys

from helperhub.settings.listing import write_example

if __name__ == "__main__":
    sys.stdout.write(write_example())

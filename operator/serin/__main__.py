"""`python -m serin`: the same as the command `serin`."""

import sys

from serin.cli import main

if __name__ == "__main__":
    sys.exit(main())

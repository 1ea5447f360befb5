"""`python -m serin.cli.canary`: the same as `kubectl canary`."""

import sys

from serin.cli.canary import main

if __name__ == "__main__":
    sys.exit(main())

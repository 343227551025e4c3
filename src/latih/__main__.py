"""`python -m latih` is `latih`."""

import sys

from latih.cli import main


def run() -> None:
    """The console script."""
    sys.exit(main())


if __name__ == "__main__":
    run()

"""``python -m veroallarme_core`` is ``veroallarme``."""

import sys

from veroallarme_core.cli import main

if __name__ == "__main__":
    sys.exit(main())

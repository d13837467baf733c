"""``python -m release_watch.slo``: alert rules of SLOs as files, with the unit tests that prove them."""

from __future__ import annotations

import sys

from release_watch.slo.command.arguments import main

if __name__ == "__main__":
    sys.exit(main())

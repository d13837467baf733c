"""``python -m release_watch.baseline``: pin, list and unpin baselines that are known to be good."""

from __future__ import annotations

import sys

from release_watch.baseline.command import main

if __name__ == "__main__":
    sys.exit(main())

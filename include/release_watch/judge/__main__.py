"""``python -m release_watch.judge``: verdicts over telemetry in a file, and over stored evidence."""

from __future__ import annotations

import sys

from release_watch.judge.command.arguments import main

if __name__ == "__main__":
    sys.exit(main())

"""A past for a Prometheus that is not started yet: samples as blocks of its database, written by promtool."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.layout import Layout
from sandbox.packages import fetch_programs

LONGEST_BLOCK = timedelta(hours=54)
"""What Prometheus itself compacts months to; and promtool reads everything again for each block."""


def backfill(layout: Layout, lines: Iterable[str], longest_block: timedelta = LONGEST_BLOCK) -> None:
    """Give the Prometheus of ``layout`` these samples, before it is started.

    Args:
        layout: the sandbox's folders.
        lines: ``series value seconds``, such as ``up{job="shop"} 1 1767225600``; of a series the older first.
        longest_block: how much time a block spans at most.

    Raises:
        SandboxError: promtool does not take them.
    """
    promtool = fetch_programs(layout.tools, lambda _: None)["promtool"]
    folder = layout.data("prometheus") / "data"
    with tempfile.TemporaryDirectory(prefix="backfill-", dir=folder.parent) as temporary:
        file = Path(temporary) / "samples.txt"
        with file.open("w", encoding="utf-8") as written:
            written.writelines(f"{line}\n" for line in lines)
            written.write("# EOF\n")
        _create_blocks(promtool, file, folder, longest_block)


def _create_blocks(promtool: Path, file: Path, folder: Path, longest_block: timedelta) -> None:
    span = f"--max-block-duration={longest_block // timedelta(seconds=1)}s"
    command = [str(promtool), "tsdb", "create-blocks-from", span, "--quiet", "openmetrics"]
    done = subprocess.run([*command, str(file), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SandboxError(f"promtool made no blocks of the samples: {done.stderr or done.stdout}")

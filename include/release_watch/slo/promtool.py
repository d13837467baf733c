"""Prometheus' own checker of rule files; nothing here re-implements it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from release_watch.errors import InvalidInputError, ReleaseWatchError

TIMEOUT_SECONDS = 120


def check_rules(text: str, promtool: Path) -> None:
    """Return if ``promtool check rules`` accepts the rule file ``text``.

    Raises:
        InvalidInputError: with promtool's words.
        ReleaseWatchError: if promtool cannot be run.
    """
    with tempfile.TemporaryDirectory(prefix="release-watch-") as folder:
        file = Path(folder) / "rules.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            done = subprocess.run(  # noqa: S603 - no shell; the program comes from configuration, the file is ours
                [str(promtool), "check", "rules", "--lint=all", "--lint-fatal", str(file)],
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ReleaseWatchError(f"{promtool} could not check the rules: {error}") from error
    if done.returncode != 0:
        words = f"{done.stderr}\n{done.stdout}".replace(str(file), "rule file").strip()
        problems = [line.strip() for line in words.splitlines() if line.strip()]
        remedy = "promtool refuses the rules; correct the SLO or service they come from:"
        raise InvalidInputError([remedy, *problems])

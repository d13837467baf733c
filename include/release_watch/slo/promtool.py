"""Prometheus' own checker of rule files; nothing here re-implements it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from release_watch.errors import InvalidInputError, ReleaseWatchError

TIMEOUT_SECONDS = 120
LINT = ("--lint=all", "--lint-fatal")
_UNKNOWN_FLAG = ("unknown long flag", "flag provided but not defined")


def check_rules(text: str, promtool: Path) -> None:
    """Return if ``promtool check rules`` accepts the rule file ``text``, duplicates among its rules included.

    Raises:
        InvalidInputError: with promtool's words.
        ReleaseWatchError: if promtool cannot be run.
    """
    with tempfile.TemporaryDirectory(prefix="release-watch-") as folder:
        file = Path(folder) / "rules.yaml"
        file.write_text(text, encoding="utf-8")
        check_file(file, promtool, LINT)


def check_file(file: Path, promtool: Path, flags: Sequence[str] = ()) -> None:
    """Return if ``promtool check rules`` accepts ``file``; a promtool without ``flags`` runs without them.

    Raises:
        InvalidInputError: with promtool's words.
        ReleaseWatchError: if promtool cannot be run.
    """
    done = _run([str(promtool), "check", "rules", *flags, str(file)])
    words = f"{done.stderr}\n{done.stdout}".replace(str(file), "rule file").strip()
    if done.returncode != 0 and flags and any(unknown in words for unknown in _UNKNOWN_FLAG):
        check_file(file, promtool)
    elif done.returncode != 0:
        problems = [line.strip() for line in words.splitlines() if line.strip()]
        remedy = "promtool refuses the rules; correct the SLO or service they come from:"
        raise InvalidInputError([remedy, *problems])


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - no shell; the program comes from configuration
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReleaseWatchError(f"{command[0]} could not check the rules: {error}") from error

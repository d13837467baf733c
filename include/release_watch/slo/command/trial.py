"""``promtool test rules``, and its words turned into a person's."""

from __future__ import annotations

import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath

from release_watch.errors import ReleaseWatchError
from release_watch.slo.unit_tests import UnitTests

TIMEOUT_SECONDS = 3600
"""For one file; a test of one SLO takes seconds."""

_FAILED = re.compile(
    r'alertname=\\?"(?P<alert>\w+)\\?".*?,slo=\\?"(?P<slo>[^"\\]+)\\?".*?, time: (?P<at>\w+),'
    r"\s+exp: ?\{\} (?P<wanted>[\d.E+]+)"
)
_NAN = re.compile(r"!= sum by \(slo\).*?, time: (?P<at>\w+),")


def try_tests(rules: str, tests: UnitTests, promtool: Path) -> tuple[str, ...]:
    """Return what of ``rules`` the tests contradict, in words; nothing if all pass.

    Raises:
        ReleaseWatchError: if promtool cannot be run.
    """
    with tempfile.TemporaryDirectory(prefix="release-watch-") as folder:
        Path(folder, "rules.yaml").write_text(rules, encoding="utf-8")
        files = tests.files("rules.yaml", PurePath("tests.yaml"))
        for name, text in files.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda name: _try(Path(folder), name, promtool), files)
            return tuple(dict.fromkeys(line for lines in found for line in lines))


def _try(folder: Path, name: str, promtool: Path) -> list[str]:
    command = [str(promtool), "test", "rules", name]
    try:
        done = subprocess.run(  # noqa: S603 - no shell; the program comes from configuration
            command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReleaseWatchError(f"{promtool} could not test the rules: {error}") from error
    return in_words(done.stderr + done.stdout) if done.returncode else []


def in_words(output: str) -> list[str]:
    """Return a line for each moment at which an alert is not as it must be, from what promtool printed.

    What is not understood is returned as it is.
    """
    lines = []
    for found in _FAILED.finditer(output):
        what = "fires, and must not" if float(found["wanted"]) == 0 else "does not fire, and must"
        lines.append(f"{found['slo']}: {found['alert']} {what}, after {found['at']}")
    lines += [f"a recorded series is no number (NaN), after {found['at']}" for found in _NAN.finditer(output)]
    return list(dict.fromkeys(lines)) or [line.strip() for line in output.splitlines() if line.strip()]

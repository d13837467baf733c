"""``check``: everything that is wrong in a configuration folder, or a table of what it watches."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from release_watch.artifacts.models import Signal
from release_watch.catalog.config import Config, Inspection, inspect_config

DESCRIPTION = """\
Validate services.yaml, slos/, oncall.yaml and policies.yaml of a folder (default: the one in use, which
RELEASE_WATCH_CONFIG names). Prints every problem as file:line: field: value: remedy, or a table of the
services when there is none; and warnings, for what is sound and yet a gate will refuse. Exits with 0 when
there is no problem, with or without warnings, 1 when there are problems, 2 for a wrong use."""


def check(folder: Path, *, as_json: bool) -> int:
    """Print what is found in ``folder``; returns 0, or 1 where there are problems."""
    found = inspect_config(folder)
    lines = _json_lines(folder, found) if as_json else _lines(folder, found)
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if found.problems else 0


def services_table(config: Config) -> list[dict[str, Any]]:
    """Return a row per service: name, tier, owner, the signals that are mapped, and how many SLOs it has."""
    slos = Counter(slo.service for slo in config.slos)
    return [
        {
            "service": service.name,
            "tier": service.tier.value,
            "owner": service.owner,
            "signals": [signal.value for signal in service.signals.mapped()],
            "slos": slos[service.name],
        }
        for service in config.catalog.services
    ]


def _json_lines(folder: Path, found: Inspection) -> list[str]:
    config = found.config
    content = {
        "folder": str(folder),
        "problems": found.problems,
        "warnings": found.warnings,
        "services": [service.name for service in config.catalog.services] if config else [],
        "slos": [f"{slo.service}/{slo.name}" for slo in config.slos] if config else [],
        "table": services_table(config) if config else [],
    }
    return [json.dumps(content, indent=2)]


def _lines(folder: Path, found: Inspection) -> list[str]:
    warnings = [f"warning: {line}" for line in found.warnings]
    also = f", {len(warnings)} warnings" if warnings else ""
    if found.config is None:
        return [*found.problems, *warnings, f"{len(found.problems)} problems{also} in {folder}"]
    rows = services_table(found.config)
    total = f"{len(rows)} services, {len(found.config.slos)} SLOs, no problem{also}"
    return [*_drawn(rows), *warnings, f"{folder}: {total}"]


def _drawn(rows: Sequence[dict[str, Any]]) -> list[str]:
    cells = [("service", "tier", "owner", *Signal, "SLOs")]
    for row in rows:
        signals = ("yes" if signal in row["signals"] else "-" for signal in Signal)
        cells.append((row["service"], row["tier"], row["owner"], *signals, str(row["slos"])))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]

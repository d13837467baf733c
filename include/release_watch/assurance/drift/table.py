"""The drift of releases as text for a terminal: who has to do what, the gravest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from release_watch.assurance.drift.model import Drift, DriftReport
from release_watch.clock import rfc3339
from release_watch.coverage.table_text import plain
from release_watch.verdict import Verdict

_GRAVEST = [Verdict.NO_GO, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.WARN, Verdict.GO]
_INDENT = " " * 8


def drift_table(reports: Iterable[DriftReport]) -> str:
    """Return the reports as text, one block per release and one per drift."""
    return "\n".join(line for report in reports for line in _release(report))


def _release(report: DriftReport) -> Iterator[str]:
    found = len(report.drifts)
    count = "no drift" if not found else f"{found} drift{'s' if found > 1 else ''}"
    yield f"{report.release_id} ({report.environment}): {report.rules} rules, {count}"
    for drift in sorted(report.drifts, key=lambda one: _GRAVEST.index(one.verdict)):
        yield from _drift(drift)


def _drift(drift: Drift) -> Iterator[str]:
    yield f"  {drift.verdict}  {plain(drift.line)}"
    since = f", since {rfc3339(drift.since)}" if drift.since else ""
    yield f"{_INDENT}owner: {plain(drift.owner)}{since}"
    yield from (f"{_INDENT}{plain(line)}" for line in drift.diff.splitlines())
    yield f"{_INDENT}do: {plain(drift.to_do)}"

"""The audit as a picture: services by signals, for a wall, a ticket or a chat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC

from release_watch.artifacts.models import (
    CoverageStatus,
    InstrumentationAudit,
    Reference,
    ServiceAudit,
    Signal,
)
from release_watch.coverage.heatmap_sheet import CELL, CHARACTER, INK, MARGIN, NUMBER, Draw, Part, Sheet
from release_watch.coverage.table_text import listed, plain, shortened
from release_watch.verdict import Verdict

MOST_ROWS = 60
"""Services up to which each has a row; of more, the gravest have one and all are counted at the top."""
GRAVEST_ROWS = 48

# Inches.
_ROW, _HEADER, _SECTION, _TITLE, _LEGEND = 0.3, 0.42, 0.38, 0.95, 0.5
_LEAST = 0.04
_FEWEST, _MOST = 14, 36
_IN_CELL, _MOST_NAMES = 20, 10

_FAINT, _NOTHING = "#666666", "#eeeeee"
# Told apart also by eyes that see no red or no green, and in grey; each has its mark besides.
_FILL = {
    CoverageStatus.PASS: "#cfe5f5",
    CoverageStatus.INCONCLUSIVE: "#edbe2f",
    CoverageStatus.FAIL: "#bb4a00",
}
_TEXT = {CoverageStatus.PASS: INK, CoverageStatus.INCONCLUSIVE: INK, CoverageStatus.FAIL: "#ffffff"}
_MARK = {CoverageStatus.PASS: "✓", CoverageStatus.INCONCLUSIVE: "?", CoverageStatus.FAIL: "✗"}
_VERDICT = {
    Verdict.GO: ("#0a5c96", "#ffffff"),
    Verdict.WARN: ("#edbe2f", INK),
    Verdict.INCONCLUSIVE: ("#edbe2f", INK),
    Verdict.ERROR: ("#bb4a00", "#ffffff"),
    Verdict.NO_GO: ("#bb4a00", "#ffffff"),
}
_GRAVITY = [CoverageStatus.PASS, CoverageStatus.INCONCLUSIVE, CoverageStatus.FAIL]


def heatmap_png(audit: InstrumentationAudit) -> bytes:
    """Return the picture of an audit as PNG, always the same bytes for the same audit.

    A row per service, critical ones first and of those the gravest first; a column per signal; in each cell a
    colour and a mark for its status, and the checks that did not pass. Of more services than
    :data:`MOST_ROWS` all are counted at the top and the :data:`GRAVEST_ROWS` gravest have a row.
    """
    services = sorted(audit.services, key=_gravity)
    shown = services if len(services) <= MOST_ROWS else [s for s in services if _gaps(s)][:GRAVEST_ROWS]
    names = max((len(plain(service.service)) for service in shown), default=0)
    sheet = Sheet(min(_MOST, max(_FEWEST, names)))
    parts = [Part(_TITLE, lambda s, y: _title(s, y, audit)), Part(_HEADER, _headers)]
    if len(services) > MOST_ROWS:
        parts += _overview(services)
    parts += _sections(shown, services)
    parts += _remark(shown, services)
    parts += _references(audit)
    parts.append(Part(_LEGEND, _legend))
    return sheet.png(parts)


def _title(sheet: Sheet, top: float, audit: InstrumentationAudit) -> None:
    width = 1.6
    at = audit.generated_at.astimezone(UTC)
    fill, ink = _VERDICT[audit.verdict]
    room = int((sheet.width - 2 * MARGIN - width - 0.2) / 0.135)
    version = f", version {plain(audit.version)}" if audit.version else ""
    what = f"Instrumentation of {plain(audit.release_id)}{version}"
    sheet.write(MARGIN, top + 0.36, shortened(what, room), fontsize=14, weight="bold")
    where = f"{plain(audit.environment)}, {at:%Y-%m-%d %H:%M:%S} UTC, {len(audit.services)} services"
    sheet.write(MARGIN, top + 0.68, where, color=_FAINT, fontsize=10)
    left = sheet.width - MARGIN - width
    sheet.box(left, top + 0.22, width, 0.5, fill)
    sheet.write(
        left + width / 2, top + 0.47, str(audit.verdict), color=ink, ha="center", fontsize=12, weight="bold"
    )


def _headers(sheet: Sheet, top: float) -> None:
    middle = top + _HEADER / 2
    for signal in Signal:
        sheet.write(sheet.cell(signal) + CELL / 2, middle, str(signal), ha="center", weight="bold")
    for number, words in enumerate(("checks\npassed", "instrum.\nscore")):
        x = sheet.right + (number + 0.5) * NUMBER
        sheet.write(x, middle, words, ha="center", color=_FAINT, fontsize=8)


def _overview(services: Sequence[ServiceAudit]) -> Iterator[Part]:
    for tier in ("critical", "standard"):
        if some := [service for service in services if service.tier == tier]:
            yield Part(_ROW * 1.5, _counted(f"all {len(some)} {tier}", some))


def _counted(words: str, services: Sequence[ServiceAudit]) -> Draw:
    """Return how to draw one bar per signal, parted by status."""

    def draw(sheet: Sheet, top: float) -> None:
        high = _ROW * 1.5
        sheet.write(MARGIN, top + high / 2, words, weight="bold")
        for signal in Signal:
            _bar(sheet, sheet.cell(signal), top, high, Counter(_status(s, signal) for s in services))

    return draw


def _bar(
    sheet: Sheet, left: float, top: float, high: float, counts: Mapping[CoverageStatus | None, int]
) -> None:
    total = sum(counts.values())
    # One service of a thousand must be seen too.
    widths = {
        status: max(_LEAST, counts[status] / total * CELL)
        for status in (*reversed(_GRAVITY), None)
        if counts.get(status)
    }
    x, scale = left, CELL / sum(widths.values())
    for status, width in widths.items():
        sheet.box(x, top, width * scale, high * 0.45, _FILL[status] if status else _NOTHING, edge=0)
        x += width * scale
    found = [f"{_MARK[status]} {counts[status]}" for status in reversed(_GRAVITY) if counts.get(status)]
    sheet.write(left + CELL / 2, top + high * 0.72, "  ".join(found), ha="center", fontsize=8.5)


def _sections(shown: Sequence[ServiceAudit], services: Sequence[ServiceAudit]) -> Iterator[Part]:
    for tier in ("critical", "standard"):
        if some := [service for service in shown if service.tier == tier]:
            every = [service for service in services if service.tier == tier]
            yield Part(_SECTION, _heading(_section(tier, len(some), len(every), sum(map(_gaps, every)))))
            for service in some:
                yield Part(_ROW, _row(service))


def _section(tier: str, shown: int, services: int, gaps: int) -> str:
    if shown == services:
        return f"{tier} ({services})"
    return (
        f"{tier}: all {gaps} with gaps"
        if shown == gaps
        else f"{tier}: the gravest {shown} of {gaps} with gaps"
    )


def _remark(shown: Sequence[ServiceAudit], services: Sequence[ServiceAudit]) -> Iterator[Part]:
    left = len(services) - len(shown)
    gaps = sum(map(_gaps, services)) - sum(map(_gaps, shown))
    if not services:
        words = "no service was audited"
    elif gaps:
        words = f"not shown: {gaps} more services with gaps, {left - gaps} services without"
    elif left:
        words = f"not shown: {left} services without a gap"
    else:
        return
    yield Part(_ROW, lambda sheet, top: sheet.write(MARGIN, top + _ROW / 2, words, color=_FAINT))


def _references(audit: InstrumentationAudit) -> Iterator[Part]:
    """Yield what says that alerts, panels or SLOs have gaps, which no cell shows."""
    found = [one for one in audit.references if one.check.status is not CoverageStatus.PASS]
    if not found:
        return
    names = [f"{one.kind} {plain(one.name)}" for one in sorted(found, key=_reference_gravity)]
    words = f"{len(found)} of {len(audit.references)} alerts, panels and SLOs read what was not proven: "

    def draw(sheet: Sheet, top: float) -> None:
        status = max((one.check.status for one in found), key=_GRAVITY.index)
        middle = top + _SECTION * 0.62
        sheet.box(MARGIN, middle - 0.11, 0.3, 0.22, _FILL[status])
        sheet.write(MARGIN + 0.15, middle, _MARK[status], ha="center", color=_TEXT[status], fontsize=9)
        room = int((sheet.width - 2 * MARGIN - 0.4) / CHARACTER)
        fitting = next((n for n in range(_MOST_NAMES, 1, -1) if len(words + listed(names, n)) <= room), 1)
        sheet.write(MARGIN + 0.4, middle, words + shortened(listed(names, fitting), 60), fontsize=9)

    yield Part(_SECTION, draw)


def _reference_gravity(one: Reference) -> tuple[int, str, str]:
    return -_GRAVITY.index(one.check.status), one.kind, one.name


def _heading(words: str) -> Draw:
    return lambda sheet, top: sheet.write(
        MARGIN, top + _SECTION * 0.62, words, weight="bold", color=_FAINT, fontsize=9
    )


def _row(service: ServiceAudit) -> Draw:
    def draw(sheet: Sheet, top: float) -> None:
        middle = top + _ROW / 2
        weight = "bold" if service.tier == "critical" else "normal"
        size = 9.5 if weight == "normal" else 9.0  # bold letters are wider
        name = shortened(plain(service.service), sheet.characters)
        sheet.write(MARGIN, middle, name, weight=weight, fontsize=size)
        for signal in Signal:
            status = _status(service, signal)
            sheet.box(sheet.cell(signal), top, CELL, _ROW, _FILL[status] if status else _NOTHING)
            ink = _TEXT[status] if status else _FAINT
            words = shortened(_words(service, signal), _IN_CELL)
            sheet.write(sheet.cell(signal) + CELL / 2, middle, words, ha="center", color=ink, fontsize=9)
        sheet.write(sheet.right + NUMBER / 2, middle, f"{service.score:.0%}", ha="center", fontsize=9)
        grade = service.instrumentation.score if service.instrumentation else None
        text = "–" if grade is None else f"{grade:.0f}"
        sheet.write(sheet.right + 1.5 * NUMBER, middle, text, ha="center", fontsize=9)

    return draw


def _words(service: ServiceAudit, signal: Signal) -> str:
    status = _status(service, signal)
    if status is None:
        return "–"
    checks = [check for check in service.signals[signal].checks if check.status is not CoverageStatus.PASS]
    checks.sort(key=lambda check: -_GRAVITY.index(check.status))
    return f"{_MARK[status]} {', '.join(plain(check.name) for check in checks)}".rstrip()


def _legend(sheet: Sheet, top: float) -> None:
    x, middle = sheet.left, top + _LEGEND * 0.6
    for status, words in (
        (CoverageStatus.PASS, "proven"),
        (CoverageStatus.INCONCLUSIVE, "could not be told"),
        (CoverageStatus.FAIL, "gap, and the checks that show it"),
    ):
        sheet.box(x, middle - 0.11, 0.3, 0.22, _FILL[status])
        sheet.write(x + 0.15, middle, _MARK[status], ha="center", color=_TEXT[status], fontsize=9)
        sheet.write(x + 0.38, middle, words, color=_FAINT, fontsize=9)
        x += 0.65 + len(words) * 0.075


def _gravity(service: ServiceAudit) -> tuple[bool, int, int, str]:
    """Return what sorts critical services first, then by failed and by unproven signals, then by name."""
    statuses = Counter(_status(service, signal) for signal in Signal)
    failed, unproven = statuses[CoverageStatus.FAIL], statuses[CoverageStatus.INCONCLUSIVE]
    return service.tier != "critical", -failed, -unproven, service.service


def _gaps(service: ServiceAudit) -> bool:
    return any(found.status is not CoverageStatus.PASS for found in service.signals.values())


def _status(service: ServiceAudit, signal: Signal) -> CoverageStatus | None:
    found = service.signals.get(signal)
    return found.status if found else None

"""The audit as a table for a log or a terminal of 120 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from release_watch.artifacts.models import (
    CoverageStatus,
    InstrumentationAudit,
    InstrumentationScore,
    ServiceAudit,
    Signal,
)
from release_watch.coverage.table_findings import Gap, broken_rules, coverage_gaps, reference_gaps
from release_watch.coverage.table_text import WIDTH, columns, listed, padded, plain, shortened, wrapped

_MOST_NAMES = 30
_MOST_SEEN = 5
_LONGEST_QUERY = 400
_LABEL = 5 + len("expected") + 2
_SPACE = "  "


def coverage_table(audit: InstrumentationAudit) -> str:
    """Return a row per service and the verdict, then a block per gap: what, the query that shows it, the fix.

    Services with the same gap share a block. The alerts, panels and SLOs without series follow, and then what
    would raise the Instrumentation Score.
    """
    lines = [*_rows(audit.services), f"verdict: {audit.verdict}"]
    for gap in coverage_gaps(audit):
        lines += _block(gap, gap.first.status)
    if references := reference_gaps(audit):
        lines += ["", "Alerts, panels and SLOs that read what was not proven to be there:"]
        for gap in references:
            lines += _block(gap, gap.first.status)
    if rules := broken_rules(audit):
        lines += ["", "What would raise the Instrumentation Score; it advises, no gate judges it:"]
        for gap in rules:
            lines += _block(gap, "ADVICE")
    return "\n".join(lines)


def _rows(services: Sequence[ServiceAudit]) -> Iterator[str]:
    graded = any(service.instrumentation for service in services)
    headers = ("service", "tier", "score", *Signal, *(["instrumentation"] if graded else []))
    rows = [headers, *(_row(service, graded) for service in services)]
    widths = [max(columns(row[column]) for row in rows) for column in range(len(headers))]
    # Only names of services can be so long that a row does not fit.
    widths[0] = min(widths[0], WIDTH - sum(widths[1:]) - len(_SPACE) * (len(widths) - 1))
    for name, *cells in rows:
        shown = (shortened(name, widths[0]), *cells)
        yield _SPACE.join(padded(cell, width) for cell, width in zip(shown, widths, strict=True)).rstrip()


def _row(service: ServiceAudit, graded: bool) -> tuple[str, ...]:
    return (
        plain(service.service),
        service.tier,
        f"{service.score:.0%}",
        *(str(service.signals[signal].status) if signal in service.signals else "-" for signal in Signal),
        *([_grade(service.instrumentation)] if graded else []),
    )


def _grade(found: InstrumentationScore | None) -> str:
    """Return the Instrumentation Score, and over how many of its rules: ``87 (11/19)``."""
    if found is None:
        return "-"
    answered = sum(rule.status is not CoverageStatus.INCONCLUSIVE for rule in found.rules)
    score = "-" if found.score is None else f"{found.score:.0f}"
    return f"{score} ({answered}/{len(found.rules)})"


def _block(gap: Gap, status: str) -> Iterator[str]:
    first, names = gap.first, [plain(name) for name in gap.subjects]
    subjects = f"{first.noun}s"
    seen = list(dict.fromkeys(plain(finding.observed) for finding in gap.findings))
    one = names[0] if first.noun == "service" else f"{first.noun} {names[0]}"
    who = one if len(names) == 1 else f"{len(names)} {subjects},"
    what = f": {seen[0]}" if len(seen) == 1 else ""
    yield from wrapped(f"{who} {plain(first.topic)}{what}", f"{status} ")
    if len(names) > 1 and len(seen) == 1:
        yield from _part(subjects, listed(names, _MOST_NAMES))
    elif len(seen) > 1:
        for number, finding in enumerate(gap.findings[:_MOST_SEEN]):
            words = f"{plain(finding.subject)}: {plain(finding.observed)}"
            yield from _part("" if number else "seen", words)
        if len(gap.findings) > _MOST_SEEN:
            others = [plain(finding.subject) for finding in gap.findings[_MOST_SEEN:]]
            yield from _part("", f"and of {listed(others, _MOST_NAMES)}")
    if first.expected and len({finding.expected for finding in gap.findings}) == 1:
        yield from _part("expected", plain(first.expected))
    if first.query:
        yield from _part("query", _short(plain(first.query)))
    if gap.remedy:
        yield from _part("fix", plain(gap.remedy))


def _part(label: str, text: str) -> list[str]:
    return wrapped(text, f"     {label}".ljust(_LABEL))


def _short(query: str) -> str:
    if len(query) <= _LONGEST_QUERY:
        return query
    return f"{query[:_LONGEST_QUERY]}… (the JSON has it whole)"

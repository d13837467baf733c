"""Errors in the logs that were never there before the release: templates that its reference does not hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict

from release_watch.artifacts.models import Severity
from release_watch.clock import Timestamp, rfc3339
from release_watch.telemetry.logs import LineFilter, LogLine, Loki
from release_watch.verdict import Objective, Verdict
from release_watch.watch.log_lines import ANY_GRAVE, GRAVE_LEVELS, LEVEL_LABELS, is_grave, masked, message_of
from release_watch.watch.sightings import Heard, Sighting, asked
from release_watch.watch.templates import Template, Templates, constant_pieces

if TYPE_CHECKING:
    from release_watch.catalog.models import Service
    from release_watch.telemetry.backends import Backends

PREFIX = "log:"

MOST_LINES = 1_000
"""Lines of a service that a review reads, of each kind of level; busier services show their newest."""

SLICES = 8
LINES_PER_SLICE = 250
"""The reference is read in slices, so that a burst at its end does not hide the rest."""

MOST_TEMPLATES = 10
"""New templates of one service that are told; where there are more, they are rarely ten causes."""

MOST_KNOWN = 500


class KnownErrors(BaseModel):
    """What is known of a service's errors: messages from before the release, and those that were new, masked.

    ``silent`` says that there were no lines at all before the release, so that nothing can be called new.
    """

    model_config = ConfigDict(frozen=True)

    before: tuple[str, ...]
    silent: bool = False
    new: dict[str, Timestamp] = {}


class Logs(NamedTuple):
    """What the logs tell, and what is known of each service from now on."""

    heard: tuple[Heard, ...]
    known: dict[str, KnownErrors]


class Span(NamedTuple):
    """A stretch of time."""

    start: datetime
    end: datetime


def new_errors(
    services: Iterable[Service],
    backends: Backends,
    known: Mapping[str, KnownErrors],
    reference: Span,
    current: Span,
) -> Logs:
    """Return the templates of error lines in ``current`` that no line of ``reference`` is of.

    ``known`` is what the last call returned; a service that is not in it has its reference read first.
    """
    updated = dict(known)
    parts = []
    for service in services:
        if service.signals.logs is None:
            continue

        def ask(service: Service = service) -> Heard:
            told, updated[service.name] = _of_service(
                service, backends.logs(service), known.get(service.name), reference, current
            )
            return told

        parts.append(asked(f"{service.name} new errors in the logs", PREFIX, ask, service.name))
    return Logs(tuple(parts), updated)


def _of_service(
    service: Service, loki: Loki, known: KnownErrors | None, reference: Span, current: Span
) -> tuple[Heard, KnownErrors]:
    selector = service.signals.logs.selector if service.signals.logs else ""
    known = known or _before(loki, selector, reference)
    name = f"{service.name} new errors in the logs"
    if known.silent:
        reason = "there are no log lines from before the release, so that no error can be called new"
        objective = Objective(name=name, verdict=Verdict.INCONCLUSIVE, reason=reason, query=selector)
        return Heard((objective,), unheard=frozenset({(service.name, PREFIX)})), known
    templates = Templates(known.before, known.new)
    lines = _grave(loki, selector, current, MOST_LINES)
    first: dict[str, datetime] = {}
    for line in sorted(lines, key=lambda line: line.at):
        message = message_of(line.text)
        first.setdefault(masked(message), line.at)
        templates.add(message)
    found, met = _verified(templates.new(), known, loki, selector, reference)
    seen = {one.first: known.new.get(one.first) or first.get(one.first, current.end) for one in found}
    known = known.model_copy(update={"before": (*known.before, *met), "new": {**known.new, **seen}})
    sightings = [_sighting(service.name, selector, one, seen[one.first]) for one in found[:MOST_TEMPLATES]]
    worst = sightings[0].reason if sightings else "no error that was not there before the release"
    more = f"; and {len(found) - 1} more" if len(found) > 1 else ""
    overall = Objective(
        name=name,
        verdict=Verdict.WARN if sightings else Verdict.GO,
        reason=worst + more,
        value=f"{len(found)} new templates",
        threshold="0 new templates",
        query=selector,
        samples=len(lines),
    )
    return Heard((overall,), tuple(sightings)), known


def _sighting(service: str, selector: str, one: Template, since: datetime) -> Sighting:
    lines = "once" if one.lines == 1 else f"{one.lines} times"
    reason = f"new error in the logs, {lines} since {rfc3339(since)}: {one.text}"
    objective = Objective(
        name=f"{service} {PREFIX}{one.template_id}",
        verdict=Verdict.WARN,
        reason=reason,
        value=f"{one.lines} lines",
        threshold="0 lines",
        baseline="0 lines",
        query=" ".join([selector, *(str(LineFilter("|=", piece)) for piece in constant_pieces(one.first))]),
        samples=one.lines,
    )
    return Sighting(service, f"{PREFIX}{one.template_id}", Severity.MINOR, since, reason, objective)


def _verified(
    candidates: Iterable[Template], known: KnownErrors, loki: Loki, selector: str, reference: Span
) -> tuple[list[Template], list[str]]:
    """Return the templates that the whole reference holds no line of, and the messages that it does hold.

    Of the reference only a sample was read. What is constant in a template is looked for in all of it.
    """
    found: list[Template] = []
    met: list[str] = []
    for one in candidates:
        if one.first in known.new:
            found.append(one)
            continue
        if len(found) >= 2 * MOST_TEMPLATES:
            break
        pieces = constant_pieces(one.first)
        keep = [LineFilter("|=", piece) for piece in pieces]
        if not pieces or loki.tally(selector, *reference, keep=keep):
            met.append(one.first)
        else:
            found.append(one)
    return found, met


def _before(loki: Loki, selector: str, reference: Span) -> KnownErrors:
    length = (reference.end - reference.start) / SLICES
    starts = [reference.start + number * length for number in range(SLICES)]
    lines = [
        line
        for start in starts
        for line in _grave(loki, selector, Span(start, start + length), LINES_PER_SLICE)
    ]
    messages = dict.fromkeys(masked(message_of(line.text)) for line in lines)
    silent = not messages and not loki.lines(selector, *reference, 1)
    return KnownErrors(before=tuple(messages)[:MOST_KNOWN], silent=silent)


def _grave(loki: Loki, selector: str, span: Span, limit: int) -> list[LogLine]:
    """Return the newest error lines of a span: those whose words say so, and those whose stream does."""
    found = loki.lines(selector, *span, limit, keep=[LineFilter("|~", ANY_GRAVE)])
    labels = {name for labels in loki.streams(selector, *span) for name in labels}
    for name in LEVEL_LABELS:
        if name in labels:
            inner = selector.strip().removesuffix("}").rstrip().rstrip(",")
            narrowed = f'{inner},{name}=~"{GRAVE_LEVELS}"}}'
            found += loki.lines(narrowed, *span, limit)
    unique = {(line.at, line.text): line for line in found if span.start < line.at <= span.end}
    return [line for line in unique.values() if is_grave(line.text, line.labels)]


def lookback(deployed_at: datetime, interval: timedelta, at: datetime) -> Span:
    """Return the stretch whose lines a review reads: two intervals, and nothing from before the release."""
    return Span(max(deployed_at, at - 2 * interval), at)

"""The rules LOG of the Instrumentation Score, from the severities that the log server knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from release_watch.catalog.models import Service
from release_watch.coverage.batches import batches
from release_watch.coverage.conventions import VERSION_LABELS
from release_watch.coverage.covering import bounded
from release_watch.coverage.questions import Question
from release_watch.coverage.score_rules import Answers, RuleAnswer, broken, met, of_release, untold
from release_watch.telemetry.backends import Backends
from release_watch.telemetry.logs import Loki, tally_query

LOG_RULES = ("LOG-001", "LOG-002")
LONGEST_DEBUG = timedelta(days=14)
"""LOG-001: so long debug logs may be on in production."""
_LOOK_BACK = timedelta(hours=1)
SEVERITY_LABELS = ("severity_text", "severity", "level", "detected_level")
_BUCKETS = 10
_UNSET = frozenset({"unset", "unspecified", "unknown", "severity_number_unspecified"})
_LEVELS_REMEDY = "send the severity as a label or as structured metadata, named level or severity_text"


@dataclass(frozen=True)
class LinesSeen:
    """The lines of one service by severity, now and, where debug lines are on, 14 days ago."""

    selector: str
    now: Mapping[str, int]
    then: Mapping[str, int] | None = None

    @property
    def query(self) -> str:
        """The query that shows the severities of its lines."""
        return tally_query(self.selector, 60, SEVERITY_LABELS)


def look_at_lines(
    services: Sequence[Service], backends: Backends, question: Question
) -> dict[str, LinesSeen]:
    """Return the severities of each service's lines, from one query for all, two where debug is on.

    Raises:
        BackendError: if the server does not answer, or refuses a query.
        NotConfiguredError: if its connection is not there.
    """
    loki = backends.logs(services[0])
    selectors = {s.name: s.signals.logs.selector for s in services if s.signals.logs}
    recent = _severities(selectors, loki, question.since, question.at, question)
    debugging = {name: selectors[name] for name, lines in recent.items() if _debug(lines)}
    end = question.at - LONGEST_DEBUG
    earlier = _severities(debugging, loki, end - _LOOK_BACK, end, None) if debugging else {}
    return {
        name: LinesSeen(selector, recent.get(name, {}), earlier.get(name) if name in debugging else None)
        for name, selector in selectors.items()
    }


def log_rules(seen: LinesSeen, environment: str) -> Answers:
    """Return the answers of the rules LOG for one service."""
    if not sum(seen.now.values()):
        remedy = "see that its logs are live, and the selector in services.yaml"
        return {rule: untold("no line of it", seen.query, remedy) for rule in LOG_RULES}
    return {"LOG-001": _no_lasting_debug(seen, environment), "LOG-002": _severity_set(seen)}


def _severities(
    selectors: Mapping[str, str], loki: Loki, start: datetime, end: datetime, question: Question | None
) -> dict[str, Counter[str]]:
    """Return lines by severity; with a question only those that may be its release's."""
    found: dict[str, Counter[str]] = {name: Counter() for name in selectors}
    for batch in map(bounded, batches(selectors)):
        by = tuple(dict.fromkeys((*batch.labels, *VERSION_LABELS, *SEVERITY_LABELS)))
        for values, count in loki.tally(batch.matchers, start, end, by, most_buckets=_BUCKETS).items():
            labels = dict(zip(by, values, strict=True))
            for service in batch.services_of(labels):
                if question is None or of_release(labels, service, question.release):
                    found[service][_severity(labels)] += count
    return found


def _no_lasting_debug(seen: LinesSeen, environment: str) -> RuleAnswer:
    if not environment.lower().startswith("prod"):
        return untold(f"the rule is about production, and this is {environment}")
    if not any(severity for severity in seen.now):
        return untold("the lines have no severity", seen.query, _LEVELS_REMEDY)
    if seen.then is None:
        return met(f"no debug line among {sum(seen.now.values())}", seen.query)
    lines, days = _debug(seen.now), LONGEST_DEBUG.days
    if _debug(seen.then):
        observed = f"{lines} debug lines now, and debug lines {days} days ago"
        return broken(observed, seen.query, "set the log level of production to info")
    if not sum(seen.then.values()):
        return untold(f"{lines} debug lines now, and no line of {days} days ago to compare with", seen.query)
    return met(f"{lines} debug lines now, none {days} days ago", seen.query)


def _severity_set(seen: LinesSeen) -> RuleAnswer:
    total = sum(seen.now.values())
    if unset := sum(count for severity, count in seen.now.items() if severity in _UNSET):
        remedy = "have the collector parse the severity of each line into severityNumber"
        return broken(f"{unset} of {total} lines without a severity", seen.query, remedy)
    if bare := seen.now.get("", 0):
        return untold(f"no severity is told of {bare} of {total} lines", seen.query, _LEVELS_REMEDY)
    return met(f"all {total} lines have a severity", seen.query)


def _severity(labels: Mapping[str, str]) -> str:
    """Return the severity that the first of the labels names, in lower case; the server's guess is last."""
    return next((labels[name].lower() for name in SEVERITY_LABELS if labels.get(name)), "")


def _debug(lines: Mapping[str, int]) -> int:
    return sum(count for severity, count in lines.items() if severity.startswith("debug"))

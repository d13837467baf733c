"""The version that log lines name themselves, where no label of their stream does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from release_watch.coverage.batches import batches
from release_watch.coverage.covering import bounded
from release_watch.coverage.questions import Question
from release_watch.telemetry.logs import LineFilter, LogLine, Loki, line_query

_PAGE = 1_000
_ROUNDS = 3
_NAMES = ("service.version", "service_version", "version")
_HOLDERS = ("resource", "resources", "attributes", "service", "labels")
_LOGFMT = re.compile(r'(?:^|\s)(?:service[._])?version=(?:"([^"]*)"|([^\s"]+))')
_ANY_VERSION = LineFilter("|~", "version")


def versions_in_lines(
    selectors: Mapping[str, str], loki: Loki, question: Question
) -> dict[str, tuple[str, set[str]]]:
    """Return for each service the query and the versions that fields of its lines name, none where none does.

    Fields are ``service.version``, ``service_version`` and ``version`` of a line in JSON (also within
    ``resource``, ``service`` and the like) or logfmt. Lines of the release are looked for first, in a few
    rounds of a page each, since busy services fill a page; then one page of any other.

    Raises:
        BackendError: if the server does not answer, or refuses a query.
    """
    wanted = question.release.version
    ours = (_ANY_VERSION, LineFilter("|=", wanted))
    others = (_ANY_VERSION, LineFilter("!=", wanted))
    found = {name: (line_query(selector, ours), set[str]()) for name, selector in selectors.items()}
    pending = dict(selectors)
    for _ in range(_ROUNDS):
        named, full = _page(pending, ours, loki, question)
        new = {name for name, versions in named.items() if wanted in versions}
        for name in new:
            found[name][1].add(wanted)
            del pending[name]
        if not new or not full or not pending:
            break
    if pending:
        named, _ = _page(pending, others, loki, question)
        for name, versions in named.items():
            found[name] = (line_query(selectors[name], others), versions)
    return found


def version_of(text: str) -> str | None:
    """Return the version of the service that a line names, None if it names none."""
    if text.lstrip().startswith("{"):
        try:
            line = json.loads(text)
        except ValueError:
            return None
        return next(_fields(line), None)
    match = _LOGFMT.search(text)
    return (match[1] or match[2]) if match else None


def _fields(line: Any) -> Iterator[str]:
    if not isinstance(line, dict):
        return
    holders = [line, *(line[name] for name in _HOLDERS if isinstance(line.get(name), dict))]
    for holder in holders:
        for name in _NAMES:
            if isinstance(value := holder.get(name), str) and value:
                yield value


def _page(
    selectors: Mapping[str, str], keep: tuple[LineFilter, ...], loki: Loki, question: Question
) -> tuple[dict[str, set[str]], bool]:
    """Return the versions named in the newest lines, by service, and whether there may be more lines."""
    named: dict[str, set[str]] = {}
    full = False
    for batch in map(bounded, batches(selectors)):
        lines = loki.lines(batch.matchers, question.since, question.at, _PAGE, keep=keep)
        full = full or len(lines) >= _PAGE
        for line in lines:
            if (version := version_of(line.text)) and _fresh(line, question):
                for name in batch.services_of(line.labels):
                    named.setdefault(name, set()).add(version)
    return named, full


def _fresh(line: LogLine, question: Question) -> bool:
    return question.since < line.at <= question.at

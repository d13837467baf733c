"""Recording rules that history does not know yet, put into the expressions that read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from release_watch.catalog.selectors import parse_matchers
from release_watch.errors import InvalidInputError
from release_watch.identifiers import promql_string
from release_watch.slo.rulefile import Rule, RuleGroup, duration
from release_watch.telemetry.promql import SeriesSelector, selectors_of

DEEPEST = 8
"""Recording rules that read recording rules; more of them read themselves."""

_STRING = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`"
_SELECTOR = re.compile(
    rf"(?P<string>{_STRING})|(?<![\w:.])(?P<name>[a-zA-Z_:][\w:]*)(?!\s*\()"
    rf"(?P<matchers>\s*\{{(?:{_STRING}|[^}}\"'`])*\}})?"
    r"(?P<range>\s*\[[^\]:]+\])?(?P<offset>\s+offset\s+-?\w+)?"
)


class Inlined(NamedTuple):
    """An expression that reads recorded history, and the names of what was put in its place."""

    expr: str
    names: tuple[str, ...] = ()


def recordings(groups: Sequence[RuleGroup]) -> dict[str, list[Rule]]:
    """Return the recording rules of rule files by the name that they record."""
    found: dict[str, list[Rule]] = {}
    for rule in (rule for group in groups for rule in group.rules if rule.record):
        found.setdefault(rule.name, []).append(rule)
    return found


def inlined(
    expr: str,
    recorded: Mapping[str, Sequence[Rule]],
    missing: Callable[[SeriesSelector], bool],
    step: timedelta,
) -> Inlined:
    """Return ``expr`` with each recording that is ``missing`` in history replaced by what it would record.

    A range of it becomes a subquery at the evaluation interval ``step``, as recorded samples would lie. What
    none of the rules records, as its labels are others, stays: it has no samples, as it would have none live.

    Raises:
        InvalidInputError: if the expression cannot be read, or recording rules read themselves.
    """
    try:
        wanted = {one.bare for one in selectors_of(expr) if one.metric in recorded}
    except ValueError as error:
        raise InvalidInputError([f"the expression cannot be replayed: {error}"]) from error
    absent = {one.metric for one in wanted if missing(one)}
    text, names = expr, set[str]()
    for _ in range(DEEPEST):
        found = _replaced(text, recorded, absent, step)
        if not found.names:
            return Inlined(text, tuple(sorted(names)))
        text = found.expr
        names.update(found.names)
        further = {one.bare for one in selectors_of(text) if one.metric in recorded}
        absent = {one.metric for one in further if missing(one)}
    raise InvalidInputError([f"recording rules read themselves: {', '.join(sorted(absent))}"])


def _replaced(
    text: str, recorded: Mapping[str, Sequence[Rule]], absent: set[str], step: timedelta
) -> Inlined:
    names: list[str] = []

    def replacement(match: re.Match[str]) -> str:
        if match["string"] or match["name"] not in absent:
            return match[0]
        rules = [one for one in recorded[match["name"]] if _fits(one, match["matchers"])]
        if not rules:
            return match[0]
        names.append(match["name"])
        joined = " or ".join(_labelled(rule) for rule in rules)
        return _ranged(f"({joined})", match["range"], match["offset"] or "", step)

    return Inlined(_SELECTOR.sub(replacement, text), tuple(names))


def _fits(rule: Rule, matchers: str | None) -> bool:
    """Return whether a recording's own labels meet the matchers; labels of its series are not looked at."""
    found = parse_matchers(matchers) if matchers and matchers.strip() != "{}" else ()
    return all(
        _matches(one.operator, one.value, rule.labels[one.label]) for one in found if one.label in rule.labels
    )


def _matches(operator: str, wanted: str, value: str) -> bool:
    same = value == wanted if operator in ("=", "!=") else re.fullmatch(wanted, value) is not None
    return same if operator in ("=", "=~") else not same


def _labelled(rule: Rule) -> str:
    text = f"({rule.expr})"
    for label, value in sorted(rule.labels.items()):
        text = f'label_replace({text}, "{label}", {promql_string(value.replace("$", "$$"))}, "", "")'
    return text


def _ranged(text: str, span: str | None, offset: str, step: timedelta) -> str:
    pace = duration(step)
    if span:
        return f"{text}[{span.strip()[1:-1]}:{pace}]{offset}"
    return f"last_over_time({text}[{pace}:{pace}]{offset})" if offset else text

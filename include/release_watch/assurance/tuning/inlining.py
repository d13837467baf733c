"""Recording rules that history does not know yet, put into the expressions that read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from release_watch.catalog.selectors import parse_matchers
from release_watch.clock import in_words
from release_watch.errors import InvalidInputError
from release_watch.identifiers import promql_string
from release_watch.slo.rulefile import Rule, RuleGroup, duration
from release_watch.telemetry.promql import SeriesSelector, selectors_of

DEEPEST = 32
"""Recording rules that read recording rules; more of them read themselves."""

LONGEST = 10_000
"""Characters. Burn rates put in whole take far more, and a server minutes for each hour of history."""

_STRING = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`"
_SELECTOR = re.compile(
    rf"(?P<string>{_STRING})|(?<![\w:.])(?P<name>[a-zA-Z_:][\w:]*)(?!\s*\()"
    rf"(?P<matchers>\s*\{{(?:{_STRING}|[^}}\"'`])*\}})?"
    r"(?P<range>\s*\[[^\]:]+\])?(?P<offset>\s+offset\s+-?\w+)?"
)

MOST_NAMED = 3


class HistoryTooShortError(InvalidInputError):
    """History lacks recordings, and calculating them instead would ask too much of the server.

    ``lacking`` are those that the expression reads itself, ``held`` is for how long all of them are recorded
    until now (None: not known, or not at all).
    """

    def __init__(self, lacking: Collection[SeriesSelector], held: timedelta | None = None) -> None:
        self.lacking, self.held = tuple(sorted(lacking, key=str)), held
        names = sorted({one.metric or str(one) for one in self.lacking})
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        reach = "see that the rules that record them are in force"
        if held:
            reach = f"a window of {in_words(held)} can be replayed"
        super().__init__(
            [
                f"{', '.join(names[:MOST_NAMED])}{more} are not recorded as far back as the window reaches, "
                f"and too long to be calculated instead; {reach}"
            ]
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
        HistoryTooShortError: if it would become longer than :data:`LONGEST`.
        InvalidInputError: if the expression cannot be read, or recording rules read themselves.
    """
    lacking = _lacking([expr], recorded, missing)
    absent, text, names = lacking, expr, set[str]()
    for _ in range(DEEPEST):
        text, put = _replaced(text, recorded, {one.metric for one in absent}, step)
        if not put:
            return Inlined(text, tuple(sorted(names)))
        if len(text) > LONGEST:
            raise HistoryTooShortError(lacking)
        names.update(rule.name for rule in put)
        # Of what was put in alone: all of it together may be more than a parser is asked to read.
        absent = _lacking(sorted({rule.expr for rule in put}), recorded, missing)
    raise InvalidInputError([f"recording rules read themselves: {', '.join(sorted(map(str, absent)))}"])


def _lacking(
    reads: Sequence[str],
    recorded: Mapping[str, Sequence[Rule]],
    missing: Callable[[SeriesSelector], bool],
) -> set[SeriesSelector]:
    """Return the recordings that these expressions read and history does not hold."""
    try:
        wanted = {one.bare for expr in reads for one in selectors_of(expr) if one.metric in recorded}
    except ValueError as error:
        raise InvalidInputError([f"the expression cannot be replayed: {error}"]) from error
    return {one for one in wanted if missing(one)}


def _replaced(
    text: str, recorded: Mapping[str, Sequence[Rule]], absent: set[str], step: timedelta
) -> tuple[str, list[Rule]]:
    """Return the expression with what is absent replaced, and the rules that were put in."""
    put: list[Rule] = []

    def replacement(match: re.Match[str]) -> str:
        if match["string"] or match["name"] not in absent:
            return match[0]
        rules = [one for one in recorded[match["name"]] if _fits(one, match["matchers"])]
        if not rules:
            return match[0]
        put.extend(rules)
        joined = " or ".join(_labelled(rule) for rule in rules)
        return _ranged(f"({joined})", match["range"], match["offset"] or "", step)

    return _SELECTOR.sub(replacement, text), put


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

"""In which respects two rules of one name differ, each with a line for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from release_watch.assurance.drift.model import Group, WatchedRule
from release_watch.assurance.drift.wording import changed
from release_watch.telemetry.promql_meaning import (
    REMEMBERED,
    read,
    same_but_for_numbers,
    same_meaning,
)

_TEMPLATE = re.compile(r"\{\{(-?)\s*(.*?)\s*(-?)\}\}", re.DOTALL)


class Aspect(NamedTuple):
    """One respect. ``mild``: the rule still fires as it should, and only its words are others."""

    name: str
    expected: str | None
    live: str | None
    diff: str
    mild: bool = False


def differences(rule: WatchedRule, other: WatchedRule) -> tuple[Aspect, ...]:
    """Return in which respects the live rule ``other`` is not ``rule``; none if they mean the same."""
    return (
        *_expression(rule, other),
        *_plain("kind", _kind(rule), _kind(other)),
        *_plain("group", rule.group.name, other.group.name),
        *_plain("for", _length(rule.hold), _length(other.hold)),
        *_plain("keep_firing_for", _length(rule.keep_firing), _length(other.keep_firing)),
        *_pairs("label", rule.labels, other.labels),
        *_pairs("annotation", rule.annotations, other.annotations),
    )


def group_differences(group: Group, other: Group, default: float | None) -> tuple[Aspect, ...]:
    """Return in which respects a live group is another; ``default`` is the server's interval, if known."""
    found: list[Aspect] = []
    wanted = group.interval if group.interval is not None else default
    if wanted is not None and other.interval and other.interval != wanted:
        found += _plain("interval", _length(wanted), _length(other.interval))
    found += _plain("limit", str(group.limit), str(other.limit))
    return tuple(found)


def _expression(rule: WatchedRule, other: WatchedRule) -> Iterator[Aspect]:
    if rule.expr == other.expr or same_meaning(rule.expr, other.expr):
        return
    name = "threshold" if same_but_for_numbers(rule.expr, other.expr) else "expression"
    diff = changed(name, rule.expr, other.expr)
    for whose, expr in (("the live expression", other.expr), ("what was activated", rule.expr)):
        if problem := read(expr).problem:
            diff += f"\n{whose} {problem}, so whether both mean the same cannot be told"
    yield Aspect(name, rule.expr, other.expr, diff)


def _plain(name: str, expected: str, live: str) -> Iterator[Aspect]:
    if expected != live:
        yield Aspect(name, expected, live, changed(name, expected, live))


def _pairs(kind: str, expected: Mapping[str, str], live: Mapping[str, str]) -> Iterator[Aspect]:
    if expected == live:
        return
    mild = kind == "annotation"
    for name in sorted(expected.keys() | live.keys()):
        old, new = expected.get(name), live.get(name)
        if old != new and _text(old, mild) != _text(new, mild):
            yield Aspect(f"{kind} {name}", old, new, changed(f"{kind} {name}", old, new), mild)


@lru_cache(maxsize=REMEMBERED)
def _text(value: str | None, words: bool) -> str | None:
    """Return a value with its templates in one notation; of ``words``, white space is layout, too."""
    if value is None:
        return None
    plain = _TEMPLATE.sub(_template, value)
    return " ".join(plain.split()) if words else plain


def _template(found: re.Match[str]) -> str:
    words = found[2] if '"' in found[2] or "`" in found[2] else " ".join(found[2].split())
    return f"{{{{{found[1]} {words} {found[3]}}}}}"


def _kind(rule: WatchedRule) -> str:
    return "alert" if rule.alerting else "recording rule"


def _length(seconds: float) -> str:
    return f"{seconds:g} s"

"""Changes that a rule could have: each a small, pure transformation of it, in order from mild to strong.

Numbers are found where this package's rules write them: ``> 4.5`` after something that counts is "at least 5
events" (:mod:`.counts`), and any other number after a comparison is a threshold. A rule without such a number
has no candidate of that kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from release_watch.assurance.tuning.counts import least_events
from release_watch.assurance.tuning.proposal import Kind
from release_watch.assurance.tuning.replay import hold_of, keep_of
from release_watch.catalog.slos import Slo
from release_watch.clock import in_words
from release_watch.errors import InvalidInputError
from release_watch.slo.alert_words import percent
from release_watch.slo.rulefile import Rule, duration
from release_watch.slo.windows import burn_windows, plain
from release_watch.telemetry.promql import parsed, selectors_of

MORE_EVENTS = (2, 4, 10)
HOLDS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30))
KEEPS = tuple(timedelta(minutes=minutes) for minutes in (5, 10, 15, 30))
HIGHER = tuple(map(Decimal, ("1.25", "1.5", "2", "3")))
LOWER = tuple(map(Decimal, ("0.75", "0.5")))
OBJECTIVES = tuple(map(Decimal, ("0.9999", "0.9995", "0.999", "0.995", "0.99", "0.98", "0.95")))
"""Classes of objectives that people know; a change goes to a neighbour."""
INSTANCES = ("instance", "pod", "container", "endpoint", "node")

_OF_ALERTS = ("ALERTS", "ALERTS_FOR_STATE")
_COUNT = re.compile(r"(?<=> )(\d+)\.5(?![\d.])")
_THRESHOLD = re.compile(r"(?<=[<>] )(\d+(?:\.\d+)?)(?![\w.])")


class Candidate(NamedTuple):
    """A changed rule. ``sooner``: it fires whenever the rule in force does, so no incident can be lost."""

    kind: Kind
    change: str
    rule: Rule
    sooner: bool = False


def quieter(
    rule: Rule, *, slo: Slo | None = None, derived: Sequence[Decimal] = (), copies: bool = False
) -> Iterator[Candidate]:
    """Yield changes for a rule that fires too often.

    Args:
        rule: an alerting rule.
        slo: the SLO whose budget it watches, for another objective.
        derived: thresholds that the rule's own history suggests (:mod:`.derived`).
        copies: whether several series of it fired at the same time.
    """
    yield from _more_events(rule)
    yield from _longer(rule)
    yield from _kept(rule)
    if copies:
        yield from _grouped(rule)
    yield from _thresholds(rule, HIGHER, "stricter")
    yield from _from_history(rule, derived)
    if slo is not None:
        yield from _objective(rule, slo, lower=True)
    if rule.labels.get("severity") == "page":
        lowered = rule.model_copy(update={"labels": {**rule.labels, "severity": "ticket"}})
        yield Candidate("severity", "a ticket in place of a page", lowered)


def louder(rule: Rule, *, slo: Slo | None = None, derived: Sequence[Decimal] = ()) -> Iterator[Candidate]:
    """Yield changes for a rule that misses incidents; see :func:`quieter`."""
    held = hold_of(rule)
    for hold in (*(one for one in reversed(HOLDS) if one < held), None):
        if held:
            words = f"for: {in_words(held)} to {in_words(hold) if hold else 'none'}"
            yield Candidate("for", words, _held(rule, hold), sooner=True)
    for count in sorted(most + 1 for most in least_events(rule.expr) if most > 0):
        fewer = count // 2
        changed = _expr(rule, _with_events(rule.expr, {count: fewer}))
        yield Candidate("minimum events", f"at least {count} to {fewer} events", changed, sooner=True)
    yield from _thresholds(rule, LOWER, "more sensitive")
    yield from _from_history(rule, derived)
    if slo is not None:
        yield from _objective(rule, slo, lower=False)


def reads_itself(rule: Rule) -> bool:
    """Return whether the condition asks for firings of the alert itself.

    Raises:
        InvalidInputError: if the expression cannot be read.
    """
    try:
        selectors = selectors_of(rule.expr)
    except ValueError as error:
        raise InvalidInputError([f"the expression cannot be replayed: {error}"]) from error
    names = (
        [one.value for one in read.matchers if (one.label, one.operator) == ("alertname", "=")]
        for read in selectors
        if read.metric in _OF_ALERTS
    )
    return any(not asked or rule.name in asked for asked in names)


def main_threshold(rule: Rule) -> tuple[str, str, str] | None:
    """Return (left side, operator, number) of the first comparison of the condition; None without one."""
    import promql_parser as promql

    try:
        node = parsed(rule.expr)
    except ValueError:
        return None
    while isinstance(node, promql.ParenExpr) or (
        isinstance(node, promql.BinaryExpr) and str(node.op) in ("and", "unless")
    ):
        node = node.expr if isinstance(node, promql.ParenExpr) else node.lhs
    if not isinstance(node, promql.BinaryExpr) or str(node.op) not in ("<", ">"):
        return None
    number = node.rhs
    if not isinstance(number, promql.NumberLiteral) or f"{node.op} " not in rule.expr:
        return None
    written = [one for one in _THRESHOLD.findall(rule.expr) if float(one) == number.val]
    return (node.lhs.prettify(), str(node.op), written[0]) if written else None


def _more_events(rule: Rule) -> Iterator[Candidate]:
    counts = {most + 1 for most in least_events(rule.expr)}
    for times in MORE_EVENTS if counts else ():
        words = "; ".join(f"at least {one} to {one * times} events" for one in sorted(counts))
        more = _with_events(rule.expr, {one: one * times for one in counts})
        yield Candidate("minimum events", words, _expr(rule, more))


def _with_events(expr: str, counts: Mapping[int, int]) -> str:
    """Return ``expr`` with "at least n events" moved from each n to another one."""

    def moved(match: re.Match[str]) -> str:
        count = int(match[1]) + 1
        return f"{counts.get(count, count) - 1}.5"

    return _COUNT.sub(moved, expr)


def _longer(rule: Rule) -> Iterator[Candidate]:
    held = hold_of(rule)
    for hold in (one for one in HOLDS if one > held):
        words = f"for: {in_words(held) if held else 'none'} to {in_words(hold)}"
        yield Candidate("for", words, _held(rule, hold))


def _kept(rule: Rule) -> Iterator[Candidate]:
    kept = keep_of(rule)
    for keep in (one for one in KEEPS if one > kept):
        words = f"keep_firing_for: {in_words(kept) if kept else 'none'} to {in_words(keep)}"
        # Not sooner: what is joined to an earlier firing is no notification of its own.
        yield Candidate("keep_firing_for", words, rule.model_copy(update={"keep_firing_for": duration(keep)}))


def _grouped(rule: Rule) -> Iterator[Candidate]:
    texts = " ".join([*rule.labels.values(), *rule.annotations.values()])
    if any(f"$labels.{one}" in texts for one in INSTANCES):
        return  # its text names the instance
    labels = ", ".join(INSTANCES)
    changed = _expr(rule, f"max without ({labels}) (\n{rule.expr}\n)")
    yield Candidate("grouping", "one alert for all instances of the service", changed, sooner=True)


def _thresholds(rule: Rule, factors: Sequence[Decimal], word: str) -> Iterator[Candidate]:
    found = main_threshold(rule)
    if found is None or float(found[2]) - 0.5 in least_events(rule.expr):
        return
    _, operator, written = found
    if Decimal(written) == 0:
        return  # no factor moves it
    for factor in factors:
        value = Decimal(written) * factor if operator == ">" else Decimal(written) / factor
        yield _at(
            rule, operator, written, value, "threshold", f"threshold {written} to {plain(value)}, {word}"
        )


def _from_history(rule: Rule, derived: Sequence[Decimal]) -> Iterator[Candidate]:
    found = main_threshold(rule)
    for value in derived if found is not None else ():
        if found is not None and plain(value) != plain(Decimal(found[2])):
            words = f"threshold {found[2]} to {plain(value)}, from its values outside of incidents"
            yield _at(rule, found[1], found[2], value, "baseline", words)


def _at(rule: Rule, operator: str, written: str, value: Decimal, kind: Kind, words: str) -> Candidate:
    pattern = rf"(?<={operator} ){re.escape(written)}(?![\w.])"
    return Candidate(kind, words, _expr(rule, re.sub(pattern, plain(value), rule.expr, count=1)))


def _objective(rule: Rule, slo: Slo, *, lower: bool) -> Iterator[Candidate]:
    """Yield the rule at the neighbouring class of objective: each burn rate's threshold moves with it."""
    classes = [one for one in OBJECTIVES if (one < slo.objective if lower else one > slo.objective)]
    if not classes:
        return
    target = max(classes) if lower else min(classes)
    try:
        now = burn_windows(slo.name, slo.objective, slo.window_days)
        then = burn_windows(slo.name, target, slo.window_days)
    except InvalidInputError:
        return
    moved = {plain(a.threshold): plain(b.threshold) for a, b in zip(now, then, strict=True)}
    changed = _THRESHOLD.sub(lambda match: moved.get(match[1], match[1]), rule.expr)
    if changed != rule.expr:
        words = (
            f"burn rates as of an objective of {percent(target)} in place of {percent(slo.objective)}; "
            f"budget and other alerts keep to the old one until the SLO {slo.name} is changed, too"
        )
        yield Candidate("objective class", words, _expr(rule, changed))


def _expr(rule: Rule, expr: str) -> Rule:
    return rule.model_copy(update={"expr": expr})


def _held(rule: Rule, hold: timedelta | None) -> Rule:
    return rule.model_copy(update={"hold": duration(hold) if hold else None})

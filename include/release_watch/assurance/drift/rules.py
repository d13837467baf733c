"""Drift of rules: what was activated against what runs, in meaning.

Rules are paired first by group, name and labels, then by group and name, then by what they say in whatever
group; each live rule is paired once. What stays over on one side is missing, on the other extra.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from release_watch.assurance.drift.aspects import Aspect, differences, group_differences
from release_watch.assurance.drift.live import LiveRules, sense
from release_watch.assurance.drift.model import (
    NOBODY_NAMED,
    Drift,
    Expected,
    Group,
    RuleSet,
    WatchedRule,
    shown,
)
from release_watch.telemetry.promql_meaning import same_meaning
from release_watch.verdict import Verdict

_AGAIN = "activate the release's rules again, which takes an approval"
_MINE = "or change the SLO or service that they come from, so that the change is kept"
_GROUP_SCOPE = ("service", "environment")
"""Labels that a rule of ours keeps whatever else is edited: by them another release's rule is told apart."""


class _Pair(NamedTuple):
    expected: WatchedRule
    live: WatchedRule


def rule_drifts(expected: Expected, live: LiveRules) -> Iterator[Drift]:
    """Yield what differs between the rules of one release and those that run."""
    if not live.reloaded:
        yield _not_reloaded()
    if not expected.rule_sets:
        yield _nothing_registered()
    pairing = _Pairing(live)
    found = {one.name: pairing.pair(one) for one in expected.rule_sets}
    for one in expected.rule_sets:
        pairs, missing = found[one.name]
        drifts = [
            *_of_groups(pairs, live, expected),
            *(drift for pair in pairs for drift in _of_pair(pair, expected)),
            *(_missing(rule, expected) for rule in missing),
        ]
        yield from [_pending(one, drifts, expected)] if one.handed_over and drifts else drifts
    for rule, twin in pairing.strangers(expected):
        yield _extra(rule, twin, expected)


class _Pairing:
    """Pairs the rules of one release; a live rule that is paired is not offered again."""

    def __init__(self, live: LiveRules) -> None:
        self._live = live
        self._taken: set[int] = set()

    def pair(self, one: RuleSet) -> tuple[list[_Pair], list[WatchedRule]]:
        """Return the pairs of a rule set, and which of its rules have no live one."""
        pairs: list[_Pair] = []
        left: Sequence[WatchedRule] = one.rules
        for offer in (self._same_labels, self._same_place, self._elsewhere):
            rest = []
            for rule in left:
                other = offer(rule, one.listed_as)
                if other is None:
                    rest.append(rule)
                else:
                    self._taken.add(id(other))
                    pairs.append(_Pair(rule, other))
            left = rest
        return pairs, list(left)

    def strangers(self, expected: Expected) -> Iterator[tuple[WatchedRule, WatchedRule | None]]:
        """Yield live rules of ours that nobody activated, with the rule that they repeat if there is one."""
        own = {service.name for service in expected.services}
        twins = {sense(rule): rule for rule in expected.rules if rule.service in own}
        groups = {rule.group.name for one in expected.rule_sets for rule in one.rules}
        repeats = (other for key in twins for other in self._live.by_sense.get(key, ()))
        inside = (other for name in groups for other in self._live.by_group.get(name, ()))
        files = {one.listed_as for one in expected.rule_sets if one.listed_as}
        filed = (other for file in files for other in self._live.by_file.get(file, ()))
        given = {identity for one in expected.rule_sets for identity in one.given}
        for other in [*filed, *inside, *repeats]:
            shared = other.service is None and other.file in files and other.identity not in given
            ours = other.service in own or shared
            if ours and id(other) not in self._taken:
                self._taken.add(id(other))
                yield other, twins.get(sense(other))

    def _free(self, rules: Iterable[WatchedRule]) -> list[WatchedRule]:
        return [rule for rule in rules if id(rule) not in self._taken]

    def _same_labels(self, rule: WatchedRule, file: str | None) -> WatchedRule | None:
        same = [
            other
            for other in self._free(self._live.by_place.get((rule.group.name, rule.name), ()))
            if other.labels == rule.labels
        ]
        return _closest(rule, same, file)

    def _same_place(self, rule: WatchedRule, file: str | None) -> WatchedRule | None:
        same = [
            other
            for other in self._free(self._live.by_place.get((rule.group.name, rule.name), ()))
            if (file and other.file == file) or _same_scope(rule, other)
        ]
        return _closest(rule, same, file)

    def _elsewhere(self, rule: WatchedRule, file: str | None) -> WatchedRule | None:
        if rule.service is None:
            return None  # such as Watchdog: that of another release says the same
        same = self._free(self._live.by_sense.get(sense(rule), ()))
        return _closest(rule, same, file)


def _same_scope(rule: WatchedRule, other: WatchedRule) -> bool:
    return all(rule.labels.get(name) == other.labels.get(name) for name in _GROUP_SCOPE)


def _closest(rule: WatchedRule, same: Sequence[WatchedRule], file: str | None) -> WatchedRule | None:
    if len(same) < 2:
        return same[0] if same else None
    return min(same, key=lambda other: _distance(rule, other, file))


def _distance(rule: WatchedRule, other: WatchedRule, file: str | None) -> tuple[bool, int]:
    """Return how far two rules of one name are apart: the closest is taken for the one that was edited."""
    labels = set(rule.labels.items()) ^ set(other.labels.items())
    timing = (rule.hold != other.hold) + (rule.keep_firing != other.keep_firing)
    apart = 2 * (not same_meaning(rule.expr, other.expr)) + timing + len(labels)
    return bool(file) and other.file != file, apart


def _of_pair(pair: _Pair, expected: Expected) -> Iterator[Drift]:
    rule, other = pair
    found = differences(rule, other)
    if found:
        yield _edited(rule, found, expected)
    if other.problem:
        yield Drift(
            key=f"{_key(rule)}/fails",
            kind="muted",
            what=f"{rule.title}: its evaluation fails, so it never fires: {other.problem}",
            owner=expected.owner(rule.service),
            service=rule.service,
            verdict=Verdict.NO_GO,
            live=other.expr,
            to_do=f"see Prometheus (/rules) for the series it trips over; mend them, or {_AGAIN}",
        )


def _edited(rule: WatchedRule, found: Sequence[Aspect], expected: Expected) -> Drift:
    names = ", ".join(dict.fromkeys(one.name for one in found))
    mild = all(one.mild for one in found)
    return Drift(
        key=_key(rule),
        kind="edited",
        what=f"{rule.title} ({shown(rule.labels)}): {names} differs from what was activated",
        owner=expected.owner(rule.service),
        service=rule.service,
        verdict=Verdict.WARN if mild else Verdict.NO_GO,
        expected="\n".join(f"{one.name}: {one.expected}" for one in found if one.expected is not None),
        live="\n".join(f"{one.name}: {one.live}" for one in found if one.live is not None),
        diff="\n".join(one.diff for one in found),
        to_do=f"ask who changed it; then {_AGAIN}, {_MINE}",
    )


def _of_groups(pairs: Sequence[_Pair], live: LiveRules, expected: Expected) -> Iterator[Drift]:
    seen: set[tuple[Group, Group]] = set()
    for rule, other in pairs:
        groups = (rule.group, other.group)
        if rule.group == other.group or rule.group.name != other.group.name or groups in seen:
            continue
        seen.add(groups)
        if found := group_differences(rule.group, other.group, live.interval):
            yield Drift(
                key=f"group:{rule.group.name}",
                kind="edited",
                what=f"group {rule.group.name}: {', '.join(one.name for one in found)} differs from what was "
                "activated",
                owner=expected.owner(rule.service),
                service=rule.service,
                verdict=Verdict.NO_GO,
                diff="\n".join(one.diff for one in found),
                to_do=f"ask who changed it; then {_AGAIN}",
            )


def _missing(rule: WatchedRule, expected: Expected) -> Drift:
    return Drift(
        key=_key(rule),
        kind="missing",
        what=f"{rule.title} ({shown(rule.labels)}) is not loaded",
        owner=expected.owner(rule.service),
        service=rule.service,
        verdict=Verdict.NO_GO,
        expected=rule.expr,
        diff=f"[-{rule.expr}-]",
        to_do=f"{_AGAIN}; until then nobody is told of what it watches",
    )


def _extra(rule: WatchedRule, twin: WatchedRule | None, expected: Expected) -> Drift:
    where = f" in {rule.file}" if rule.file else ""
    repeats = f"; it repeats {twin.title}" if twin else ""
    harm = "whoever is paged is paged twice" if rule.alerting else "both write the same series"
    return Drift(
        key=f"{_key(rule)}/extra/{rule.file}",
        kind="extra",
        what=f"{rule.title} ({shown(rule.labels)}){where} was not activated{repeats}",
        owner=expected.owner(rule.service),
        service=rule.service,
        verdict=Verdict.WARN if rule.alerting or twin is None else Verdict.NO_GO,
        live=rule.expr,
        diff=f"{{+{rule.expr}+}}",
        to_do=f"remove it: {harm}" if twin else "remove it, or have it made from an SLO or service",
    )


def _pending(one: RuleSet, drifts: Sequence[Drift], expected: Expected) -> Drift:
    services = sorted({drift.service for drift in drifts if drift.service})
    return Drift(
        key=f"pending:{one.name}",
        kind="pending adoption",
        what=f"rule set {one.name}: handed over, and {len(drifts)} of its rules or groups are not live so",
        owner=expected.owner(services[0] if services else None),
        service=services[0] if len(services) == 1 else None,
        verdict=Verdict.INCONCLUSIVE,
        diff="\n".join(drift.line for drift in drifts),
        to_do="merge and synchronise the repository that the rules were handed to; until then nothing of "
        "this is watched",
    )


def _not_reloaded() -> Drift:
    return Drift(
        key="prometheus:reload",
        kind="edited",
        what="Prometheus could not read its configuration at the last reload, so it runs an older one",
        owner=NOBODY_NAMED,
        verdict=Verdict.NO_GO,
        to_do="its log says which file is broken; mend it and reload",
    )


def _nothing_registered() -> Drift:
    return Drift(
        key="rules:unregistered",
        kind="unknown",
        what="no rule file is registered for this release, so nothing can be held against the live rules",
        owner=NOBODY_NAMED,
        verdict=Verdict.INCONCLUSIVE,
        to_do=_AGAIN,
    )


def _key(rule: WatchedRule) -> str:
    labels = sha256(shown(rule.labels).encode()).hexdigest()[:8]
    return f"rule:{rule.group.name}/{rule.name}:{labels}"

"""Whether a rule is the one that was tested: when it fires, and not what it says of its release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from release_watch.slo.rulefile import Rule, RuleGroup, parse_prometheus_duration
from release_watch.telemetry.promql_meaning import same_meaning

SEVERITY = "severity"
OF_A_RELEASE = frozenset({"release", "release_id", "version"})
"""Labels that change with every release."""


def same_as_tested(one: Rule, other: Rule) -> bool:
    """Return whether two rules fire at the same times, for the same, as gravely.

    Compared: name, expression in meaning, ``for``, ``keep_firing_for``, and labels. Annotations, and labels
    that hold a release or an address, do not count.
    """
    return (
        same_alert(one, other)
        and one.labels.get(SEVERITY) == other.labels.get(SEVERITY)
        and _length(one.hold) == _length(other.hold)
        and _length(one.keep_firing_for) == _length(other.keep_firing_for)
        and (one.expr == other.expr or same_meaning(one.expr, other.expr))
    )


def same_alert(one: Rule, other: Rule) -> bool:
    """Return whether two rules are the same alert of the same service, whenever they fire."""
    return (one.alert, _lasting(one.labels)) == (other.alert, _lasting(other.labels))


def places(groups: Sequence[RuleGroup], group: str, rule: Rule) -> Iterator[tuple[int, int]]:
    """Yield where in ``groups`` (number of the group, and of the rule in it) rules are the same as tested."""
    for number, one in enumerate(groups):
        if one.name == group:
            yield from ((number, at) for at, found in enumerate(one.rules) if same_as_tested(found, rule))


def moved(rule: Rule, before: Rule, after: Rule) -> Rule:
    """Return ``rule`` with all that differs between ``before`` and ``after``, and else as it is."""
    changed = {
        name: getattr(after, name)
        for name in ("expr", "hold", "keep_firing_for")
        if getattr(before, name) != getattr(after, name)
    }
    return rule.model_copy(
        update={
            **changed,
            "labels": _moved(rule.labels, before.labels, after.labels),
            "annotations": _moved(rule.annotations, before.annotations, after.annotations),
        }
    )


def with_rule(groups: Sequence[RuleGroup], place: tuple[int, int], rule: Rule) -> list[RuleGroup]:
    """Return ``groups`` with another rule at a place."""
    number, at = place
    rules = groups[number].rules
    group = groups[number].model_copy(update={"rules": (*rules[:at], rule, *rules[at + 1 :])})
    return [*groups[:number], group, *groups[number + 1 :]]


def _moved(mine: Mapping[str, str], before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    gone = set(before) - set(after)
    new = {name: text for name, text in after.items() if before.get(name) != text}
    return {name: text for name, text in {**mine, **new}.items() if name not in gone}


def _lasting(labels: Mapping[str, str]) -> dict[str, str]:
    return {
        name: text
        for name, text in labels.items()
        if name != SEVERITY and name not in OF_A_RELEASE and "://" not in text
    }


def _length(text: str | None) -> timedelta:
    return parse_prometheus_duration(text) if text else timedelta(0)

"""Drift of the alert path: does each alert still reach its receiver, and is nothing set to mute it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from release_watch.assurance.drift.alertmanager import Fate, Inhibition, Leaf, LiveAlertmanager, Silence
from release_watch.assurance.drift.model import Drift, Expected, WatchedRule
from release_watch.slo.rules import WATCHDOG
from release_watch.verdict import Verdict

_PAGE, _TICKET = "page", "ticket"
_OF_ONE_SERVICE = frozenset({"service", "slo"})
_NAMED = 3
"""Alerts that are named where many share a fate."""


class _Alert(NamedTuple):
    rule: WatchedRule
    labels: Mapping[str, str]
    fate: Fate

    @property
    def service(self) -> str:
        return self.rule.service or ""

    @property
    def severity(self) -> str:
        return self.labels.get("severity", "")


def route_drifts(
    expected: Expected, live: LiveAlertmanager, external: Mapping[str, str] | None = None
) -> Iterator[Drift]:
    """Yield what keeps alerts of one release from people.

    Args:
        expected: what was activated.
        live: the Alertmanager.
        external: labels that Prometheus puts on every alert that it sends.

    Raises:
        ReleaseWatchError: if amtool cannot be run or refuses the configuration.
    """
    alerts = [
        _Alert(rule, labels, live.fate(labels))
        for rule in expected.rules
        if rule.alerting and rule.labels.get("severity") in (_PAGE, _TICKET)
        for labels in [_labels(rule, external or {})]
    ]
    yield from _receivers(alerts, expected, live)
    yield from _hours(alerts, expected)
    yield from _silences(alerts, expected)
    yield from _inhibitions(alerts, expected, _watchdogs(expected, live, external or {}))


def _labels(rule: WatchedRule, external: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of an alert as far as they are known before it fires."""
    known = {name: value for name, value in rule.labels.items() if "{{" not in value}
    return {**external, **known, "alertname": rule.name}


def _receivers(alerts: Sequence[_Alert], expected: Expected, live: LiveAlertmanager) -> Iterator[Drift]:
    proven = {(one.service, one.severity): one.receivers for one in expected.reached}
    alike: dict[tuple[str, str, tuple[Leaf, ...]], list[_Alert]] = defaultdict(list)
    for alert in alerts:
        alike[alert.service, alert.severity, alert.fate.leaves].append(alert)
    for (service, severity, leaves), found in alike.items():
        reached = tuple(dict.fromkeys(leaf.receiver for leaf in leaves))
        wanted = proven.get((service, severity), ())
        lost = [one for one in wanted if one not in reached]
        deaf = not any(live.integrations(one) for one in reached)
        if not lost and not deaf:
            continue
        gone = [one for one in lost if one not in live.receivers]
        routes = "; ".join(f"{leaf.path} -> {leaf.receiver}" for leaf in leaves) or "no route"
        yield Drift(
            key=f"route:{service}:{severity}:{','.join(lost) or 'nobody'}",
            kind="muted" if deaf else "missing" if gone else "edited",
            what=f"{_count(found)} of {service} ({severity}) {_way(lost, gone, reached, deaf)}",
            owner=expected.owner(service),
            service=service,
            verdict=Verdict.NO_GO,
            expected=", ".join(wanted) or "a receiver that tells somebody",
            live=", ".join(reached) or "none",
            diff=f"[-{', '.join(wanted)}-]{{+{', '.join(reached)}+}}" if lost else "",
            to_do=f"mend Alertmanager's route ({routes}), then drill the service again",
        )


def _way(lost: Sequence[str], gone: Sequence[str], reached: Sequence[str], deaf: bool) -> str:
    now = ", ".join(reached) or "no receiver"
    if deaf:
        return f"go to {now}, which tells nobody"
    if gone:
        return f"reached {', '.join(gone)}, which is no receiver any more; they go to {now}"
    return f"no longer reach {', '.join(lost)}; they go to {now}"


def _hours(alerts: Sequence[_Alert], expected: Expected) -> Iterator[Drift]:
    alike: dict[tuple[str, str, Leaf], list[_Alert]] = defaultdict(list)
    for alert in alerts:
        for leaf in alert.fate.leaves:
            if leaf.muted or leaf.active:
                alike[alert.service, alert.severity, leaf].append(alert)
    for (service, severity, leaf), found in alike.items():
        when = [f"during {name}" for name in leaf.muted] + [f"outside of {name}" for name in leaf.active]
        yield Drift(
            key=f"hours:{service}:{severity}:{leaf.path}",
            kind="muted",
            what=f"{_count(found)} of {service} ({severity}) tell nobody at {leaf.receiver} "
            f"{' and '.join(when)}",
            owner=expected.owner(service),
            service=service,
            verdict=Verdict.NO_GO if severity == _PAGE else Verdict.WARN,
            live=", ".join([*leaf.muted, *leaf.active]),
            to_do=f"take mute_time_intervals and active_time_intervals from the route {leaf.path}, or exempt "
            f"severity={severity}",
        )


def _silences(alerts: Sequence[_Alert], expected: Expected) -> Iterator[Drift]:
    by_service: dict[str, list[_Alert]] = defaultdict(list)
    for alert in alerts:
        by_service[alert.service].append(alert)
    for service, own in by_service.items():
        pages = [alert for alert in own if alert.severity == _PAGE]
        for silence in dict.fromkeys(one for alert in own for one in alert.fate.silences):
            if all(silence in alert.fate.silences for alert in own):
                yield _silenced(service, "every alert", silence, expected)
            elif pages and all(silence in alert.fate.silences for alert in pages):
                yield _silenced(service, "every page", silence, expected)


def _silenced(service: str, which: str, silence: Silence, expected: Expected) -> Drift:
    return Drift(
        key=f"silence:{silence.silence_id}:{service}",
        kind="muted",
        what=f"{which} of {service} is silenced until {silence.ends_at} by {silence.created_by} "
        f"({silence.comment!r})",
        owner=expected.owner(service),
        service=service,
        verdict=Verdict.NO_GO,
        live=f"{{{', '.join(silence.matchers)}}}",
        to_do=f"ask {silence.created_by}; then amtool silence expire {silence.silence_id}, or narrow it to "
        "the alert that is worked on",
    )


def _watchdogs(expected: Expected, live: LiveAlertmanager, external: Mapping[str, str]) -> tuple[_Alert, ...]:
    """Return the dead man's switches: they fire always, so what they inhibit is muted for good."""
    found = (rule for rule in expected.rules if rule.alerting and rule.name == WATCHDOG)
    labelled = ((rule, _labels(rule, external)) for rule in found)
    return tuple(_Alert(rule, labels, live.fate(labels)) for rule, labels in labelled)


def _inhibitions(alerts: Sequence[_Alert], expected: Expected, always: Sequence[_Alert]) -> Iterator[Drift]:
    alike: dict[tuple[Inhibition, str, str, bool], list[_Alert]] = defaultdict(list)
    for alert in alerts:
        for rule in alert.fate.targets:
            for_good = any(_mutes(rule, one, alert) for one in always)
            # A ticket that a page of its own service or SLO mutes adds nothing: so it was set up.
            if for_good or alert.severity == _PAGE or not _OF_ONE_SERVICE & set(rule.equal):
                alike[rule, alert.service, alert.severity, for_good].append(alert)
    for (rule, service, severity, for_good), found in alike.items():
        when = f"always, as {WATCHDOG} always fires" if for_good else "whenever such an alert fires"
        yield Drift(
            key=f"inhibition:{service}:{severity}:{rule}",
            kind="muted",
            what=f"{_count(found)} of {service} ({severity}) are inhibited {when}: {rule}",
            owner=expected.owner(service),
            service=service,
            verdict=Verdict.NO_GO if for_good else Verdict.WARN,
            live=str(rule),
            to_do="narrow inhibit_rules in Alertmanager's configuration: nothing mutes a page, and a page "
            "only tickets of its own SLO",
        )


def _mutes(rule: Inhibition, source: _Alert, target: _Alert) -> bool:
    equal = all(source.labels.get(name, "") == target.labels.get(name, "") for name in rule.equal)
    return equal and rule in source.fate.sources


def _count(alerts: Sequence[_Alert]) -> str:
    names = list(dict.fromkeys(alert.rule.name for alert in alerts))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"

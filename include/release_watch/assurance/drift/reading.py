"""Rules out of a rule file, and out of what a server says it runs, in one form."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import yaml

from release_watch.assurance.drift.model import Group, RuleSet, WatchedRule
from release_watch.errors import InvalidInputError
from release_watch.slo.rulefile import parse_prometheus_duration
from release_watch.telemetry.answers import get, understood
from release_watch.transport import Transport

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FAILS = "err"


def rule_set(name: str, text: str, *, listed_as: str | None = None, handed_over: bool = False) -> RuleSet:
    """Return the rule file ``text`` that was activated under ``name``.

    Raises:
        InvalidInputError: if it is no rule file.
    """
    try:
        with _uncollected():
            content = yaml.load(text, Loader=_LOADER)  # noqa: S506 - CSafeLoader, where libyaml is there
            rules = tuple(_of_file(content, listed_as or ""))
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInputError(
            [f"rule set {name}: is no rule file ({reason}); activate it again"]
        ) from error
    return RuleSet(name, rules, listed_as, handed_over)


def live_rules(transport: Transport) -> tuple[WatchedRule, ...]:
    """Return every rule that a Prometheus or a ruler runs, in its order.

    Raises:
        BackendError: if it does not answer.
    """
    body = get(transport, "Prometheus", "/api/v1/rules", {"exclude_alerts": "true"})
    with _uncollected():
        return understood("Prometheus", "rules", lambda: tuple(_of_server(body["data"]["groups"])))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage: there is none in a tree that grows, and looking costs more than reading."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _of_file(content: Any, file: str) -> Iterator[WatchedRule]:
    for given in content["groups"] or []:
        interval = given.get("interval")
        group = Group(
            str(given["name"]), _seconds(interval) if interval else None, int(given.get("limit") or 0)
        )
        common = given.get("labels") or {}
        for rule in given.get("rules") or []:
            alerting = "alert" in rule
            yield WatchedRule(
                group=group,
                name=str(rule["alert" if alerting else "record"]),
                alerting=alerting,
                expr=str(rule["expr"]),
                hold=_seconds(rule.get("for")),
                keep_firing=_seconds(rule.get("keep_firing_for")),
                labels=_filled({**common, **(rule.get("labels") or {})}),
                annotations=_filled(rule.get("annotations") or {}),
                file=file,
            )


def _of_server(groups: Any) -> Iterator[WatchedRule]:
    for given in groups:
        group = Group(given["name"], float(given.get("interval") or 0), int(given.get("limit") or 0))
        file = str(given.get("file") or "").rpartition("/")[2]
        for rule in given["rules"]:
            yield WatchedRule(
                group=group,
                name=rule["name"],
                alerting=rule["type"] == "alerting",
                expr=rule["query"],
                hold=float(rule.get("duration") or 0),
                keep_firing=float(rule.get("keepFiringFor") or 0),
                labels=_filled(rule.get("labels") or {}),
                annotations=_filled(rule.get("annotations") or {}),
                file=file,
                problem=rule.get("lastError") or "" if rule.get("health") == _FAILS else "",
            )


def _filled(pairs: Mapping[str, Any]) -> dict[str, str]:
    """Return the pairs that hold something: to Prometheus an empty label is none."""
    return {str(name): str(value) for name, value in pairs.items() if value not in (None, "")}


def _seconds(text: Any) -> float:
    if text in (None, "", 0, "0"):
        return 0.0
    return parse_prometheus_duration(str(text)).total_seconds()

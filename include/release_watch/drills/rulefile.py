"""The rule file of one alert test: all its drills, so that Prometheus reloads once for them.

A drill alert fires in a window of Prometheus' own clock, by its expression. It opens some seconds after the
reload, because Prometheus knows no Alertmanager just after one and would drop the alert; it closes by itself
if everyone who could close it has died. Moving its end resolves the alert: the rule keeps its name and
labels, and so its state.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from release_watch.clock import rfc3339
from release_watch.errors import InvalidInputError
from release_watch.slo.rulefile import Rule, RuleGroup, from_yaml, to_yaml
from release_watch.slo.rules_directory import RulesDirectory
from release_watch.telemetry.answers import get, understood
from release_watch.telemetry.prometheus_api import reload

if TYPE_CHECKING:
    from release_watch.drills.plan import DrillRoute
    from release_watch.release import Release
    from release_watch.telemetry.backends import Backends
    from release_watch.transport import Transport

SETTLE = timedelta(seconds=6)
"""Prometheus' discovery hands out Alertmanagers every 5 s (``discovery.Manager.updatert``) after a reload."""
EVALUATION = "1s"
PREFIX = "drill-"

TEST_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")


class Loaded(NamedTuple):
    """A drill rule file that is there: of which release, and when its alerts end by themselves."""

    test_id: str
    release_id: str | None
    expires_at: str | None


def new_test_id(at: datetime) -> str:
    """Return an id for one alert test, unique, in the order of time."""
    return f"{at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def alert_test_of(drill_id: str) -> str:
    """Return the alert test that a drill belongs to."""
    return drill_id.rpartition("-")[0]


def launch(
    drills: Mapping[str, DrillRoute],
    release: Release,
    test_id: str,
    backends: Backends,
    *,
    life: timedelta,
    clock: Callable[[], datetime],
) -> datetime:
    """Write and load the rules of ``drills`` (by drill id); return when they are due to fire, by ``clock``.

    Raises:
        NotConfiguredError: if the Prometheus connection is missing or names no rules directory.
        BackendError: if Prometheus does not answer or does not reload.
    """
    directory = RulesDirectory.of(backends)
    prometheus = backends.prometheus()
    with directory.locked():
        opens = server_time(prometheus) + SETTLE
        due = clock() + SETTLE
        text = drill_rules(drills, release, test_id, opens=opens, closes=opens + life)
        directory.put({PREFIX + test_id: text})
        reload(prometheus)
    return due


def drill_rules(
    drills: Mapping[str, DrillRoute], release: Release, test_id: str, *, opens: datetime, closes: datetime
) -> str:
    """Return the rule file for ``drills`` (by drill id), firing from ``opens`` until ``closes``."""
    rules = tuple(
        Rule(
            alert=route.labels["alertname"],
            expr=window(opens, closes),
            labels={name: value for name, value in labelled(route, drill_id).items() if name != "alertname"},
            annotations=words(route, drill_id, release, closes),
        )
        for drill_id, route in drills.items()
    )
    return to_yaml([RuleGroup(name=f"release-watch-drill-{test_id}", interval=EVALUATION, rules=rules)])


def labelled(route: DrillRoute, drill_id: str) -> dict[str, str]:
    """Return the labels of a drill's alert: those of the real one, and what tells it apart."""
    return {**route.labels, "drill": "true", "drill_id": drill_id}


def words(
    route: DrillRoute, drill_id: str, release: Release, closes: datetime, *, asks: bool = True
) -> dict[str, str]:
    """Return the annotations of a drill's alert, which people read, and by which a sweep knows its owner.

    ``alertname`` is the alert's name for Alerta, which would take alerts of one name for one alert.
    """
    asked = asks and route.severity == "page"
    please = "Please acknowledge it as you would a real one." if asked else "Nothing to do."
    return {
        "alertname": f"DRILL {drill_id} {route.labels['alertname']}",
        "summary": f"DRILL: test of the alert path of {route.service}. Nothing is broken.",
        "description": (
            f"DRILL {drill_id}: Release Watch tests whether a {route.severity} for {route.service} reaches "
            f"you after release {release.release_id}. {please}"
        ),
        "release_id": release.release_id,
        "expires_at": rfc3339(closes),
    }


def window(opens: datetime, closes: datetime) -> str:
    """Return the expression that has a sample from ``opens`` until ``closes``."""
    return f"vector(time()) >= {opens.timestamp():.3f} < {closes.timestamp():.3f}"


def server_time(prometheus: Transport) -> datetime:
    """Return Prometheus' own time; its rules know no other.

    Raises:
        BackendError: if Prometheus does not answer the query ``time()``.
    """
    body = get(prometheus, "Prometheus", "/api/v1/query", {"query": "time()"})
    return understood(
        "Prometheus",
        "the query time()",
        lambda: datetime.fromtimestamp(float(body["data"]["result"][1]), UTC),
    )


def close(test_id: str, backends: Backends) -> None:
    """Let the alerts of a drill file end once Prometheus knows its Alertmanagers again.

    A file that is missing was closed before; that is no error.

    Raises:
        NotConfiguredError: if the Prometheus connection is missing or names no rules directory.
        BackendError: if Prometheus does not answer or does not reload.
    """
    directory = RulesDirectory.of(backends)
    prometheus = backends.prometheus()
    with directory.locked():
        groups = _groups(directory, test_id)
        if not groups:
            return
        ends = server_time(prometheus) + SETTLE
        closing = [
            group.model_copy(update={"rules": tuple(_ending(rule, ends) for rule in group.rules)})
            for group in groups
        ]
        directory.put({PREFIX + test_id: to_yaml(closing)})
        reload(prometheus)


def loaded(backends: Backends) -> list[Loaded]:
    """Return every drill rule file there is, oldest first; files of other names are none of ours."""
    directory = RulesDirectory.of(backends)
    found = []
    for name in directory.names(PREFIX):
        test_id = name.removeprefix(PREFIX)
        if TEST_ID.fullmatch(test_id):
            rules = [rule for group in _groups(directory, test_id) for rule in group.rules]
            notes = rules[0].annotations if rules else {}
            found.append(Loaded(test_id, notes.get("release_id"), notes.get("expires_at")))
    return found


def remove(tests: Iterable[str], backends: Backends) -> None:
    """Remove drill rule files and have Prometheus forget them; nothing to remove is no reload.

    Raises:
        NotConfiguredError: if the Prometheus connection is missing or names no rules directory.
        BackendError: if Prometheus does not reload; the files are gone all the same.
    """
    directory = RulesDirectory.of(backends)
    with directory.locked():
        there = [test_id for test_id in tests if directory.read(PREFIX + test_id) is not None]
        if there:
            directory.put({PREFIX + test_id: None for test_id in there})
            reload(backends.prometheus())


def _ending(rule: Rule, ends: datetime) -> Rule:
    opens = rule.expr.partition(" < ")[0]
    return rule.model_copy(update={"expr": f"{opens} < {ends.timestamp():.3f}"})


def _groups(directory: RulesDirectory, test_id: str) -> list[RuleGroup]:
    try:
        return from_yaml(directory.read(PREFIX + test_id) or "")
    except (OSError, ValueError, InvalidInputError):
        return []  # half-written or gone: there is nothing to end, and a sweep removes it

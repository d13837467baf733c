"""What is live, read once for all releases: the inputs of the comparison, and how they are had.

Each part is read by itself: one that cannot be had is :class:`Away` with the reason, and hides no other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from release_watch.assurance.drift.alertmanager import LiveAlertmanager, read_alertmanager
from release_watch.assurance.drift.model import WatchedRule
from release_watch.assurance.drift.reading import live_rules
from release_watch.assurance.drift.scraping_config import LiveScraping, read_scraping
from release_watch.dashboards.grafana_api import Grafana
from release_watch.errors import BackendError, ReleaseWatchError
from release_watch.slo.targets.choice import server_of
from release_watch.slo.targets.target import RuleServer
from release_watch.telemetry import prometheus_api
from release_watch.telemetry.backends import Backends

PartT = TypeVar("PartT")
_Sense = tuple[str, frozenset[tuple[str, str]]]


class Away(NamedTuple):
    """Something could not be looked at, and why."""

    reason: str


class LiveRules:
    """The rules that a server runs, indexed, so that one list serves any number of releases.

    Args:
        rules: all of them, in any order.
        reloaded: whether the server could read its configuration the last time it was told to.
        interval: seconds between evaluations of a group that says nothing of it; None where unknown.
    """

    def __init__(
        self, rules: Iterable[WatchedRule], *, reloaded: bool = True, interval: float | None = None
    ) -> None:
        self.reloaded = reloaded
        self.interval = interval
        self.by_place: dict[tuple[str, str], list[WatchedRule]] = defaultdict(list)
        self.by_sense: dict[_Sense, list[WatchedRule]] = defaultdict(list)
        self.by_file: dict[str, list[WatchedRule]] = defaultdict(list)
        self.by_group: dict[str, list[WatchedRule]] = defaultdict(list)
        self.count = 0
        for rule in rules:
            self.count += 1
            self.by_place[rule.group.name, rule.name].append(rule)
            self.by_sense[sense(rule)].append(rule)
            self.by_file[rule.file].append(rule)
            self.by_group[rule.group.name].append(rule)


class LiveDashboards(NamedTuple):
    """Dashboards by uid: the JSON, None for one that is not there, Away for one that is not given.

    ``saved`` tells by whom and when each was saved last, where Grafana says so.
    """

    boards: Mapping[str, Mapping[str, Any] | Away | None]
    saved: Mapping[str, str] = {}


class Live(NamedTuple):
    """Everything that is live, at ``at``. ``scraping`` is None for a ruler, which scrapes nothing."""

    at: datetime
    rules: LiveRules | Away
    scraping: LiveScraping | Away | None
    alertmanager: LiveAlertmanager | Away
    dashboards: LiveDashboards | Away


def sense(rule: WatchedRule) -> _Sense:
    """Return what two rules that say the same have in common, in whatever group they are."""
    return rule.name, frozenset(rule.labels.items())


def read_live(
    backends: Backends,
    at: datetime,
    *,
    dashboards: Collection[str] = (),
    silences_told: Callable[[], Any] | None = None,
) -> Live:
    """Return what is live. Nothing is changed; the number of requests does not grow with rules or releases.

    Args:
        backends: the servers of one environment.
        at: now.
        dashboards: uids of the dashboards of all releases; one request each.
        silences_told: gives Alertmanager's answer about silences, where it is read already.
    """
    server = _had(lambda: server_of(backends))
    if isinstance(server, Away):
        scraping: LiveScraping | Away | None = server
        rules: LiveRules | Away = server
    else:
        found = server
        scraping = _had(lambda: read_scraping(found.transport)) if found.manages_itself else None
        interval = scraping.evaluation_interval if isinstance(scraping, LiveScraping) else None
        rules = _had(lambda: _rules(found, interval))
    alertmanager = _had(lambda: read_alertmanager(backends.alertmanager(), backends.amtool(), silences_told))
    boards = _had(lambda: _dashboards(backends, dashboards)) if dashboards else LiveDashboards({})
    return Live(at, rules, scraping, alertmanager, boards)


def _had(read: Callable[[], PartT]) -> PartT | Away:
    try:
        return read()
    except ReleaseWatchError as error:
        return Away(str(error) or type(error).__name__)


def _rules(server: RuleServer, interval: float | None) -> LiveRules:
    reloaded = not server.manages_itself or prometheus_api.reload_succeeded(server.transport)
    return LiveRules(live_rules(server.transport), reloaded=reloaded, interval=interval)


def _dashboards(backends: Backends, uids: Collection[str]) -> LiveDashboards:
    grafana = Grafana(backends.grafana())
    found: dict[str, Mapping[str, Any] | Away | None] = {}
    saved: dict[str, str] = {}
    for uid in sorted(set(uids)):
        try:
            shown = grafana.shown(uid)
            found[uid], saved[uid] = shown.model, shown.saved
        except BackendError as error:
            if error.status is None or error.status >= 500:
                raise
            found[uid] = None if error.status == 404 else Away(str(error))
    return LiveDashboards(found, saved)

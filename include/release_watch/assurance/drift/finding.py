"""The drift of one release: everything that was activated held against everything that is live."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from release_watch.assurance.drift.alertmanager import LiveAlertmanager
from release_watch.assurance.drift.boards import board_drifts
from release_watch.assurance.drift.live import Away, Live
from release_watch.assurance.drift.model import NOBODY_NAMED, Drift, Expected
from release_watch.assurance.drift.rotation import rotation_drifts
from release_watch.assurance.drift.routes import route_drifts
from release_watch.assurance.drift.rules import rule_drifts
from release_watch.assurance.drift.scraping import scraping_drifts
from release_watch.assurance.drift.scraping_config import LiveScraping
from release_watch.errors import ReleaseWatchError
from release_watch.verdict import Verdict


def drift_of(expected: Expected, live: Live) -> tuple[Drift, ...]:
    """Return everything that drifted for one release; nothing only if all of it could be looked at.

    Changes nothing and asks no server: ``live`` is read before, once for any number of releases; only amtool
    is run. ``since`` is left open (:func:`~release_watch.assurance.drift.since.carried`).
    """
    return tuple(
        _each_with_its_key(
            (
                *_rules(expected, live),
                *_scraping(expected, live),
                *_routes(expected, live),
                *_dashboards(expected, live),
                *(rotation_drifts(expected.oncall, live.at, expected.users) if expected.oncall else ()),
            )
        )
    )


def _each_with_its_key(drifts: Iterable[Drift]) -> Iterator[Drift]:
    """Yield the drifts; those that have one key, such as a rule that is loaded thrice, with a number."""
    seen: Counter[str] = Counter()
    for one in drifts:
        seen[one.key] += 1
        number = seen[one.key]
        yield one if number == 1 else one.model_copy(update={"key": f"{one.key}#{number}"})


def _rules(expected: Expected, live: Live) -> Iterator[Drift]:
    if isinstance(live.rules, Away):
        yield unlooked("rules", live.rules)
    else:
        yield from rule_drifts(expected, live.rules)


def _scraping(expected: Expected, live: Live) -> Iterator[Drift]:
    if isinstance(live.scraping, Away):
        yield unlooked("scraping and retention", live.scraping)
    elif live.scraping is not None:
        yield from scraping_drifts(expected, live.scraping)


def _routes(expected: Expected, live: Live) -> Iterator[Drift]:
    if isinstance(live.alertmanager, Away):
        yield unlooked("routes and silences", live.alertmanager)
        return
    external = live.scraping.external_labels if isinstance(live.scraping, LiveScraping) else {}
    yield from _routed(expected, live.alertmanager, dict(external))


def _routed(expected: Expected, alertmanager: LiveAlertmanager, external: dict[str, str]) -> list[Drift]:
    try:
        return list(route_drifts(expected, alertmanager, external))
    except ReleaseWatchError as error:
        return [unlooked("routes and silences", Away(str(error)))]


def _dashboards(expected: Expected, live: Live) -> Iterator[Drift]:
    if isinstance(live.dashboards, Away):
        if expected.dashboards:
            yield unlooked("dashboards", live.dashboards)
    else:
        yield from board_drifts(expected.dashboards, live.dashboards)


def unlooked(what: str, away: Away) -> Drift:
    """Return that something could not be looked at, which is never the same as no drift."""
    return Drift(
        key=f"unknown:{what}",
        kind="unknown",
        what=f"{what} cannot be looked at, so whether they drifted is not known: {away.reason}",
        owner=NOBODY_NAMED,
        verdict=Verdict.INCONCLUSIVE,
        to_do="see that the server runs and its connection is right, then look again",
    )

"""Why the query of a panel gives nothing: series that do not exist, or nothing to show yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from release_watch.artifacts.models import CoverageStatus
from release_watch.clock import now
from release_watch.coverage.bulk import Bulk
from release_watch.coverage.counts import Count, Counts
from release_watch.coverage.explanations import Why, explain
from release_watch.dashboards.models import PanelState
from release_watch.telemetry.metrics import Metrics
from release_watch.telemetry.promql import SeriesSelector, selectors_of

_RECORDED = "slo:"
_OF_PROMETHEUS = ("ALERTS", "ALERTS_FOR_STATE")
_LOOK_BACK_SECONDS = 300
_LOAD = "see that the alert rules are loaded and evaluated (Prometheus: /rules), then look again"
_WAIT = "look again once there is traffic"


class Silence(NamedTuple):
    """Why there is no answer, and what to do about it."""

    state: PanelState
    words: str = ""
    remedy: str = ""


def why_silent(queries: Sequence[str], found: Mapping[str, int], metrics: Metrics) -> dict[str, Silence]:
    """Return why each of these queries gave no number; all of them are looked into together.

    Args:
        queries: what the server takes and gave no number for.
        found: how many samples each gave that are no number.
        metrics: the server.

    Raises:
        BackendError: if the server does not answer.
    """
    selectors = {query: _selectors(query) for query in queries}
    everything = {one for known in selectors.values() for one in known or ()}
    counts = Counts(Bulk(metrics, now()))
    counts.ask(_recent(one) for one in everything)
    missing = [one for one in everything if not counts.found(_recent(one))]
    # What rules record is not looked for under other names: either the rules run, or they do not.
    whys = explain((one for one in sorted(missing, key=str) if not _is_recorded(one)), counts)
    return {query: _silence(query, selectors[query], found, frozenset(missing), whys) for query in queries}


def _silence(
    query: str,
    selectors: Sequence[SeriesSelector] | None,
    found: Mapping[str, int],
    missing: frozenset[SeriesSelector],
    whys: Mapping[SeriesSelector, Why],
) -> Silence:
    if selectors is None:
        words = "it gives nothing, and the parser here cannot tell which series it reads"
        return Silence("missing", words, "write it in plain PromQL, or ask the server by hand")
    absent = [one for one in selectors if one in missing]
    if recorded := [one for one in absent if _is_recorded(one)]:
        names = ", ".join(sorted({one.metric for one in recorded}))
        return Silence("missing", f"the rules have not recorded {names} yet, or are not loaded", _LOAD)
    for one in absent:
        if whys[one].status is not CoverageStatus.PASS:
            return Silence("missing", whys[one].words, whys[one].remedy or "")
    if absent:
        return Silence("quiet", "; ".join(dict.fromkeys(whys[one].words for one in absent)), _WAIT)
    if found.get(query):
        words = "all series are there, but the result is no number: nothing happened in the window"
        return Silence("quiet", words, _WAIT)
    return Silence("quiet", "all series are there, but nothing happened in the window", _WAIT)


def _selectors(query: str) -> tuple[SeriesSelector, ...] | None:
    try:
        found = selectors_of(query)
    except ValueError:
        return None
    return tuple(dict.fromkeys(one.bare for one in found if one.metric not in _OF_PROMETHEUS))


def _recent(selector: SeriesSelector) -> Count:
    return Count(selector, seconds=_LOOK_BACK_SECONDS)


def _is_recorded(selector: SeriesSelector) -> bool:
    return selector.metric.startswith(_RECORDED)

"""The nightly drill: one alert path of a service, in turn, from Alertmanager to its receivers.

A night makes at most ``drill.per_night`` drills. The services come in turn too: those first whose last
nightly drill failed (half of a night at most), then those that wait longest. N services take N / per_night
nights, and at most twice as many while drills fail.

It is the direct kind and asks nobody to answer, so that nobody is woken where the receiver is this package's
own; other receivers tell people of it, and quiet hours hold it back. It proves that the path of a real alert
is still open; that a person answers in time is proven by the drill after each deployment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from release_watch.artifacts.models import AlertTestResults, DrillResult
from release_watch.clock import in_words, rfc3339
from release_watch.drills.cadence import NEVER, tonight
from release_watch.drills.direct import fire_direct
from release_watch.drills.drill import conclude
from release_watch.drills.manners import active_drills, held_back, holding, past_times
from release_watch.drills.plan import drill_routes, live_routing
from release_watch.errors import InvalidInputError
from release_watch.slo.rulefile import from_yaml
from release_watch.verdict import Objective, Verdict

if TYPE_CHECKING:
    from release_watch.assurance.registry import ActiveRelease
    from release_watch.catalog.config import Config
    from release_watch.drills.drill import Clock, Pause
    from release_watch.drills.history import DrillHistory, PastDrill
    from release_watch.drills.plan import DrillRoute
    from release_watch.drills.receipts import Records
    from release_watch.release import Release
    from release_watch.telemetry.backends import Backends

LONGEST_WITHOUT = timedelta(days=7)
"""A service whose drills were held back for longer than this, or than its turn takes with one night to spare,
needs a person to make room for one."""
MOST_READ = 10_000
"""So many past drills tell what was proven since then."""


class DrillRecords(NamedTuple):
    """What the receivers of an environment recorded, and its past drills."""

    receivers: Records
    history: DrillHistory


class Drilled(NamedTuple):
    """The results of the night's drills in one environment, and what they say of each service."""

    results: AlertTestResults
    objectives: Mapping[str, Objective]


def drill_in_turn(
    active: Sequence[ActiveRelease],
    backends: Backends,
    config: Config,
    at: datetime,
    records: DrillRecords,
    *,
    clock: Clock | None = None,
    pause: Pause | None = None,
) -> Drilled | None:
    """Drill one alert path of the services of ``active`` whose turn it is; None without a service.

    All of them are of one environment. A service whose turn is later has an objective too: what its last
    drill proved.

    Raises:
        NotConfiguredError: without a connection to Alertmanager.
        BackendError: if a server does not answer. No drill is left behind.
    """
    services = [name for entry in active for name in entry.services]
    if not services:
        return None
    release = _night(active[0].release, services, at)
    policy = config.policies.drill
    timed = {name: value for name, value in (("clock", clock), ("pause", pause)) if value is not None}
    routes, unknown = _routes(active, release, backends, config)
    receivers = {name for route in routes for name in route.expected}
    times, under_way = past_times(records.history, receivers, policy, at), active_drills(backends, at)

    def held(route: DrillRoute) -> str | None:
        return held_back(route.expected, at, policy, times, under_way)

    turns = _turns(active, services, records.history, policy.per_night, at)
    waiting = tonight(routes, records.history, kind="direct", held_back=held)
    waiting = _in_order(waiting, routes, turns, policy.per_night)
    chosen = _chosen(waiting, held, holding(at, policy, times, under_way), policy.per_night)
    fired = fire_direct(
        chosen,
        release,
        backends,
        records.receivers,
        deliver_within=policy.deliver_within,
        hold=holding(at, policy, times, under_way),
        asks=False,
        **timed,  # type: ignore[arg-type]  # of the two, what a test gave
    )
    results = conclude(
        fired,
        {},
        release,
        backends,
        records.receivers,
        acknowledge_within=policy.acknowledge_within,
        **timed,  # type: ignore[arg-type]
    )
    records.history.add(results)
    objectives = dict(_objectives(fired, results, turns, at))
    later = (route.service for route in waiting if route.service not in objectives)
    told = objectives | {service: _not_tonight(service, turns, at) for service in later}
    return Drilled(results, told | unknown)


_Hold = Callable[["DrillRoute"], str | None]


class _Turns(NamedTuple):
    """What the services' turns were: their last drills of late, and when they were registered.

    ``failed`` are those whose last nightly drill did not succeed, ``nights`` how many nights it takes until
    each service had its turn, ``longest`` how long one may go without.
    """

    last: Mapping[str, PastDrill]
    nightly: Mapping[str, PastDrill]
    registered: Mapping[str, datetime]
    history: DrillHistory
    nights: int
    longest: timedelta
    failed: frozenset[str]

    def before(self, service: str) -> str:
        """Return the id of a service's last nightly drill; ids are in the order of time."""
        drill = self.nightly.get(service)
        return drill.drill_id if drill else NEVER

    def since(self, service: str) -> datetime:
        """Return when a service was drilled last, or registered where it was not."""
        last = self.last.get(service)
        past = [last] if last else self.history.recent(service=service, limit=1)
        return max([self.registered[service], *(drill.at for drill in past)])


def _turns(
    active: Sequence[ActiveRelease],
    services: Sequence[str],
    history: DrillHistory,
    per_night: int,
    at: datetime,
) -> _Turns:
    nights = -(-len(set(services)) // per_night)
    longest = max(LONGEST_WITHOUT, (nights + 1) * timedelta(days=1))
    oldest_first = history.recent(limit=MOST_READ, since=at - longest)[::-1]
    nightly = {drill.service: drill for drill in oldest_first if drill.kind == "direct"}
    return _Turns(
        {drill.service: drill for drill in oldest_first},
        nightly,
        {name: entry.registered_at for entry in active for name in entry.services},
        history,
        nights,
        longest,
        frozenset(service for service, drill in nightly.items() if not drill.verdict.proceeds),
    )


def _in_order(
    waiting: Sequence[DrillRoute], routes: Sequence[DrillRoute], turns: _Turns, most: int
) -> list[DrillRoute]:
    """Return the routes in the order of their turns: what failed first, but for half of the night at most."""
    again = _again(routes, turns)
    in_turn = sorted(waiting, key=lambda route: turns.before(route.service))
    failed = [again.get(route.service, route) for route in in_turn if route.service in turns.failed]
    others = [route for route in in_turn if route.service not in turns.failed]
    half = -(-most // 2)
    return [*failed[:half], *others, *failed[half:]]


def _again(routes: Sequence[DrillRoute], turns: _Turns) -> dict[str, DrillRoute]:
    """Return the path on which the last nightly drill of a service failed, where it is still there."""
    failed = {service: turns.nightly[service] for service in turns.failed}
    return {
        route.service: route
        for route in routes
        if (drill := failed.get(route.service)) is not None
        and (route.severity, route.way.route) == (drill.severity, drill.route)
    }


def _chosen(waiting: Sequence[DrillRoute], held: _Hold, full: _Hold, most: int) -> list[DrillRoute]:
    """Return the routes of tonight: at most so many to be drilled, and those that say why they cannot be.

    ``held`` says what holds a route back whatever else is drilled tonight, ``full`` that those before it
    reached the limit of a receiver, so that its turn is another night.
    """
    chosen, drills = [], 0
    for route in waiting:
        if route.obstacle is not None or held(route) is not None:
            chosen.append(route)
        elif drills < most and full(route) is None:
            chosen.append(route)
            drills += 1
    return chosen


def _night(release: Release, services: Sequence[str], at: datetime) -> Release:
    """Return the release whose drills these are: the night's own, as a release's own may be under way."""
    name = f"nightly-{at:%Y%m%dT%H%M%SZ}"
    update = {"release_id": name, "deployment_id": name, "services": tuple(dict.fromkeys(services))}
    return release.model_copy(update=update)


def _routes(
    active: Sequence[ActiveRelease], release: Release, backends: Backends, config: Config
) -> tuple[list[DrillRoute], dict[str, Objective]]:
    """Return the routes of all releases, and why those of some services are not known."""
    live = live_routing(backends)
    known = {service.name: service for service in config.catalog.services}
    routes: list[DrillRoute] = []
    unknown: dict[str, Objective] = {}
    for entry in active:
        try:
            rules = [group for text in entry.rules.values() for group in from_yaml(text)]
            if gone := [name for name in entry.services if name not in known]:
                config.catalog.select(gone)
        except InvalidInputError as error:
            reason = f"not drilled: {error}; activate the rules of {entry.release.release_id} again"
            unknown |= {name: _objective(name, Verdict.INCONCLUSIVE, reason) for name in entry.services}
            continue
        services = [known[name] for name in entry.services]
        own = release.model_copy(update={"services": entry.services})
        routes += drill_routes(own, services, rules, backends, live)
    return routes, unknown


def _objectives(
    fired: Sequence[DrillResult], results: AlertTestResults, turns: _Turns, at: datetime
) -> Iterator[tuple[str, Objective]]:
    judged = {drill.drill_id: drill for drill in results.drills}
    for planned in fired:
        drill = judged.get(planned.drill_id, planned)
        if drill.hops.fired.at is not None or drill.verdict is Verdict.NO_GO:
            reason = drill.diagnosis or f"{drill.severity} reached {drill.receiver} {_after(drill)}"
            yield drill.service, _objective(drill.service, drill.verdict, reason)
            continue
        since = turns.since(drill.service)
        overdue = at - since > turns.longest
        reason = f"not drilled: {drill.diagnosis or 'no reason is known'}"
        if overdue:
            reason += f" It was last proven at {rfc3339(since)}, {in_words(at - since)} ago."
        verdict = Verdict.INCONCLUSIVE if overdue else Verdict.WARN
        yield drill.service, _objective(drill.service, verdict, reason)


def _not_tonight(service: str, turns: _Turns, at: datetime) -> Objective:
    """Return what is known of a service whose turn comes another night."""
    since, last = turns.since(service), turns.last.get(service)
    turn = f"its turn comes within {turns.nights} nights"
    drill = turns.nightly[service] if service in turns.failed else last
    if drill is not None and not drill.verdict.proceeds:
        reason = f"the drill of {rfc3339(drill.at)} ({drill.drill_id}) did not succeed; {turn}"
        return _objective(service, drill.verdict, reason)
    if at - since > turns.longest:
        reason = f"not drilled for {in_words(at - since)}, since {rfc3339(since)}"
        reason += "; raise drill.per_night or per_receiver"
        return _objective(service, Verdict.INCONCLUSIVE, reason)
    if last is None:
        return _objective(service, Verdict.WARN, f"never drilled since {rfc3339(since)}; {turn}")
    return _objective(service, Verdict.GO, f"drilled at {rfc3339(last.at)} ({last.drill_id}); {turn}")


def _objective(service: str, verdict: Verdict, reason: str) -> Objective:
    return Objective(name=f"alert path of {service}", verdict=verdict, reason=reason)


def _after(drill: DrillResult) -> str:
    return f"after {drill.hops.delivered.latency:.1f} s (drill {drill.drill_id})"

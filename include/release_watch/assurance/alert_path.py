"""The nightly drill: of every service one alert path, in turn, from Alertmanager to its receivers.

It is the direct kind and asks nobody to answer, so that nobody is woken where the receiver is this package's
own; other receivers tell people of it, and quiet hours hold it back. It proves that the path of a real alert
is still open; that a person answers in time is proven by the drill after each deployment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from release_watch.artifacts.models import AlertTestResults, DrillResult
from release_watch.clock import in_words, rfc3339
from release_watch.drills.cadence import tonight
from release_watch.drills.direct import fire_direct
from release_watch.drills.drill import conclude
from release_watch.drills.manners import active_drills, held_back, holding, past_times
from release_watch.drills.plan import drill_routes
from release_watch.slo.rulefile import from_yaml
from release_watch.verdict import Objective, Verdict

if TYPE_CHECKING:
    from release_watch.assurance.registry import ActiveRelease
    from release_watch.catalog.config import Config
    from release_watch.drills.drill import Clock, Pause
    from release_watch.drills.history import DrillHistory
    from release_watch.drills.plan import DrillRoute
    from release_watch.drills.receipts import Records
    from release_watch.release import Release
    from release_watch.telemetry.backends import Backends

LONGEST_WITHOUT = timedelta(days=7)
"""A service whose drills were held back for longer than this needs a person to make room for one."""


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
    """Drill one alert path of every service of ``active``, all of one environment; None without a service.

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
    routes = list(_routes(active, release, backends, config))
    receivers = {name for route in routes for name in route.expected}
    times, under_way = past_times(records.history, receivers, policy, at), active_drills(backends, at)
    chosen = tonight(
        routes,
        records.history,
        kind="direct",
        held_back=lambda route: held_back(route.expected, at, policy, times, under_way),
    )
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
    registered = {name: entry.registered_at for entry in active for name in entry.services}
    return Drilled(results, dict(_objectives(fired, results, registered, records.history, at)))


def _night(release: Release, services: Sequence[str], at: datetime) -> Release:
    """Return the release whose drills these are: the night's own, as a release's own may be under way."""
    name = f"nightly-{at:%Y%m%dT%H%M%SZ}"
    update = {"release_id": name, "deployment_id": name, "services": tuple(dict.fromkeys(services))}
    return release.model_copy(update=update)


def _routes(
    active: Sequence[ActiveRelease], release: Release, backends: Backends, config: Config
) -> Iterator[DrillRoute]:
    for entry in active:
        rules = [group for text in entry.rules.values() for group in from_yaml(text)]
        services = config.catalog.select(entry.services)
        yield from drill_routes(
            release.model_copy(update={"services": entry.services}), services, rules, backends
        )


def _objectives(
    fired: Sequence[DrillResult],
    results: AlertTestResults,
    registered: Mapping[str, datetime],
    history: DrillHistory,
    at: datetime,
) -> Iterator[tuple[str, Objective]]:
    judged = {drill.drill_id: drill for drill in results.drills}
    for planned in fired:
        drill = judged.get(planned.drill_id, planned)
        name = f"alert path of {drill.service}"
        if drill.hops.fired.at is not None or drill.verdict is Verdict.NO_GO:
            reason = drill.diagnosis or f"{drill.severity} reached {drill.receiver} {_after(drill)}"
            yield drill.service, Objective(name=name, verdict=drill.verdict, reason=reason)
            continue
        last = max((past.at for past in history.recent(service=drill.service, limit=1)), default=None)
        since = max(moment for moment in (last, registered[drill.service]) if moment is not None)
        overdue = at - since > LONGEST_WITHOUT
        reason = f"not drilled: {drill.diagnosis or 'no reason is known'}"
        if overdue:
            reason += f" It was last proven at {rfc3339(since)}, {in_words(at - since)} ago."
        verdict = Verdict.INCONCLUSIVE if overdue else Verdict.WARN
        yield drill.service, Objective(name=name, verdict=verdict, reason=reason)


def _after(drill: DrillResult) -> str:
    return f"after {drill.hops.delivered.latency:.1f} s (drill {drill.drill_id})"

"""Whether a drill may page people now: one at a time for a receiver, not too many, not in quiet hours.

All three are looked at, and the one that holds longest decides until when. A person may force a drill against
quiet hours and the limit, and is named in the evidence; nobody can force two drills at once for one receiver,
as neither would prove anything. A drill that is held back is INCONCLUSIVE with the reason: never GO, because
nothing was proven, and never NO_GO, because nothing was found broken. So Gate 2 does not pass until it was
made up for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from release_watch.catalog.nearest import Known
from release_watch.clock import in_words, rfc3339
from release_watch.drills import alertmanager, rulefile
from release_watch.drills.routing import Routing
from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.slo.rulefile import from_yaml
from release_watch.slo.rules_directory import RulesDirectory

if TYPE_CHECKING:
    from release_watch.catalog.oncall import OnCall
    from release_watch.catalog.policies import DrillPolicy
    from release_watch.drills.history import DrillHistory
    from release_watch.drills.plan import DrillRoute
    from release_watch.telemetry.backends import Backends

Times = Mapping[str, Sequence[datetime]]
"""When drills were fired, by the name of the receiver they went to, in any order."""


class ActiveDrill(NamedTuple):
    """A drill that is under way; without ``receivers`` it is not known where it goes: it may be anywhere."""

    drill_id: str
    receivers: tuple[str, ...]
    ends_at: datetime


class HeldBack(NamedTuple):
    """Why a drill may not be fired, when it first may be, and whether a person can force it before."""

    reason: str
    until: datetime
    can_be_forced: bool


def held_back(
    route_receivers: Sequence[str],
    at: datetime,
    policy: DrillPolicy,
    history: Times,
    active: Iterable[ActiveDrill],
    forced: bool = False,
) -> str | None:
    """Return why a drill to these receivers may not be fired at ``at``, None if it may; see :func:`hold`."""
    found = hold(route_receivers, at, policy, history, active, forced=forced)
    return None if found is None else found.reason


def hold(
    receivers: Sequence[str],
    at: datetime,
    policy: DrillPolicy,
    history: Times,
    active: Iterable[ActiveDrill],
    *,
    forced: bool = False,
) -> HeldBack | None:
    """Return what holds back a drill to ``receivers`` at ``at``, None if nothing does.

    ``until`` is the first moment at which none of the manners holds it back any more, as far as is known: a
    drill that is under way may end before its time.
    """
    taken = list(_taken(receivers, at, active))
    often = [] if forced else list(_often(receivers, at, policy, history))
    quiet = None if forced or policy.quiet_hours is None else policy.quiet_hours.end(at)
    if not taken and not often and quiet is None:
        return None
    told = [words for words, _ in (*taken, *often)]
    if quiet is not None:
        told.append(f"Quiet hours ({policy.quiet_hours}) hold until {rfc3339(quiet)}.")
    ends = [moment for _, moment in taken]
    until = _free(receivers, max([at, *ends]), policy, history, forced)
    force = (
        "or when that drill is over; nobody can force two drills at once."
        if taken
        else "or have a person force it now: a Yes to the alert test's question while it is quiet, or "
        "--forced-by of workflow_automation.py."
    )
    told.append(f"Nobody was paged. Drill again from {rfc3339(until)} on, {force}")
    return HeldBack(" ".join(told), until, can_be_forced=not taken)


def holding(
    at: datetime,
    policy: DrillPolicy,
    history: Times,
    active: Sequence[ActiveDrill],
    *,
    forced: bool = False,
) -> Callable[[DrillRoute], str | None]:
    """Return the question that ``fire`` and ``fire_direct`` ask about each route, as their ``hold``.

    Every route that it lets pass counts as a drill from then on, so ask it only about what is to be fired.
    """
    times = {name: list(moments) for name, moments in history.items()}

    def ask(route: DrillRoute) -> str | None:
        reason = held_back(route.expected, at, policy, times, active, forced)
        if reason is None:
            for name in route.expected:
                times.setdefault(name, []).append(at)
        return reason

    return ask


def rounds(routes: Sequence[DrillRoute]) -> list[list[DrillRoute]]:
    """Return the routes in rounds, each to be concluded before the next: no receiver is twice in a round.

    Their order is kept within a round, and every route comes as early as it can.
    """
    found: list[tuple[list[DrillRoute], set[str]]] = []
    for route in routes:
        free = next((one for one in found if one[1].isdisjoint(route.expected)), None)
        if free is None:
            free = ([], set())
            found.append(free)
        free[0].append(route)
        free[1].update(route.expected)
    return [together for together, _ in found]


def named_forcer(forced_by: str | None, oncall: OnCall) -> str | None:
    """Return the user who forces a drill; None if nobody does.

    Raises:
        InvalidInputError: if it is nobody whom oncall.yaml knows.
    """
    if forced_by is None:
        return None
    user = forced_by.strip()
    if oncall.person(user) is None:
        known = Known(one.user for rotation in oncall.roles.values() for one in rotation.everyone)
        words = f"is nobody in oncall.yaml; a drill is forced by a person{known.hint(user)}"
        raise InvalidInputError([f"forced_by: {user!r} {words}"])
    return user


def past_times(
    history: DrillHistory, receivers: Iterable[str], policy: DrillPolicy, at: datetime
) -> dict[str, list[datetime]]:
    """Return when each receiver had its drills, as far back as the limit looks."""
    return {name: _past(history, name, policy, at - policy.every) for name in sorted(set(receivers))}


def active_drills(backends: Backends, at: datetime, *, own_release: str | None = None) -> list[ActiveDrill]:
    """Return the drills that are under way: those Alertmanager holds, and those whose rules are still there.

    What the sweep at the start of an alert test of ``own_release`` ends is not under way.

    Raises:
        NotConfiguredError: without a connection to Alertmanager.
        BackendError: if Alertmanager does not answer.
    """
    found = []
    for alert in alertmanager.alerts(backends.alertmanager(), [alertmanager.DRILL_FILTER]):
        ends = _end(alert.annotations.get("release_id"), alert.annotations.get("expires_at"), own_release, at)
        if ends is not None:
            found.append(ActiveDrill(alert.labels.get("drill_id", "without an id"), alert.receivers, ends))
    accepted = {drill.drill_id for drill in found}
    return [*found, *_by_rules(backends, at, own_release, accepted)]


def _past(history: DrillHistory, receiver: str, policy: DrillPolicy, since: datetime) -> list[datetime]:
    limit = policy.per_receiver
    while True:  # each drill is a file to read, and those that were held back are among them
        drills = history.recent(receiver=receiver, limit=limit, since=since)
        times = [drill.at for drill in drills if drill.fired]
        if len(drills) < limit or len(times) >= policy.per_receiver:
            return times
        limit *= 2


def _taken(
    receivers: Sequence[str], at: datetime, active: Iterable[ActiveDrill]
) -> Iterator[tuple[str, datetime]]:
    for drill in active:
        shared = [name for name in receivers if name in drill.receivers]
        if drill.ends_at > at and (shared or not drill.receivers):
            where = f"at receiver {', '.join(shared)}" if shared else "and it is not known where it goes"
            words = (
                f"Drill {drill.drill_id} is under way {where}, at the latest until {rfc3339(drill.ends_at)}."
            )
            yield words, drill.ends_at


def _often(
    receivers: Sequence[str], at: datetime, policy: DrillPolicy, history: Times
) -> Iterator[tuple[str, datetime]]:
    for name in receivers:
        counted = sorted(moment for moment in history.get(name, ()) if moment > at - policy.every)
        if len(counted) >= policy.per_receiver:
            free = counted[-policy.per_receiver] + policy.every
            words = (
                f"Receiver {name} had {len(counted)} drills within {in_words(policy.every)}; it gets at most "
                f"{policy.per_receiver} (drill.per_receiver in policies.yaml), so none until {rfc3339(free)}."
            )
            yield words, free


def _free(
    receivers: Sequence[str], moment: datetime, policy: DrillPolicy, history: Times, forced: bool
) -> datetime:
    """Return the first moment, from ``moment`` on, that is neither quiet nor within the limit's reach."""
    while not forced:
        quiet = policy.quiet_hours.end(moment) if policy.quiet_hours else None
        free = [until for _, until in _often(receivers, moment, policy, history)]
        later = max([moment, *free, *([quiet] if quiet else [])])
        if later == moment:
            break
        moment = later
    return moment


def _end(owner: str | None, expires_at: str | None, own_release: str | None, at: datetime) -> datetime | None:
    """Return when a drill ends by itself; None for one that a sweep ends first."""
    try:
        ends = datetime.fromisoformat(expires_at or "")
    except ValueError:
        return None
    left = ends.tzinfo is None or ends < at or (own_release is not None and owner == own_release)
    return None if left else ends


def _by_rules(
    backends: Backends, at: datetime, own_release: str | None, accepted: Set[str]
) -> Iterator[ActiveDrill]:
    folder = backends.rules_directory()
    if folder is None or not folder.is_dir():
        return  # no rules, so only drills that were posted to Alertmanager
    directory, routing = RulesDirectory(folder), None
    for test in rulefile.loaded(backends):
        ends = _end(test.release_id, test.expires_at, own_release, at)
        if ends is None:
            continue
        for labels in _labels(directory, test.test_id):
            if labels.get("drill_id") in accepted:
                continue
            try:
                routing = routing or Routing(
                    alertmanager.live_configuration(backends.alertmanager()), backends.amtool()
                )
                receivers = routing.way(labels).receivers
            except ReleaseWatchError:
                receivers = ()
            yield ActiveDrill(labels.get("drill_id", test.test_id), receivers, ends)


def _labels(directory: RulesDirectory, test_id: str) -> list[dict[str, str]]:
    try:
        groups = from_yaml(directory.read(rulefile.PREFIX + test_id) or "")
    except (OSError, ValueError, InvalidInputError):
        return []  # gone since, as its drill is over
    return [{**rule.labels, "alertname": rule.alert or ""} for group in groups for rule in group.rules]

"""What was activated for a release, out of the registry and the release's own artifacts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from release_watch.artifacts.models import AlertTestResults, DrillResult
from release_watch.artifacts.store import ArtifactStore
from release_watch.assurance.drift.kept_boards import Kept
from release_watch.assurance.drift.model import Board, Expected, Reached, RuleSet
from release_watch.assurance.drift.reading import rule_set
from release_watch.assurance.registry import ActiveRelease
from release_watch.catalog.config import Config
from release_watch.errors import ReleaseWatchError
from release_watch.slo.targets.choice import target_of
from release_watch.slo.targets.target import RuleTarget
from release_watch.telemetry.backends import Backends
from release_watch.verdict import Verdict

ALERT_TESTS = "alert-test-results.json"
_GITOPS = "gitops"


def expected_of(
    entry: ActiveRelease,
    config: Config,
    *,
    target: RuleTarget | None = None,
    drills: Sequence[DrillResult] = (),
    models: Mapping[str, Kept] | None = None,
    users: Collection[str] | None = None,
) -> Expected:
    """Return what was activated for a release, without what a later one has taken over.

    Args:
        entry: the registered release.
        config: the catalogue and the rotation.
        target: where its rules were put, to know their files and what waits to be adopted; None where that
            cannot be asked.
        drills: those of the release, that proved which receivers its alerts reach.
        models: what is kept of its dashboards by uid (``kept_boards``); nothing if it is not looked for.
        users: who can sign in; None where that is not known.

    Raises:
        InvalidInputError: if a service left the catalogue, or what was registered is no rule file.
    """
    kept = models or {}
    return Expected(
        release_id=entry.release.release_id,
        environment=entry.release.environment,
        services=config.catalog.select(entry.services),
        rule_sets=tuple(_owned(name, text, entry, target) for name, text in entry.rules.items()),
        dashboards=tuple(Board(one.uid, one.title, kept.get(one.uid)) for one in entry.dashboards),
        reached=tuple(_reached(drills)),
        oncall=config.oncall,
        users=None if users is None else frozenset(users),
    )


def target_where_known(backends: Backends) -> RuleTarget | None:
    """Return where rules are put, or None where nothing is configured that says so."""
    try:
        return target_of(backends)
    except ReleaseWatchError:
        return None


def drills_of(store: ArtifactStore) -> tuple[DrillResult, ...]:
    """Return the drills of a release; none where it has no record of any.

    Raises:
        InvalidInputError: if the record was damaged.
    """
    if not store.exists(ALERT_TESTS):
        return ()
    return tuple(store.read_model(ALERT_TESTS, AlertTestResults).drills)


def _owned(name: str, text: str, entry: ActiveRelease, target: RuleTarget | None) -> RuleSet:
    listed_as = target.listed_as(name) if target else None
    one = rule_set(name, text, listed_as=listed_as)
    one = one._replace(
        handed_over=_lies_there(one, target), given=frozenset(rule.identity for rule in one.rules)
    )
    if set(entry.services) == set(entry.release.services):
        return one
    owned = set(entry.services)
    groups: dict[str, set[str]] = {}
    for rule in one.rules:
        groups.setdefault(rule.group.name, set()).update({rule.service} if rule.service else ())
    ours = {group for group, services in groups.items() if services and services <= owned}
    return one._replace(rules=tuple(rule for rule in one.rules if rule.group.name in ours))


def _lies_there(one: RuleSet, target: RuleTarget | None) -> bool:
    """Return whether the rule set was handed over, and lies where it was handed over as it was activated."""
    text = target.read(one.name) if target is not None and target.kind == _GITOPS else None
    return text is not None and rule_set(one.name, text).rules == one.rules


def _reached(drills: Sequence[DrillResult]) -> list[Reached]:
    found = []
    for drill in drills:
        receivers = drill.receivers or ((drill.receiver,) if drill.receiver else ())
        if drill.verdict is Verdict.GO and receivers:
            services = dict.fromkeys([drill.service, *drill.stands_for])
            found += [Reached(service, drill.severity, receivers) for service in services]
    return found

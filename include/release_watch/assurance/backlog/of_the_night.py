"""What a night adds to the backlog of its environment, and what it looked at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from release_watch.artifacts.models import AlertTestResults, InstrumentationAudit
from release_watch.assurance.backlog.items import (
    BacklogItem,
    backlog_items,
    improvement,
    in_order,
    items_of_path,
)
from release_watch.assurance.backlog.scope import KNOWN, Scope, scope_of
from release_watch.assurance.backlog.unanswered import Unanswered, answered, silent_signals, unanswered
from release_watch.assurance.correlation import Correlation
from release_watch.assurance.drift import Drift
from release_watch.assurance.drift.model import Kind
from release_watch.assurance.nightly import NightReport, ReleaseNight
from release_watch.assurance.schedule import CHECKS, Check
from release_watch.catalog.config import Config
from release_watch.verdict import Objective, Verdict

TOLD_ELSEWHERE = frozenset({"coverage", "alert_paths", "incidents", "drift"})
"""Checks whose artifacts say more than their objectives, and name causes as the releases' own runs do."""

MOST_TOLD = 3
RULES_ARE: dict[Kind, str] = {
    "edited": "are live with another meaning than activated",
    "missing": "that were activated are not loaded",
    "extra": "are loaded that were not activated",
    "muted": "fail, so that they never fire",
}


def night_items(
    report: NightReport,
    audit: InstrumentationAudit | None,
    drilled: AlertTestResults | None,
    correlation: Correlation | None,
    config: Config,
) -> list[BacklogItem]:
    """Return what the night found to be improved, gravest first, each cause once."""
    owners = {service.name: service.owner for service in config.catalog.services}
    together = [one for one in unanswered(report) if one.check not in TOLD_ELSEWHERE]
    told = {(one.check, one.reason) for one in together}
    found = [item for night in report.releases for item in _of_release(night, owners, told)]
    silent = [*_of_checks(together), *_of_signals(report, audit)]
    drifted = [item for night in report.releases for item in _of_drifts(night)]
    of_artifacts = backlog_items(answered(audit), drilled, None, correlation, config)
    return in_order([*found, *silent, *drifted, *of_artifacts])


def night_scope(
    report: NightReport,
    audit: InstrumentationAudit | None,
    drilled: AlertTestResults | None,
    correlation: Correlation | None,
) -> Scope:
    """Return what the night looked at: a check that was inconclusive for one release closes nothing.

    Of alert paths those that were drilled tonight, as a night drills only some, and of coverage the services
    that could be audited.
    """
    services = {service for night in report.releases for service in night.services}
    known = scope_of(services, audit, drilled, None, correlation)
    checked = {
        _kind(check) for check in CHECKS if all(_conclusive(night, check) for night in report.releases)
    }
    looked_at = all(night.checks for night in report.releases)
    if looked_at and all(drift.kind != "unknown" for night in report.releases for drift in night.drift):
        checked.add("drift")
    drills = drilled.drills if drilled else ()
    silent = {name for names in silent_signals(audit).values() for name in names}
    return Scope(
        known.kinds | checked,
        known.services,
        drilled=frozenset(drill.service for drill in drills),
        paths=frozenset(name for drill in drills for name in items_of_path(drill)),
        audited=frozenset(one.service for one in audit.services if one.service not in silent)
        if audit
        else frozenset(),
    )


def _of_checks(together: Iterable[Unanswered]) -> Iterator[BacklogItem]:
    """Yield one item for all that a check of an environment could not tell: a server was away."""
    checks = {check.name: check for check in CHECKS}
    for one in together:
        check, more = checks[one.check], len(one.names) - MOST_TOLD
        names = [*one.names[:MOST_TOLD], *([f"and {more} more"] if more > 0 else [])]
        yield improvement(
            _kind(check),
            "",
            f"{one.environment}/no answer",
            title=f"{check.name}: cannot be told",
            evidence=f"nightly assurance: {', '.join(names)}: {one.reason}",
            priority="medium" if check.advisory else "high",
            owners={"": check.role},
        )


def _of_signals(report: NightReport, audit: InstrumentationAudit | None) -> Iterator[BacklogItem]:
    check = next(check for check in CHECKS if check.name == "coverage")
    environment = next((night.environment for night in report.releases), "")
    for signal, services in silent_signals(audit).items():
        more = len(services) - MOST_TOLD
        names = [*services[:MOST_TOLD], *([f"and {more} more"] if more > 0 else [])]
        yield improvement(
            _kind(check),
            "",
            f"{environment}/{signal.value}: no answer",
            title=f"coverage: no backend answers for {signal.value}",
            evidence=f"nightly assurance: not known of {', '.join(names)}; the report names the server",
            priority="high",
            owners={"": check.role},
        )


def _of_release(
    night: ReleaseNight, owners: Mapping[str, str], told: Collection[tuple[str, str]] = ()
) -> Iterator[BacklogItem]:
    """Yield an item for each objective that failed, but for those that were ``told`` with others."""
    for check in CHECKS:
        if check.name in TOLD_ELSEWHERE:
            continue
        for objective in _failed(night, check):
            if objective.verdict is Verdict.INCONCLUSIVE and (check.name, objective.reason) in told:
                continue
            service = _service_of(objective, night.services)
            yield improvement(
                _kind(check),
                service,
                f"{night.environment}/{objective.name}",
                title=f"{objective.name}: {check.words} does not hold",
                evidence=f"nightly assurance: {objective.reason}",
                priority="medium" if check.advisory else "high",
                owners={**owners, "": check.role},
            )


def _of_drifts(night: ReleaseNight) -> Iterator[BacklogItem]:
    """Yield an item for each drift, but one for all rules of a service that drifted alike.

    One edit of a file, or one release over an older one, changes many rules: that is one cause to mend.
    """
    rules: dict[tuple[str, Kind], list[Drift]] = defaultdict(list)
    for drift in night.drift:
        if drift.area == "rule":
            rules[drift.service or "", drift.kind].append(drift)
        else:
            yield _of_drift(night, [drift], drift.key, drift.line)
    for (service, kind), drifts in rules.items():
        title = f"{service or 'no service'}: rules {RULES_ARE.get(kind, kind)}"
        yield _of_drift(night, drifts, f"rules/{kind}", title)


def _of_drift(night: ReleaseNight, drifts: Sequence[Drift], subject: str, title: str) -> BacklogItem:
    first, more = drifts[0], len(drifts) - MOST_TOLD
    told = [drift.what for drift in drifts[:MOST_TOLD] if drift.line != title]
    rest = [f"and {more} more, each with its diff in the night's assurance-report.json"] if more > 0 else []
    return improvement(
        "drift",
        first.service or "",
        f"{night.environment}/{subject}",
        title=title,
        evidence=f"nightly assurance: {'; '.join([*told, *rest, first.to_do])}",
        priority="medium" if all(drift.verdict.proceeds for drift in drifts) else "high",
        owners={first.service or "": first.owner},
    )


def _failed(night: ReleaseNight, check: Check) -> list[Objective]:
    names = set(night.checks.get(check.name, ()))
    return [o for o in night.decision.failures if o.name in names]


def _conclusive(night: ReleaseNight, check: Check) -> bool:
    names = set(night.checks.get(check.name, ()))
    judged = [o.verdict for o in night.decision.objectives if o.name in names]
    return bool(judged) and all(verdict in KNOWN for verdict in judged)


def _service_of(objective: Objective, services: Sequence[str]) -> str:
    """Return the service that an objective names, empty if it names none of them."""
    return next((name for name in services if name in objective.name.split()), "")


def _kind(check: Check) -> str:
    return f"night-{check.name}"

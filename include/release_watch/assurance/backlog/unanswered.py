"""What a night could not ask: a server that is away is one cause, however many services depend on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from release_watch.artifacts.models import CoverageStatus, InstrumentationAudit, Signal, SignalAudit
from release_watch.assurance.nightly import NightReport
from release_watch.verdict import Verdict

BACKEND = "backend"
"""The coverage check that says that a signal's server did not answer."""
FEW = 2
"""From so many on that have no answer for one reason, they are told together."""


class Unanswered(NamedTuple):
    """The objectives of a check that had no answer for one reason."""

    environment: str
    check: str
    reason: str
    names: tuple[str, ...]


def unanswered(report: NightReport) -> Iterator[Unanswered]:
    """Yield what several objectives of a check, of any releases, have no answer for."""
    found: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    for night in report.releases:
        of = {name: check for check, names in night.checks.items() for name in names}
        for objective in night.decision.failures:
            if objective.verdict is Verdict.INCONCLUSIVE and objective.name in of:
                found[night.environment, of[objective.name], objective.reason][objective.name] = None
    for (environment, check, reason), names in found.items():
        if len(names) >= FEW:
            yield Unanswered(environment, check, reason, tuple(names))


def silent_signals(audit: InstrumentationAudit | None) -> dict[Signal, tuple[str, ...]]:
    """Return the signals whose backends did not answer for several services, with these."""
    found: dict[Signal, list[str]] = defaultdict(list)
    for service in audit.services if audit else ():
        for signal, checked in service.signals.items():
            if _is_silent(checked):
                found[signal].append(service.service)
    return {signal: tuple(names) for signal, names in found.items() if len(names) >= FEW}


def answered(audit: InstrumentationAudit | None) -> InstrumentationAudit | None:
    """Return the audit without what :func:`silent_signals` tells of."""
    if audit is None:
        return None
    silent = silent_signals(audit)
    services = tuple(
        service.model_copy(
            update={
                "signals": {
                    signal: checked
                    for signal, checked in service.signals.items()
                    if service.service not in silent.get(signal, ())
                }
            }
        )
        for service in audit.services
    )
    return audit.model_copy(update={"services": services})


def _is_silent(checked: SignalAudit) -> bool:
    names = {check.name for check in checked.checks}
    return checked.status is CoverageStatus.INCONCLUSIVE and names == {BACKEND}

"""The rules of the Instrumentation Score, and how their answers become a score.

After the specification of https://github.com/instrumentation-score/spec (version 0.1, as of 9 April 2026):
its rules, its impact levels, its formula. No rule of our own is among them, as it demands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeVar

from release_watch.artifacts.models import (
    CoverageStatus,
    InstrumentationRule,
    InstrumentationScore,
    Signal,
)
from release_watch.catalog.models import Service
from release_watch.coverage.conventions import VERSION_LABELS
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.release import Release

Impact = Literal["critical", "important", "normal", "low"]
SeenT = TypeVar("SeenT")

WEIGHTS: Mapping[Impact, int] = MappingProxyType({"critical": 40, "important": 30, "normal": 20, "low": 10})
"""Of the specification's section Rules."""

IMPACTS: Mapping[str, Impact] = MappingProxyType(
    {
        "RES-001": "normal",
        "RES-002": "important",
        "RES-003": "important",
        "RES-004": "important",
        "RES-005": "critical",
        "SPA-001": "normal",
        "SPA-002": "normal",
        "SPA-003": "important",
        "SPA-004": "important",
        "SPA-005": "important",
        "LOG-001": "important",
        "LOG-002": "important",
        "MET-001": "important",
        "MET-002": "important",
        "MET-003": "important",
        "MET-004": "normal",
        "MET-005": "normal",
        "MET-006": "important",
        "SDK-001": "low",
    }
)
"""Every rule of the specification's folder ``rules``."""


class RuleAnswer(NamedTuple):
    """What became of one rule for one service."""

    status: CoverageStatus
    observed: str
    query: str | None = None
    remedy: str | None = None


class Unknown(NamedTuple):
    """Telemetry that could not be looked at, why, and what would change that."""

    reason: str
    remedy: str


Answers = dict[str, RuleAnswer]


def met(observed: str, query: str | None = None) -> RuleAnswer:
    """Return that the telemetry proves a rule to be kept."""
    return RuleAnswer(CoverageStatus.PASS, observed, query)


def broken(observed: str, query: str | None, remedy: str) -> RuleAnswer:
    """Return that the telemetry proves a rule to be broken, and how to mend it."""
    return RuleAnswer(CoverageStatus.FAIL, observed, query, remedy)


def untold(observed: str, query: str | None = None, remedy: str | None = None) -> RuleAnswer:
    """Return that a rule could not be evaluated; it does not count in the score."""
    return RuleAnswer(CoverageStatus.INCONCLUSIVE, observed, query, remedy)


def unlooked(unknown: Unknown, *rules: str) -> Answers:
    """Return these rules as not evaluated, because their telemetry could not be looked at."""
    return {rule: untold(unknown.reason, remedy=unknown.remedy) for rule in rules}


def scored(answers: Mapping[str, RuleAnswer]) -> InstrumentationScore:
    """Return every rule of the specification with its answer, and the score over those evaluated.

    ``sum(P_i * W_i) / sum(T_i * W_i) * 100`` over the impact levels, ``T_i`` the rules of a level that were
    evaluated, ``P_i`` those kept, ``W_i`` the weight of the level (section Score Calculation Formula).
    """
    rules = tuple(
        InstrumentationRule(rule_id=rule, impact=impact, **answers[rule]._asdict())
        for rule, impact in IMPACTS.items()
    )
    total = sum(WEIGHTS[rule.impact] for rule in rules if rule.status is not CoverageStatus.INCONCLUSIVE)
    kept = sum(WEIGHTS[rule.impact] for rule in rules if rule.status is CoverageStatus.PASS)
    return InstrumentationScore(score=round(100 * kept / total, 2) if total else None, rules=rules)


def asked(
    signal: Signal, services: Sequence[Service], ask: Callable[[Sequence[Service]], Mapping[str, SeenT]]
) -> dict[str, SeenT | Unknown]:
    """Return what ``ask`` saw of each service, asking once for all the services of one connection.

    Where a signal is not mapped, or its server is not configured or does not answer, that is said instead.
    """
    found: dict[str, SeenT | Unknown] = {}
    by_connection: dict[str, list[Service]] = defaultdict(list)
    for service in services:
        mapped = getattr(service.signals, signal)
        if mapped is None:
            remedy = f"give services.{service.name}.signals.{signal} in services.yaml its selector"
            found[service.name] = Unknown(f"no selector of its {signal}", remedy)
        else:
            by_connection[mapped.connection].append(service)
    for connection, together in by_connection.items():
        try:
            found |= ask(together)
        except NotConfiguredError as error:
            unknown = Unknown(f"no connection {error.conn_id}", str(error))
        except BackendError as error:
            unknown = Unknown(str(error), f"see that the server behind connection {connection} runs")
        else:
            continue
        found |= dict.fromkeys((service.name for service in together), unknown)
    return found


def of_release(labels: Mapping[str, str], service: str, release: Release) -> bool:
    """Return whether telemetry with these labels may be the release's: old versions are not judged."""
    named = {labels[name] for name in VERSION_LABELS if labels.get(name)}
    return service not in release.services or not named or release.version in named


def a_few(names: Sequence[str], most: int = 3) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

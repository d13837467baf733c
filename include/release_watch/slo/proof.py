"""Waiting until rules are live: loaded, equal in meaning, able to be evaluated, and an Alertmanager known."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from release_watch.clock import in_words
from release_watch.slo.readback import ReadBack, compare, try_out
from release_watch.slo.rulefile import RuleGroup
from release_watch.slo.targets.target import RuleServer, RuleTarget
from release_watch.telemetry import prometheus_api

POLL_SECONDS = 0.5
SLOW_POLL_SECONDS = 5.0
"""For what others bring into force: it takes minutes, and listing rules is work for a large server."""


class Proof(NamedTuple):
    """What reading back found; ``final`` if it will not mend by waiting."""

    problems: tuple[str, ...] = ()
    final: bool = False


def await_live(groups: Sequence[RuleGroup], target: RuleTarget, name: str, timeout: timedelta) -> Proof:
    """Wait for the rules of a set, and then for an Alertmanager: after a reload none is known for seconds.

    Raises:
        BackendError: if the server does not answer.
    """
    waits = max(timeout, target.patience)
    deadline = time.monotonic() + waits.total_seconds()
    while (proof := _rules_proof(groups, target, name)).problems and not proof.final:
        if time.monotonic() >= deadline:
            return Proof((*proof.problems, f"waited {in_words(waits)}; {_hint(target, name)}"))
        time.sleep(_pause(target, deadline))
    if proof.problems:
        return proof
    while target.server.manages_itself and not alertmanagers(target.server):
        if time.monotonic() >= deadline:
            return Proof(("Prometheus sends alerts to no Alertmanager; see 'alerting' in prometheus.yml",))
        time.sleep(_pause(target, deadline))
    return _of(compare(groups, target.server, target.listed_as(name)), target)


def _rules_proof(groups: Sequence[RuleGroup], target: RuleTarget, name: str) -> Proof:
    found = compare(groups, target.server, target.listed_as(name))
    proof = _of(found, target)
    if proof.problems:
        return proof
    failed = try_out(found.untried, target.server.metrics)
    return Proof(tuple(failed), final=bool(failed))


def _of(found: ReadBack, target: RuleTarget) -> Proof:
    """Return what was found; where rules come into force later, another version may be the former one."""
    if found.wrong or (found.different and not target.patience):
        return Proof((*found.wrong, *found.different), final=True)
    return Proof((*found.refused, *found.missing, *found.different))


def _pause(target: RuleTarget, deadline: float) -> float:
    """Return how long to wait before asking again, and never past the deadline by more than a moment."""
    pause = SLOW_POLL_SECONDS if target.patience else POLL_SECONDS
    return min(pause, max(POLL_SECONDS, deadline - time.monotonic()))


def _hint(target: RuleTarget, name: str) -> str:
    if target.kind == "ruler":
        return f"does the ruler evaluate this tenant's rules? They are stored in {target.place(name)}"
    if target.kind == "gitops":
        return f"{target.place(name)} is written: commit, merge and sync it, and read the rules back then"
    return f"does rule_files in prometheus.yml match {target.listed_as(name)}?"


def alertmanagers(server: RuleServer) -> tuple[str, ...]:
    """Return where the server sends alerts; nothing where it does not tell."""
    return tuple(prometheus_api.alertmanagers(server.transport)) if server.manages_itself else ()

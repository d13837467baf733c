"""Putting rules into force in a live Prometheus: all of them proven to run, or everything as it was."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from release_watch.clock import Timestamp, in_words, now
from release_watch.errors import BackendError, ReleaseWatchError
from release_watch.slo.promtool import check_rules
from release_watch.slo.readback import ReadBack, compare, read_back
from release_watch.slo.rulefile import RuleGroup, from_yaml, parse_prometheus_duration, to_yaml
from release_watch.slo.rules_directory import RulesDirectory
from release_watch.telemetry import prometheus_api
from release_watch.telemetry.backends import Backends

__all__ = ["Activation", "ActivationError", "activate", "deactivate", "read_back"]

POLL_SECONDS = 0.5
_RANGE = re.compile(r"\[(\d+[smhdwy](?:\d+[smhdwy])*)[\]:]")


class ActivationError(ReleaseWatchError):
    """Rules could not be put into force; the rules that ran before run again."""

    def __init__(self, file: Path, problems: Sequence[str], restored: str) -> None:
        self.problems = tuple(problems)
        listed = "".join(f"\n- {problem}" for problem in problems)
        super().__init__(f"The rules in {file.name} are not in force.{listed}\n{restored}")


class Activation(BaseModel):
    """Rules in force. ``problems`` are warnings: what is wrong around rules that do run."""

    model_config = ConfigDict(frozen=True)

    file: str
    groups: int
    rules: int
    activated_at: Timestamp
    replaced: bool
    superseded: tuple[str, ...] = ()
    alertmanagers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def activate(
    text: str, name: str, backends: Backends, *, timeout: timedelta, supersedes: Sequence[str] = ()
) -> Activation:
    """Put the rule file ``text`` into force under ``name``, in place of what had that name.

    Checked by promtool, written whole, loaded, and read back. If anything fails, the former files are put
    back and loaded.

    Args:
        text: a rule file.
        name: name of the rule set (:func:`release_watch.slo.rules.rule_set_name`).
        backends: Prometheus, its rules folder and promtool.
        timeout: how long to wait until the rules are loaded and an Alertmanager is known.
        supersedes: rule sets of earlier releases; their groups for the services of this one are taken away,
            a set without any group left is removed.

    Raises:
        InvalidInputError: if promtool refuses the rules; nothing was written.
        NotConfiguredError: if a connection, or the rules folder, is missing; nothing was written.
        ActivationError: if Prometheus does not run the rules; the former ones run.
        BackendError: if Prometheus does not answer.
    """
    check_rules(text, backends.promtool())
    groups = from_yaml(text)
    directory = RulesDirectory.of(backends)
    path = directory.path(name)
    with directory.locked():
        changes = {**_superseded(directory, name, groups, supersedes), name: text}
        former = {one: directory.read(one) for one in changes}
        try:
            directory.put(changes)
            prometheus_api.reload(backends.prometheus())
            problems = _await(groups, path.name, backends, timeout)
        except BaseException as error:
            restored = _restore(directory, former, backends)
            if isinstance(error, BackendError):
                raise ActivationError(path, [str(error)], restored) from error
            raise
        if problems:
            raise ActivationError(path, problems, _restore(directory, former, backends))
    return Activation(
        file=str(path),
        groups=len(groups),
        rules=sum(len(group.rules) for group in groups),
        activated_at=now(),
        replaced=former[name] is not None,
        superseded=tuple(one for one in changes if one != name),
        alertmanagers=tuple(prometheus_api.alertmanagers(backends.prometheus())),
        problems=_retention_warnings(groups, backends),
    )


def deactivate(name: str, backends: Backends) -> None:
    """Take a rule set out of force; one that is not there is no error.

    Raises:
        NotConfiguredError: if a connection, or the rules folder, is missing.
        BackendError: if Prometheus does not reload.
    """
    directory = RulesDirectory.of(backends)
    with directory.locked():
        if directory.read(name) is None:
            return
        directory.put({name: None})
        prometheus_api.reload(backends.prometheus())


def _superseded(
    directory: RulesDirectory, name: str, groups: Sequence[RuleGroup], supersedes: Sequence[str]
) -> dict[str, str | None]:
    taken = {service for group in groups for service in group.services}
    changes: dict[str, str | None] = {}
    for earlier in supersedes:
        text = directory.read(earlier)
        if earlier == name or text is None:
            continue
        kept = [group for group in from_yaml(text) if group.services and not group.services & taken]
        changes[earlier] = to_yaml(kept) if kept else None
    return changes


def _await(groups: Sequence[RuleGroup], file_name: str, backends: Backends, timeout: timedelta) -> list[str]:
    """Wait for rules and Alertmanager; after a reload the list of Alertmanagers is empty for seconds."""
    deadline = time.monotonic() + timeout.total_seconds()
    while True:
        state = _state(groups, file_name, backends)
        if state.wrong or not state.missing:
            return [*state.wrong, *state.missing]
        if time.monotonic() >= deadline:
            waited = f"waited {in_words(timeout)}; does rule_files in prometheus.yml match {file_name}?"
            return [*state.missing, waited]
        time.sleep(POLL_SECONDS)


def _state(groups: Sequence[RuleGroup], file_name: str, backends: Backends) -> ReadBack:
    found = compare(groups, backends, file_name)
    if found.wrong or found.missing or prometheus_api.alertmanagers(backends.prometheus()):
        return found
    return ReadBack(missing=("Prometheus sends alerts to no Alertmanager; see 'alerting' in prometheus.yml",))


def _restore(directory: RulesDirectory, former: dict[str, str | None], backends: Backends) -> str:
    try:
        directory.put(former)
        prometheus_api.reload(backends.prometheus())
    except (BackendError, OSError) as error:
        return f"The former files are written again, but were not loaded: {error}"
    return "The former rules are in force again."


def _retention_warnings(groups: Sequence[RuleGroup], backends: Backends) -> tuple[str, ...]:
    spans = [
        parse_prometheus_duration(span)
        for group in groups
        for rule in group.rules
        for span in _RANGE.findall(rule.expr)
    ]
    longest = max(spans, default=timedelta(0))
    kept = prometheus_api.retention(backends.prometheus())
    if kept is None or kept >= longest:
        return ()
    return (
        f"Prometheus keeps samples for {in_words(kept)}, but rules look back {in_words(longest)}: what is "
        "older is missing in them. Raise --storage.tsdb.retention.time.",
    )

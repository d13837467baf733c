"""Putting rules into force in a live server: all of them proven to run, or everything as it was."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from release_watch.clock import Timestamp, in_words, now
from release_watch.errors import BackendError, InvalidInputError, ReleaseWatchError
from release_watch.slo.change import Change, heal, plan
from release_watch.slo.lint import errors, lint
from release_watch.slo.lint.linting import SCRAPE_INTERVAL
from release_watch.slo.ownership import RuleOwner
from release_watch.slo.promtool import check_rules
from release_watch.slo.proof import alertmanagers, await_live
from release_watch.slo.readback import read_back
from release_watch.slo.rulefile import RuleGroup, from_yaml, parse_prometheus_duration
from release_watch.slo.targets.choice import target_of
from release_watch.slo.targets.target import Kind, RuleServer, RuleTarget
from release_watch.telemetry import prometheus_api
from release_watch.telemetry.backends import Backends, ToolMissingError

__all__ = ["Activation", "ActivationError", "RuleOwner", "activate", "deactivate", "read_back"]

_RANGE = re.compile(r"\[(\d+[smhdwy](?:\d+[smhdwy])*)[\]:]")


class ActivationError(ReleaseWatchError):
    """Rules could not be put into force; the rules that ran before run again."""

    def __init__(self, place: str, problems: Sequence[str], restored: str) -> None:
        self.problems = tuple(problems)
        listed = "".join(f"\n- {problem}" for problem in problems)
        super().__init__(f"The rules in {place.rpartition('/')[2]} are not in force.{listed}\n{restored}")


class Activation(BaseModel):
    """What became of the rules. ``problems`` are warnings: what is wrong around rules that do run.

    ``state`` is ``pending adoption`` if the rules were handed over and are not live yet; nothing may be
    taken for watched then. ``yielded`` are services that a later release owns and this one left to it,
    ``superseded`` rule sets of earlier releases that lost services, ``healed`` rule sets that an activation
    which was cut off had left unproven, and that were put back first.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    groups: int
    rules: int
    activated_at: Timestamp
    replaced: bool
    superseded: tuple[str, ...] = ()
    alertmanagers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    target: Kind = "directory"
    state: Literal["active", "pending adoption"] = "active"
    yielded: tuple[str, ...] = ()
    healed: tuple[str, ...] = ()
    lint: tuple[str, ...] = ()

    @property
    def live(self) -> bool:
        """Whether the rules were seen running; only then may anything be taken for watched."""
        return self.state == "active"


class _NotLiveError(Exception):
    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__()
        self.problems = problems


def activate(
    text: str,
    name: str,
    backends: Backends,
    *,
    timeout: timedelta,
    supersedes: Sequence[str] = (),
    owner: RuleOwner | None = None,
) -> Activation:
    """Put the rule file ``text`` into force under ``name``, in place of what had that name.

    Checked by promtool and by the lint, written whole, loaded, and read back. If anything fails, the former
    rules are put back and loaded. How rules get into force says the Prometheus connection
    (:mod:`release_watch.slo.targets.settings`).

    Args:
        text: a rule file.
        name: name of the rule set (:func:`release_watch.slo.rules.rule_set_name`).
        backends: Prometheus, its rules folder and promtool.
        timeout: how long to wait until the rules are loaded and an Alertmanager is known; a target that
            takes longer by nature has its own patience.
        supersedes: rule sets of earlier releases; their groups for the services of this one are taken away,
            a set without any group left is removed.
        owner: the release; services that a later one owns are left to it, and those of earlier ones are
            taken over, also if ``supersedes`` does not name them. None takes the release that was recorded
            for ``name``, if any.

    Raises:
        InvalidInputError: if promtool or the lint refuses the rules; nothing was written.
        NotConfiguredError: if a connection, or the rules folder, is missing; nothing was written.
        ActivationError: if the server does not run the rules; the former ones run.
        OwnershipError: if the record of who owns what is damaged; nothing was written.
        BackendError: if the server does not answer.
    """
    target = target_of(backends)
    unchecked = _check(text, target, backends)
    remarks = _lint(text, target.server)
    with target.locked():
        healed = heal(target)
        planned = plan(target, text, name, supersedes, owner)
        change = Change(target, planned.contents, planned.ownership)
        with _undone_on_error(change, target.place(name)):
            change.make()
            target.load()
            if target.kind != "gitops":
                _prove(planned.groups, target, name, timeout)
        change.keep()
    pending: tuple[str, ...] = ()
    if target.kind == "gitops":  # others bring the files into force, which may take minutes: hold no lock
        pending = _adopted(change, planned.groups, target, name, timeout)
    return Activation(
        file=target.place(name),
        groups=len(planned.groups),
        rules=sum(len(group.rules) for group in planned.groups),
        activated_at=now(),
        replaced=name in change.replaced,
        superseded=tuple(one for one in planned.contents if one != name),
        alertmanagers=alertmanagers(target.server),
        problems=(*unchecked, *pending, *_around(planned.groups, target.server)),
        target=target.kind,
        state="pending adoption" if pending else "active",
        yielded=tuple(f"{scope}: {set_}" for scope, set_ in sorted(planned.yielded.items())),
        healed=healed,
        lint=remarks,
    )


def deactivate(name: str, backends: Backends) -> None:
    """Take a rule set out of force; one that is not there is no error.

    Raises:
        NotConfiguredError: if a connection, or the rules folder, is missing.
        BackendError: if the server does not take it.
    """
    target = target_of(backends)
    with target.locked():
        healed = heal(target)
        ownership = target.ownership()
        if ownership.owner(name) is not None:
            target.own(ownership.without(name))
        if target.read(name) is not None:
            target.put({name: None})
        elif not healed:
            return
        target.load()


def _check(text: str, target: RuleTarget, backends: Backends) -> tuple[str, ...]:
    """Have promtool check the rules; where it is missing, and the server checks what it is given, say so."""
    try:
        promtool = backends.promtool()
    except ToolMissingError as missing:
        if target.kind == "gitops":
            raise
        return (f"{missing}. Without it only the server checks the rules, when it loads them.",)
    check_rules(text, promtool)
    return ()


def _lint(text: str, server: RuleServer) -> tuple[str, ...]:
    """Return the warnings of the lint; its errors stop the activation."""
    try:
        interval = prometheus_api.scrape_interval(server.transport) if server.manages_itself else None
    except BackendError:
        interval = None  # the configuration is not for everyone to read
    findings = lint(from_yaml(text), scrape_interval=interval or SCRAPE_INTERVAL)
    if refused := errors(findings):
        remedy = "the lint refuses the rules; correct the SLO or service they come from:"
        raise InvalidInputError([remedy, *map(str, refused)])
    return tuple(map(str, findings))


@contextmanager
def _undone_on_error(change: Change, place: str) -> Iterator[None]:
    try:
        yield
    except BackendError as error:
        raise ActivationError(place, [str(error), *change.blamed()], change.undo()) from error
    except _NotLiveError as error:
        raise ActivationError(place, error.problems, change.undo()) from None
    except BaseException:
        change.undo()
        raise


def _prove(groups: Sequence[RuleGroup], target: RuleTarget, name: str, timeout: timedelta) -> None:
    proof = await_live(groups, target, name, timeout)
    if proof.problems:
        raise _NotLiveError(proof.problems)


def _adopted(
    change: Change, groups: Sequence[RuleGroup], target: RuleTarget, name: str, timeout: timedelta
) -> tuple[str, ...]:
    """Wait until somebody has brought the rules into force; return what is still open when time is up."""
    proof = await_live(groups, target, name, timeout)
    if not proof.final:
        return proof.problems
    with target.locked():
        text = target.read(name)
        ours = text is not None and from_yaml(text) == list(groups)
        restored = change.undo() if ours else "Another activation has replaced them meanwhile."
    raise ActivationError(target.place(name), proof.problems, restored)


def _around(groups: Sequence[RuleGroup], server: RuleServer) -> tuple[str, ...]:
    """Return what is wrong around rules that run."""
    if not server.manages_itself:
        return (
            "A ruler does not tell where it sends alerts or how long samples are kept; drill its alerts.",
        )
    spans = [
        parse_prometheus_duration(span)
        for group in groups
        for rule in group.rules
        for span in _RANGE.findall(rule.expr)
    ]
    longest = max(spans, default=timedelta(0))
    kept = prometheus_api.retention(server.transport)
    if kept is None or kept >= longest:
        return ()
    return (
        f"Prometheus keeps samples for {in_words(kept)}, but rules look back {in_words(longest)}: what is "
        "older is missing in them. Raise --storage.tsdb.retention.time.",
    )

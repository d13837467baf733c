"""What a server really runs, against what it was given. A reload that succeeds is not yet a loaded rule.

Two calls tell it for any number of rules: the state of the last reload, and the list of rules. Expressions
are compared by their meaning here; only what the parser here cannot read is a question to the server. Rules
that had no turn yet are evaluated together, many in one query.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from release_watch.errors import BackendError
from release_watch.slo.rulefile import Rule, RuleGroup, from_yaml, parse_prometheus_duration
from release_watch.slo.targets.choice import server_of
from release_watch.slo.targets.target import RuleServer
from release_watch.telemetry import prometheus_api
from release_watch.telemetry.backends import Backends
from release_watch.telemetry.metrics import Metrics
from release_watch.telemetry.prometheus_api import LoadedRule
from release_watch.telemetry.promql_meaning import read, same_meaning
from release_watch.transport import Transport

TRIED_AT_ONCE = 50
"""Rules in one trial query: what a rule costs, a query of so many costs as often, and it must be in time."""

_Key = tuple[str, str, frozenset[tuple[str, str]]]


class Trial(NamedTuple):
    """A rule that had no turn yet, and how it is called in messages."""

    title: str
    expr: str


class ReadBack(NamedTuple):
    """What is not as it should be now.

    ``refused``: the last reload failed, so older rules run. ``missing`` is not loaded; of ``different``
    another version is loaded; ``wrong`` is loaded and does not work. ``untried`` is loaded as it should be
    and had no turn yet.
    """

    refused: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    different: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    untried: tuple[Trial, ...] = ()

    @property
    def problems(self) -> list[str]:
        """All that is not as it should be."""
        return [*self.refused, *self.missing, *self.different, *self.wrong]


def read_back(text: str, backends: Backends) -> list[str]:
    """Return what differs between the rule file ``text`` and what the server runs; nothing if all is well.

    Asked: did the last reload succeed, is every rule loaded with the same expression, labels, ``for``,
    ``keep_firing_for`` and interval, is its last evaluation without error. Rules that had no turn yet are
    evaluated once by queries.

    Raises:
        BackendError: if the server does not answer.
        InvalidInputError: if ``text`` is no rule file.
    """
    server = server_of(backends)
    found = compare(from_yaml(text), server)
    return [*found.problems, *try_out(found.untried, server.metrics)]


def compare(groups: Iterable[RuleGroup], server: RuleServer, listed_as: str | None = None) -> ReadBack:
    """Return the difference between ``groups`` and the loaded rules, those of file ``listed_as`` if given.

    Raises:
        BackendError: if the server does not answer.
    """
    missing: list[str] = []
    different: list[str] = []
    wrong: list[str] = []
    untried: list[Trial] = []
    loaded = _loaded(server.transport, listed_as)
    for group in groups:
        for rule in group.rules:
            title = f"{group.name}/{rule.name}"
            same = loaded.get(_key(group.name, rule.name, rule.labels), [])
            equal = [one for one in same if same_expression(rule.expr, one.query, server.transport)]
            if not same:
                missing.append(f"{title}: is not loaded with these labels")
            elif not equal:
                different.append(f"{title}: runs another expression: {same[0].query}")
            elif problem := _pace_problem(group, rule, equal):
                different.append(f"{title}: {problem}")
            elif equal[0].health == "err":
                wrong.append(f"{title}: its evaluation fails: {equal[0].last_error}")
            elif equal[0].health != "ok":
                untried.append(Trial(title, rule.expr))
    return ReadBack(_last_reload(server), tuple(missing), tuple(different), tuple(wrong), tuple(untried))


def same_expression(one: str, other: str, server: Transport) -> bool:
    """Return whether two PromQL expressions mean the same; what cannot be read here the server compares.

    Raises:
        BackendError: if the server is asked and does not answer.
    """
    if same_meaning(one, other):
        return True
    if not (read(one).problem or read(other).problem):
        return False
    first, second = _formatted(one, server), _formatted(other, server)
    return first is not None and first == second


def try_out(trials: Sequence[Trial], metrics: Metrics) -> list[str]:
    """Return which rules cannot be evaluated, and why.

    Many are counted in one query; if that fails, its halves are tried, down to the rule that fails by itself.

    Raises:
        BackendError: if the server does not answer.
    """
    return [
        problem
        for start in range(0, len(trials), TRIED_AT_ONCE)
        for problem in _tried(trials[start : start + TRIED_AT_ONCE], metrics)
    ]


def _tried(trials: Sequence[Trial], metrics: Metrics) -> list[str]:
    try:
        metrics.instant(" or ".join(f"count(\n{trial.expr}\n)" for trial in trials))
    except BackendError:
        if len(trials) == 1:
            return _tried_alone(trials[0], metrics)
        half = len(trials) // 2
        return [*_tried(trials[:half], metrics), *_tried(trials[half:], metrics)]
    return []


def _tried_alone(trial: Trial, metrics: Metrics) -> list[str]:
    """Try an expression as it stands: a scalar, which is one too, cannot be counted."""
    try:
        metrics.instant(trial.expr)
    except BackendError as error:
        if error.status is None or error.status >= 500:
            raise
        return [f"{trial.title}: cannot be evaluated: {error}"]
    return []


def _loaded(server: Transport, listed_as: str | None) -> dict[_Key, list[LoadedRule]]:
    loaded: dict[_Key, list[LoadedRule]] = {}
    for one in prometheus_api.rules(server):
        if listed_as is None or one.file.rpartition("/")[2] == listed_as:
            loaded.setdefault(_key(one.group, one.name, one.labels), []).append(one)
    return loaded


def _pace_problem(group: RuleGroup, rule: Rule, loaded: list[LoadedRule]) -> str | None:
    held, kept = _seconds(rule.hold), _seconds(rule.keep_firing_for)
    if all(one.duration_seconds != held for one in loaded):
        return f"waits {loaded[0].duration_seconds:g} s before it fires, not {held:g} s"
    if all(one.keep_firing_seconds != kept for one in loaded):
        return f"fires on for {loaded[0].keep_firing_seconds:g} s after its condition ends, not {kept:g} s"
    pace = _seconds(group.interval)
    if pace and all(one.interval_seconds != pace for one in loaded):
        return f"is evaluated every {loaded[0].interval_seconds:g} s, not every {pace:g} s"
    return None


def _seconds(text: str | None) -> float:
    return parse_prometheus_duration(text).total_seconds() if text else 0.0


def _last_reload(server: RuleServer) -> tuple[str, ...]:
    # The API's own view of prometheus_config_last_reload_successful, there also if nobody scrapes Prometheus.
    if not server.manages_itself or prometheus_api.reload_succeeded(server.transport):
        return ()
    return ("Prometheus could not read its configuration at the last reload; its log says which file",)


def _formatted(expr: str, server: Transport) -> str | None:
    answer = server.request("GET", "/api/v1/format_query", params={"query": expr})
    if answer.status != 200 or not isinstance(answer.body, dict):
        return None
    return str(answer.body.get("data"))


def _key(group: str, name: str, labels: dict[str, str]) -> _Key:
    return group, name, frozenset(labels.items())

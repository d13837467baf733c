"""What Prometheus really runs, against what it was given. A reload that succeeds is not yet a loaded rule."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from release_watch.errors import BackendError
from release_watch.slo.rulefile import Rule, RuleGroup, from_yaml, parse_prometheus_duration
from release_watch.telemetry import prometheus_api
from release_watch.telemetry.answers import get, shortened
from release_watch.telemetry.backends import Backends
from release_watch.telemetry.prometheus_api import BACKEND, LoadedRule
from release_watch.transport import Transport

_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)""")
_Key = tuple[str, str, frozenset[tuple[str, str]]]


class ReadBack(NamedTuple):
    """What is wrong now. ``missing`` may still come within seconds, ``wrong`` will not mend itself."""

    missing: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


def read_back(text: str, backends: Backends) -> list[str]:
    """Return what differs between the rule file ``text`` and what Prometheus runs; nothing if all is well.

    Asked: did the last reload succeed, is every rule loaded with the same expression, labels and ``for``, is
    its last evaluation without error. A rule that had no turn yet is evaluated once by a query.

    Raises:
        BackendError: if Prometheus does not answer.
        InvalidInputError: if ``text`` is no rule file.
    """
    found = compare(from_yaml(text), backends)
    return [*found.missing, *found.wrong]


def compare(groups: Iterable[RuleGroup], backends: Backends, file_name: str | None = None) -> ReadBack:
    """Return the difference between ``groups`` and the loaded rules, those of ``file_name`` if given.

    Raises:
        BackendError: if Prometheus does not answer.
    """
    server = backends.prometheus()
    wrong = list(_last_reload(server))
    missing: list[str] = []
    loaded: dict[_Key, list[LoadedRule]] = {}
    for one in prometheus_api.rules(server):
        if file_name is None or one.file.rpartition("/")[2] == file_name:
            loaded.setdefault(_key(one.group, one.name, one.labels), []).append(one)
    for group in groups:
        for rule in group.rules:
            same = loaded.get(_key(group.name, rule.name, rule.labels), [])
            if not same:
                missing.append(f"{_title(group, rule)}: is not loaded with these labels")
            elif problem := _problem(rule, same, backends):
                wrong.append(f"{_title(group, rule)}: {problem}")
    return ReadBack(tuple(missing), tuple(wrong))


def same_expression(one: str, other: str, server: Transport) -> bool:
    """Return whether two PromQL expressions are equal but for layout; in doubt Prometheus' parser tells.

    Raises:
        BackendError: if Prometheus does not answer.
    """
    if _without_layout(one) == _without_layout(other):
        return True
    first, second = _formatted(one, server), _formatted(other, server)
    return first is not None and first == second


def _problem(rule: Rule, loaded: list[LoadedRule], backends: Backends) -> str | None:
    server = backends.prometheus()
    equal = [one for one in loaded if same_expression(rule.expr, one.query, server)]
    if not equal:
        return f"runs another expression: {loaded[0].query}"
    held = parse_prometheus_duration(rule.hold).total_seconds() if rule.hold else 0.0
    if all(one.duration_seconds != held for one in equal):
        return f"waits {equal[0].duration_seconds:g} s before it fires, not {held:g} s"
    one = equal[0]
    if one.health == "err":
        return f"its evaluation fails: {one.last_error}"
    return None if one.health == "ok" else _trial(rule, backends)


def _trial(rule: Rule, backends: Backends) -> str | None:
    try:
        backends.metrics().instant(rule.expr)
    except BackendError as error:
        if error.status is None or error.status >= 500:
            raise
        return f"cannot be evaluated: {error}"
    return None


def _last_reload(server: Transport) -> Iterator[str]:
    # The API's own view of prometheus_config_last_reload_successful, there also if nobody scrapes Prometheus.
    body = get(server, BACKEND, "/api/v1/status/runtimeinfo")
    if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
        raise BackendError(BACKEND, f"gave no runtime information: {shortened(body)}")
    if body["data"].get("reloadConfigSuccess") is not True:
        yield "Prometheus could not read its configuration at the last reload; its log says which file"


def _formatted(expr: str, server: Transport) -> str | None:
    answer = server.request("GET", "/api/v1/format_query", params={"query": expr})
    if answer.status != 200 or not isinstance(answer.body, dict):
        return None
    return str(answer.body.get("data"))


def _without_layout(expr: str) -> str:
    parts = _QUOTED.split(expr)
    return "".join(part if index % 2 else re.sub(r"\s+", "", part) for index, part in enumerate(parts))


def _key(group: str, name: str, labels: dict[str, str]) -> _Key:
    return group, name, frozenset(labels.items())


def _title(group: RuleGroup, rule: Rule) -> str:
    return f"{group.name}/{rule.name}"

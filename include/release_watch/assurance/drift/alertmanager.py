"""What a live Alertmanager makes of an alert: its routes, what silences it, what would inhibit it.

Matching is not re-implemented: silences and inhibition rules are written as routes beside the real ones, all
under names of our own, and amtool says which of them an alert takes. It is asked once for all alerts that no
matcher tells apart, so the number of its runs grows with the configuration and not with the rules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from release_watch.drills.alertmanager import live_configuration
from release_watch.drills.routing import Integration, Routing
from release_watch.identifiers import promql_string
from release_watch.telemetry.answers import get, understood
from release_watch.transport import Transport

_MATCHER = re.compile(r"\s*\"?(?P<label>[A-Za-z_][\w.]*)\"?\s*(?P<operator>=~|!~|!=|=)\s*(?P<value>.*?)\s*")
_LABEL = re.compile(r"\"([^\"]+)\"\s*[=!]|([A-Za-z_][\w.]*)\s*[=!]")
"""The labels that matchers look at; those in quotes may have any name."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"[\w\s|.*+/:@%-]*")
"""Patterns that mean the same to Python and to Alertmanager."""


class Silence(NamedTuple):
    """A silence that is in force; ``matchers`` as people write them."""

    silence_id: str
    matchers: tuple[str, ...]
    created_by: str
    comment: str
    ends_at: str


class Leaf(NamedTuple):
    """The end of a route: who is told, by which matchers from the root, and when nobody is."""

    receiver: str
    path: str
    muted: tuple[str, ...] = ()
    active: tuple[str, ...] = ()


class Inhibition(NamedTuple):
    """Alerts of ``target`` are held back while one of ``source`` fires that has ``equal`` labels."""

    number: int
    source: tuple[str, ...]
    target: tuple[str, ...]
    equal: tuple[str, ...]

    def __str__(self) -> str:
        """Return the rule as people read it."""
        equal = f", where {', '.join(self.equal)} are equal" if self.equal else ""
        return f"{{{', '.join(self.source)}}} mutes {{{', '.join(self.target)}}}{equal}"


class Fate(NamedTuple):
    """What becomes of an alert; ``sources`` are the inhibition rules that make it mute others."""

    leaves: tuple[Leaf, ...]
    silences: tuple[Silence, ...]
    targets: tuple[Inhibition, ...]
    sources: tuple[Inhibition, ...]


class LiveAlertmanager:
    """A configuration and the silences in force, asked through amtool.

    Args:
        configuration: the live YAML.
        silences: those in force.
        amtool: the program.

    Raises:
        BackendError: if the configuration has no route.
    """

    def __init__(self, configuration: str, silences: Sequence[Silence], amtool: Path) -> None:
        self._own = Routing(configuration, amtool)
        content = dict(yaml.safe_load(configuration))
        self.receivers = frozenset(str(one["name"]) for one in content.get("receivers") or [])
        self.inhibitions = tuple(_inhibitions(content.get("inhibit_rules") or []))
        self._leaves: dict[str, Leaf] = {}
        self._silences = {f"silence-{at}": one for at, one in enumerate(silences)}
        self._question = self._asked(content["route"])
        self._tests = _tests_of(self._question["route"])
        self._routing = Routing(yaml.safe_dump(self._question, sort_keys=False), amtool)
        self._fates: dict[object, Fate] = {}

    def fate(self, labels: Mapping[str, str]) -> Fate:
        """Return what becomes of an alert with these labels.

        Raises:
            ReleaseWatchError: if amtool cannot be run or refuses the configuration.
        """
        relevant = {name: labels[name] for name in self._tests if name in labels}
        kind = tuple(_sort_of(relevant.get(name, ""), tests) for name, tests in self._tests.items())
        if kind not in self._fates:
            self._fates[kind] = self._read(self._routing.way(relevant).receivers)
        return self._fates[kind]

    def integrations(self, receiver: str) -> tuple[Integration, ...]:
        """Return how a receiver tells people; none: it tells nobody."""
        return self._own.integrations(receiver)

    def _read(self, taken: Iterable[str]) -> Fate:
        names = frozenset(taken)
        return Fate(
            leaves=tuple(leaf for name, leaf in self._leaves.items() if name in names),
            silences=tuple(one for name, one in self._silences.items() if name in names),
            targets=tuple(one for one in self.inhibitions if f"target-{one.number}" in names),
            sources=tuple(one for one in self.inhibitions if f"source-{one.number}" in names),
        )

    def _asked(self, root: Mapping[str, Any]) -> dict[str, Any]:
        routes = [{**self._marked(root, "all alerts", root, "route"), "continue": True}]
        others = [(name, one.matchers) for name, one in self._silences.items()]
        others += [(f"target-{one.number}", one.target) for one in self.inhibitions]
        others += [(f"source-{one.number}", one.source) for one in self.inhibitions]
        routes += [
            {"receiver": name, "matchers": list(matchers), "continue": True} for name, matchers in others
        ]
        named = ["nobody", *self._leaves, *(name for name, _ in others)]
        return {
            "route": {"receiver": "nobody", "routes": routes},
            "receivers": [{"name": name} for name in named],
        }

    def _marked(
        self, route: Mapping[str, Any], path: str, above: Mapping[str, Any], name: str
    ) -> dict[str, Any]:
        matchers = list(_matchers(route, ("matchers", "match", "match_re")))
        given = {"receiver": above.get("receiver"), **route}
        where = f"{path} > {{{', '.join(matchers)}}}" if route is not above else path
        self._leaves[name] = Leaf(
            str(given["receiver"]),
            where,
            tuple(map(str, route.get("mute_time_intervals") or ())),
            tuple(map(str, route.get("active_time_intervals") or ())),
        )
        children = [
            self._marked(child, where, given, f"{name}.{at}")
            for at, child in enumerate(route.get("routes") or [])
        ]
        marked = {"receiver": name, "continue": bool(route.get("continue")), "routes": children}
        return {**marked, "matchers": matchers} if matchers else marked


def read_alertmanager(
    transport: Transport, amtool: Path, silences_told: Callable[[], Any] | None = None
) -> LiveAlertmanager:
    """Return the live Alertmanager: two requests, one if ``silences_told`` gives its answer about silences.

    Raises:
        BackendError: if it does not answer, or has no route, or a configuration of another form.
    """
    found = silences_told() if silences_told else get(transport, "Alertmanager", "/api/v2/silences")
    silences = understood("Alertmanager", "silences", lambda: tuple(_silences(found)))
    configuration = live_configuration(transport)
    return understood(
        "Alertmanager", "its configuration", lambda: LiveAlertmanager(configuration, silences, amtool)
    )


def _silences(found: Any) -> Iterator[Silence]:
    for one in found:
        if one["status"]["state"] == "active":
            texts = tuple(_silence_matcher(matcher) for matcher in one["matchers"])
            yield Silence(one["id"], texts, str(one["createdBy"]), str(one["comment"]), str(one["endsAt"]))


def _silence_matcher(matcher: Mapping[str, Any]) -> str:
    operator = ("=" if matcher.get("isEqual", True) else "!") + ("~" if matcher["isRegex"] else "")
    return _text(matcher["name"], "!=" if operator == "!" else operator, matcher["value"])


def _inhibitions(rules: Iterable[Mapping[str, Any]]) -> Iterator[Inhibition]:
    for number, rule in enumerate(rules):
        source, target = (
            tuple(_matchers(rule, (f"{side}_matchers", f"{side}_match", f"{side}_match_re")))
            for side in ("source", "target")
        )
        yield Inhibition(number, source, target, tuple(map(str, rule.get("equal") or ())))


def _matchers(given: Mapping[str, Any], keys: tuple[str, str, str]) -> Iterator[str]:
    new, old, old_pattern = keys
    yield from map(str, given.get(new) or ())
    for key, operator in ((old, "="), (old_pattern, "=~")):
        for name, value in (given.get(key) or {}).items():
            yield _text(str(name), operator, str(value))


def _text(name: str, operator: str, value: str) -> str:
    label = name if _NAME.fullmatch(name) else json.dumps(name)
    return f"{label}{operator}{promql_string(value)}"


def _tests_of(route: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the matchers of all routes by the label that they look at, in order."""
    found: dict[str, set[str]] = {}
    waiting = [route]
    while waiting:
        one = waiting.pop()
        waiting += one.get("routes") or []
        for text in one.get("matchers") or []:
            for quoted, plain in _LABEL.findall(text):
                found.setdefault(quoted or plain, set()).add(text)
    return {label: sorted(tests) for label, tests in sorted(found.items())}


def _sort_of(value: str, tests: Sequence[str]) -> object:
    """Return what tells values apart for these matchers: their answers, or else the value itself."""
    answers = []
    for text in tests:
        matcher = _MATCHER.fullmatch(text)
        wanted = _unquoted(matcher["value"]) if matcher else None
        if matcher is None or wanted is None:
            return value
        if matcher["operator"] in ("=", "!="):
            answers.append(value == wanted)
        elif _PLAIN.fullmatch(wanted):
            answers.append(re.fullmatch(wanted, value) is not None)
        else:
            return value
    return tuple(answers)


def _unquoted(text: str) -> str | None:
    """Return what is in quotes, or a bare word; None for anything that takes more care."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        inner = text[1:-1]
        return None if '"' in inner or "\\" in inner else inner
    return text if re.fullmatch(r"[\w./|*+-]*", text) else None

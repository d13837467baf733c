"""Which way an alert takes through the live Alertmanager configuration, as amtool says.

Routing is not re-implemented: amtool answers for the configuration as it is, and for the same configuration
with ``continue`` on every route. What the second reaches and the first does not is shadowed by the order of
the routes.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml

from release_watch.errors import BackendError, ReleaseWatchError
from release_watch.identifiers import promql_string

AMTOOL_SECONDS = 30
_CONDITIONS = ("match", "match_re", "matchers")
_ARROW = "  receiver: "  # what amtool's tree puts before the receiver of a route that was taken


class Way(NamedTuple):
    """The receivers an alert reaches, in order, and the routes it takes, from the root."""

    receivers: tuple[str, ...]
    route: tuple[str, ...]


class Integration(NamedTuple):
    """One way in which a receiver tells people; ``address`` is scheme, host and port, never a secret."""

    kind: str
    address: str | None
    sends_resolved: bool


class Routing:
    """A live Alertmanager configuration, asked through amtool."""

    def __init__(self, configuration: str, amtool: Path) -> None:
        self._amtool = amtool
        self._text = configuration
        self._plain = _parsed(configuration)
        self._open = yaml.safe_dump(_without_order(self._plain), sort_keys=False)
        self._deciding = yaml.safe_dump(list(_conditions(self._plain["route"])))
        self._answers: dict[object, str] = {}

    def way(self, labels: Mapping[str, str]) -> Way:
        """Return where an alert with these labels goes.

        Raises:
            ReleaseWatchError: if amtool cannot be run or refuses the configuration.
        """
        return _way(self._answer(self._text, labels))

    def matching(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Return every receiver with a route that matches, also if an earlier route takes the alert."""
        return _way(self._answer(self._open, labels)).receivers

    def integrations(self, receiver: str) -> tuple[Integration, ...]:
        """Return how a receiver tells people; none: it tells nobody."""
        for entry in self._plain.get("receivers") or []:
            if entry.get("name") == receiver:
                return tuple(_integrations(entry))
        return ()

    def _answer(self, text: str, labels: Mapping[str, str]) -> str:
        # A label that no route has a matcher for decides nothing: all its values have one answer. Alerts may
        # be grouped by it all the same.
        asked = (text, *sorted((name, value) for name, value in labels.items() if name in self._deciding))
        if asked not in self._answers:
            self._answers[asked] = self._ask(text, labels)
        return self._answers[asked]

    def _ask(self, text: str, labels: Mapping[str, str]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "alertmanager.yml"
            file.write_text(text)
            pairs = [f"{name}={promql_string(value)}" for name, value in sorted(labels.items())]
            command = [
                str(self._amtool),
                "config",
                "routes",
                "test",
                "--tree",
                f"--config.file={file}",
                *pairs,
            ]
            try:
                done = subprocess.run(  # noqa: S603 - a list, no shell; labels come as name="quoted value"
                    command, capture_output=True, text=True, timeout=AMTOOL_SECONDS, check=False
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise ReleaseWatchError(
                    f"amtool at {self._amtool} cannot be run ({error}); install it"
                ) from error
        if done.returncode:
            words = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise ReleaseWatchError(f"amtool cannot route {dict(labels)}: {words[0]}")
        return done.stdout


def _parsed(configuration: str) -> dict[str, Any]:
    try:
        parsed = yaml.safe_load(configuration)
    except yaml.YAMLError as error:
        raise BackendError("Alertmanager", "its live configuration is no YAML") from error
    if not isinstance(parsed, dict) or not isinstance(parsed.get("route"), dict):
        raise BackendError("Alertmanager", "its live configuration has no route")
    return parsed


def _without_order(parsed: Mapping[str, Any]) -> dict[str, Any]:
    return {**parsed, "route": _opened(parsed["route"])}


def _opened(route: Mapping[str, Any]) -> dict[str, Any]:
    children = [{**_opened(child), "continue": True} for child in route.get("routes") or []]
    return {**route, "routes": children}


def _conditions(route: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what decides whether an alert takes a route or one below it, as it is written."""
    yield from (route[name] for name in _CONDITIONS if name in route)
    for child in route.get("routes") or []:
        yield from _conditions(child)


def _way(tree: str) -> Way:
    taken: list[str] = []
    receivers: list[str] = []
    above: list[str] = []
    for line in tree.splitlines():
        if "── " not in line:
            continue
        indent, _, words = line.partition("── ")
        name, arrow, receiver = words.rpartition(_ARROW)
        depth = (len(indent) - 1) // 4
        above = [*above[:depth], (name if arrow else words).strip()]
        if arrow and receiver not in receivers:
            receivers.append(receiver)
            taken.extend(step for step in above if step not in taken)
    return Way(tuple(receivers), tuple(taken))


def _integrations(receiver: Mapping[str, Any]) -> Iterator[Integration]:
    for section, entries in receiver.items():
        if not section.endswith("_configs"):
            continue
        kind = section.removesuffix("_configs")
        for entry in entries or []:
            resolved = entry.get("send_resolved", kind in _RESOLVED_BY_DEFAULT)
            yield Integration(kind, _address(entry), bool(resolved))


_RESOLVED_BY_DEFAULT = frozenset(
    {"webhook", "pagerduty", "opsgenie", "victorops", "pushover", "sns", "telegram"}
)


def _address(entry: Mapping[str, Any]) -> str | None:
    if host := entry.get("smarthost"):
        return str(host)
    parts = urlsplit(str(entry.get("url") or ""))
    if not parts.hostname:
        return None
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")

"""Silences of Alertmanager: firings of which nobody was told. It forgets them some days after they end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.telemetry.answers import get, understood
from release_watch.transport import Transport

BACKEND = "Alertmanager"


class Matcher(NamedTuple):
    """A condition on one label; ``pattern`` is the whole value, or a regular expression of it."""

    label: str
    pattern: str
    is_regex: bool
    is_equal: bool

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Return whether an alert with these labels meets it; a label that is not there is empty.

        A pattern that Python cannot read, as Alertmanager's are RE2, is met by none.
        """
        value = labels.get(self.label, "")
        try:
            same = bool(re.fullmatch(self.pattern, value)) if self.is_regex else value == self.pattern
        except re.error:
            return False
        return same is self.is_equal


class Silence(NamedTuple):
    """Nobody is told of alerts that meet all ``matchers`` from ``start`` until ``end``."""

    start: datetime
    end: datetime
    matchers: tuple[Matcher, ...]


def silences_told(alertmanager: Transport) -> Any:
    """Return what Alertmanager answers about silences, for :func:`silences_in`.

    Raises:
        BackendError: if it does not answer.
    """
    return get(alertmanager, BACKEND, "/api/v2/silences")


def silences_in(found: Any) -> list[Silence]:
    """Return the silences that Alertmanager still knows, out of its answer.

    Raises:
        BackendError: if the answer has another form.
    """
    return understood(BACKEND, "silences", lambda: [_silence(one) for one in found])


def silenced(firing: AlertInterval, silences: Sequence[Silence]) -> bool:
    """Return whether a firing began in a silence that its alert name, service and severity meet.

    A silence that asks for any other label may hold for some of its series only, and is left out.
    """
    labels = {"alertname": firing.alert, "service": firing.service, "severity": firing.severity}
    return any(
        one.start <= firing.start <= one.end
        and all(matcher.label in labels and matcher.fits(labels) for matcher in one.matchers)
        for one in silences
    )


def _silence(one: Mapping[str, Any]) -> Silence:
    matchers = tuple(
        Matcher(m["name"], m["value"], bool(m["isRegex"]), bool(m.get("isEqual", True)))
        for m in one["matchers"]
    )
    return Silence(datetime.fromisoformat(one["startsAt"]), datetime.fromisoformat(one["endsAt"]), matchers)

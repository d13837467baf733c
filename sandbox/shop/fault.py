"""What can be broken in the shop on purpose, and the file that says what is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Literal

from sandbox.errors import SandboxError
from sandbox.layout import Layout
from sandbox.shop.topology import FIRST_VERSION, SHOP, parse_version

SIGNALS = ("metrics", "logs", "traces", "probe")


class FaultError(SandboxError):
    """A fault switch that does not exist, or with a value that it cannot take."""


@dataclass(frozen=True)
class FaultKind:
    """What a switch does, and what its value means.

    `default` is taken where no value is given; `route` says whether the switch takes one, or must have one.
    """

    summary: str
    value: str
    default: float | str | None
    needs_service: bool = True
    route: Literal["none", "may", "must"] = "none"


KINDS: dict[str, FaultKind] = {
    "latency": FaultKind("requests of the service take longer", "milliseconds added", 300.0, route="may"),
    "errors": FaultKind("a share of the requests fails with 500", "share, 0 to 1", 0.2, route="may"),
    "memory": FaultKind("the service leaks memory, up to 160 MB", "megabytes per second", 2.0),
    "dependency-dead": FaultKind(
        "every call of the service to others, or to its database, fails", "none", None
    ),
    "no-answer": FaultKind("the service answers nobody: it cuts every connection", "none", None),
    "signal-off": FaultKind("the service no longer exports one signal", " | ".join(SIGNALS), "metrics"),
    "old-version": FaultKind(
        "all telemetry of the service names an older version, as if its pods had not been replaced",
        "the version it names",
        FIRST_VERSION,
    ),
    "route-uncounted": FaultKind(
        "one route is served but missing from the metrics", "none", None, route="must"
    ),
    "no-histogram": FaultKind("request durations are exported without their buckets", "none", None),
    "no-status": FaultKind("request metrics do not say how a request ended", "none", None),
    "nan": FaultKind(
        "the sum of the request durations is no number, as after one bad observation", "none", None
    ),
    "label-explosion": FaultKind(
        "every request is counted under a label value of its own", "values shown at a time", 1000.0
    ),
    "clock-skew": FaultKind("log lines and spans are stamped in the future", "seconds", 300.0),
    "gaps": FaultKind(
        "scrapes fail for a while, again and again",
        "seconds of each failure, of three times as many",
        10.0,
    ),
    "dead-target": FaultKind("Prometheus scrapes a port of the service where nobody listens", "none", None),
    "broken-alert-route": FaultKind(
        "alerts go to a receiver that cannot be reached", "none", None, needs_service=False
    ),
}


@dataclass(frozen=True)
class Fault:
    """One switch that is on. `route` and `version` narrow it down; times are RFC 3339, UTC."""

    name: str
    service: str | None
    value: float | str | None
    version: str | None
    route: str | None
    set_at: str
    until: str | None

    @property
    def key(self) -> tuple[str | None, ...]:
        """What makes two settings the same switch: setting it again replaces the first."""
        signal = str(self.value) if self.name == "signal-off" else None
        return (self.name, self.service, self.version, self.route, signal)

    def is_on(self, now: datetime) -> bool:
        """Tells whether the time of the fault has not run out."""
        return self.until is None or now < datetime.fromisoformat(self.until)

    def hits(self, service: str, version: str) -> bool:
        """Tells whether the fault is meant for this version of this service."""
        return self.service == service and self.version in (None, version)


def faults_file(root: Path) -> Path:
    """Returns the file of the switches that are on."""
    return Layout.at(root).run / "faults.json"


def read_faults(path: Path) -> list[Fault]:
    """Returns the faults in the file, those too whose time has run out; none where there is no file."""
    if not path.exists():
        return []
    names = {field.name for field in fields(Fault)}
    entries = json.loads(path.read_text(encoding="utf-8"))
    return [Fault(**{name: entry.get(name) for name in names}) for entry in entries]


def check_switch(
    name: str, *, service: str | None, seconds: float | None, version: str | None, route: str | None
) -> FaultKind:
    """Returns the kind of a fault whose switch can be set like this.

    Raises:
        FaultError: It cannot, and why.
    """
    if name not in KINDS:
        raise FaultError(unknown("fault", name, KINDS))
    kind = KINDS[name]
    if kind.needs_service and service not in SHOP:
        raise FaultError(unknown("service", service, SHOP))
    if not kind.needs_service and (service or version or seconds):
        raise FaultError(f"{name} takes no service, version or seconds: it holds until it is cleared")
    if seconds is not None and seconds <= 0:
        raise FaultError(f"seconds is {seconds}; give a number above 0")
    if version is not None:
        parse_version(version)
    _check_route(name, service, route)
    return kind


def _check_route(name: str, service: str | None, route: str | None) -> None:
    takes = KINDS[name].route
    routes = [endpoint.path for endpoint in SHOP[service].endpoints] if service else []
    if takes == "none" and route is not None:
        able = ", ".join(other for other, kind in KINDS.items() if kind.route != "none")
        raise FaultError(f"{name} takes no route; only these do: {able}")
    if route not in routes and (route is not None or takes == "must"):
        raise FaultError(f"{name} needs one of the routes of {service}, which are: {', '.join(routes)}")


def check_value(name: str, value: float | str | None) -> float | str | None:
    """Returns the value of a fault in its type.

    Raises:
        FaultError: The fault cannot take it.
    """
    if name == "signal-off":
        if value not in SIGNALS:
            raise FaultError(unknown("signal", value, SIGNALS))
        return value
    if KINDS[name].default is None:
        return None
    if name == "old-version":
        return _checked_version(value)
    try:
        number = float(value) if value is not None else -1.0
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf") or (name == "errors" and number > 1):
        raise FaultError(f"value {value!r} of {name} is not a number of: {KINDS[name].value}")
    return number


def _checked_version(value: object) -> str:
    try:
        parse_version(str(value))
    except ValueError as error:
        raise FaultError(str(error)) from error
    return str(value)


def unknown(what: str, value: object, known: Iterable[str]) -> str:
    """Returns the message about a name that does not exist."""
    return f"unknown {what} {value!r}; there are: {', '.join(known)}"

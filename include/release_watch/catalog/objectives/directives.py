"""What documents tell Release Watch beyond their schema: ``release-watch.io/…`` annotations, and labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from release_watch.catalog.nearest import Known
from release_watch.catalog.objectives.grouping import OURS, read_labels
from release_watch.catalog.objectives.places import Findings, Place
from release_watch.catalog.objectives.units import SECONDS

PREFIX = "release-watch.io/"
KNOWN = Known(("group-by", "page", "ticket", "runbook", "dashboard", "unit", "metric-type"))

_ANSWERS = {"true": True, "false": False}
_UNSAFE = re.compile(r"[^a-zA-Z0-9_]")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")


class Directives(NamedTuple):
    """What the annotations say; None where they say nothing."""

    group_by: tuple[str, ...] = ()
    page: bool | None = None
    ticket: bool | None = None
    unit: str | None = None
    metric_type: str | None = None
    annotations: Mapping[str, str] = {}


def read_directives(found: Sequence[tuple[Place, Mapping[str, str]]], findings: Findings) -> Directives:
    """Return what the ``release-watch.io/`` keys among annotations or labels say; others are left alone.

    Args:
        found: mappings and where they stand; the later ones take precedence.
        findings: what is wrong is added here.
    """
    ours: dict[str, str] = {}
    places: dict[str, Place] = {}
    for place, written in found:
        for key, value in written.items():
            if key.startswith(PREFIX):
                name = key.removeprefix(PREFIX)
                ours[name], places[name] = value, place.at(key)
    for name in ours:
        if name not in KNOWN:
            findings.refuse(places[name], ours[name], f"unknown{KNOWN.hint(name)}")

    def choice(name: str, allowed: Sequence[str]) -> str | None:
        value = ours.get(name)
        if value is None or value in allowed:
            return value
        findings.refuse(places[name], value, f"must be {' or '.join(allowed)}")
        return None

    group_by: tuple[str, ...] | None = ()
    if "group-by" in ours:
        group_by = findings.attempt(read_labels, places["group-by"], ours["group-by"])
    links = {"runbook": "runbook_url", "dashboard": "dashboard_url"}
    return Directives(
        group_by=group_by or (),
        page=_ANSWERS.get(choice("page", list(_ANSWERS)) or ""),
        ticket=_ANSWERS.get(choice("ticket", list(_ANSWERS)) or ""),
        unit=choice("unit", list(SECONDS)),
        metric_type=choice("metric-type", ["histogram", "gauge"]),
        annotations={to: ours[name] for name, to in links.items() if name in ours},
    )


def read_alert_labels(place: Place, found: Mapping[str, str], findings: Findings) -> dict[str, str]:
    """Return labels for alerts; signs that Prometheus does not allow in a name become ``_``.

    What would take the place of one of Release Watch's own labels is left out with a warning.
    """
    labels: dict[str, str] = {}
    for key, value in found.items():
        if key.startswith(PREFIX):
            continue
        name, spot = _UNSAFE.sub("_", key), place.at(key)
        if not _LABEL.fullmatch(name):
            findings.refuse(spot, value, "is no label name; begin with a letter")
        elif name in OURS:
            findings.warn(spot, value, f"not used: the label {name} is set by Release Watch; rename this one")
        elif "{{" in value:
            remedy = "must be a fixed text: a label that changes makes a new alert of an old one"
            findings.refuse(spot, value, f"{remedy}; use an annotation")
        elif name in labels:
            findings.refuse(spot, value, f"another label also becomes {name}; rename one")
        else:
            labels[name] = value
    return labels

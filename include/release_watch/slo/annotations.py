"""What an alert says to the person it wakes: plain words, the threshold, and where to read on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from release_watch.slo.rulefile import Rule, duration


class AlertText(NamedTuple):
    """Where an alert sends its reader, and which release its rule came with.

    The release stands in annotations only: in labels it would make a new alert of an old one.
    """

    runbook_url: str
    dashboard_url: str
    release: str


def alert_rule(
    name: str,
    expr: str,
    *,
    labels: dict[str, str],
    text: AlertText,
    summary: str,
    description: str,
    threshold: str,
    hold: timedelta | None = None,
    own: Mapping[str, str] | None = None,
) -> Rule:
    """Return an alerting rule with the annotations that every alert has.

    ``description`` may hold Prometheus templates, and so may ``own``; the other texts are taken literally.
    ``own`` are further annotations, such as a team's runbook, which take the place of ours of the same name.
    """
    return Rule(
        alert=name,
        expr=expr,
        hold=duration(hold) if hold else None,
        labels=labels,
        annotations={
            "summary": literal(summary),
            "description": description,
            "threshold": literal(threshold),
            "runbook_url": literal(f"{text.runbook_url}#{anchor(name, labels.get('service'))}"),
            "dashboard_url": literal(text.dashboard_url),
            "release": literal(text.release),
            **(own or {}),
        },
    )


def anchor(alert: str, service: str | None) -> str:
    """Return the anchor of an alert's section in the runbook."""
    letters = f"{alert}-{service}" if service else alert
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in letters.lower())


def literal(text: str) -> str:
    """Return ``text`` so that Prometheus does not take braces in it for a template."""
    return text.replace("{{", "{ {")

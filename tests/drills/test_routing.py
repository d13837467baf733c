"""What amtool is asked for: each answer once, whatever labels decide nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from release_watch.drills.routing import Routing

CONFIGURATION = """
route:
  receiver: oncall
  group_by: [alertname, service]
  routes:
    - receiver: team
      matchers: ['team="orders"']
      routes: [{receiver: night, match: {shift: night}}, {receiver: all, match_re: {severity: page|ticket}}]
receivers: [{name: oncall}, {name: team}, {name: night}, {name: all}]
"""


class Counting(Routing):
    """Counts what amtool is asked."""

    def __init__(self) -> None:
        super().__init__(CONFIGURATION, Path("amtool"))
        self.asked: list[Mapping[str, str]] = []

    def _ask(self, text: str, labels: Mapping[str, str]) -> str:  # noqa: ARG002 - the shape of what it stands for
        self.asked.append(labels)
        return ""


def asked(*alerts: Mapping[str, str]) -> int:
    routing = Counting()
    for labels in alerts:
        routing.way(labels)
    return len(routing.asked)


def test_a_label_that_alerts_are_only_grouped_by_is_asked_for_once() -> None:
    assert asked(*({"team": "orders", "service": f"s-{number}"} for number in range(500))) == 1


def test_every_value_of_a_label_that_a_route_asks_for_is_asked_for() -> None:
    base = {"team": "orders", "shift": "day", "severity": "page"}
    changed = ({**base, name: "another"} for name in base)
    assert asked(base, *changed) == 4

"""Rules of a file that a later release has partly taken over."""

from __future__ import annotations

from release_watch.assurance.drift.activated import expected_of
from release_watch.assurance.drift.live import LiveRules
from release_watch.assurance.drift.reading import rule_set
from release_watch.assurance.drift.rules import rule_drifts
from release_watch.assurance.registry import ActiveRelease
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from tests.assurance.fakes import CONFIG, NOW, release

FILE = "release-watch-shop.yaml"


class Target:
    """Where rules are put: files of one folder."""

    kind = "folder"

    def listed_as(self, name: str) -> str:
        return f"release-watch-{name}.yaml"


def group(name: str, **labels: str) -> RuleGroup:
    return RuleGroup(name=name, rules=(Rule(alert="Down", expr="up == 0", labels=labels),))


TEXT = to_yaml(
    [group("checkout", service="checkout"), group("payments", service="payments"), group("watchdog")]
)
ENTRY = ActiveRelease(
    release=release("rel-1", "checkout", "payments"),
    services=("checkout",),
    registered_at=NOW,
    artifacts_uri="file:///a",
    rules={"shop": TEXT},
)


def drifts(text: str) -> list[str]:
    live = tuple(rule._replace(file=FILE) for rule in rule_set("shop", text, listed_as=FILE).rules)
    expected = expected_of(ENTRY, CONFIG, target=Target())  # type: ignore[arg-type]
    return [drift.kind for drift in rule_drifts(expected, LiveRules(live))]


def test_what_was_activated_with_the_file_is_not_extra() -> None:
    assert drifts(TEXT) == []


def test_what_somebody_added_to_it_is() -> None:
    added = to_yaml([group("checkout", service="checkout"), group("watchdog"), group("by-hand")])
    assert drifts(added) == ["extra"]

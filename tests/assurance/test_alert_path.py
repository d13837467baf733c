"""The nightly drill, in the world of the drills' own tests."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from release_watch.assurance import alert_path
from release_watch.assurance.alert_path import LONGEST_WITHOUT, Drilled, DrillRecords, drill_in_turn
from release_watch.assurance.registry import ActiveRelease
from release_watch.catalog.policies import QuietHours
from release_watch.drills.history import DrillHistory
from release_watch.drills.plan import DrillRoute
from release_watch.drills.routing import Way
from release_watch.verdict import Verdict
from tests.assurance.fakes import CONFIG, release
from tests.drills.steps import is_clean
from tests.drills.world import START, World

QUIET = QuietHours.model_validate({"from": "02:00", "until": "07:00", "time_zone": "UTC"})


def route(service: str, severity: str = "page") -> DrillRoute:
    labels = {"alertname": "SloBurnRatePage", "service": service, "severity": severity}
    return DrillRoute(service, severity, labels, Way(("oncall",), (severity,)), ("oncall",))  # type: ignore[arg-type]


def active(*services: str, days_ago: float = 1) -> ActiveRelease:
    return ActiveRelease(
        release=release("rel-1", *services),
        services=services,
        registered_at=START - timedelta(days=days_ago),
        artifacts_uri="file:///a",
    )


@pytest.fixture
def history(tmp_path: Path) -> DrillHistory:
    return DrillHistory.under(tmp_path / "artifacts", "production")


@pytest.fixture
def night(tmp_path, history, monkeypatch):
    """Drills what is active, in a world with some switches on."""

    def drill(entry=None, broken=(), quiet=None, routes=None) -> tuple[Drilled | None, World]:
        folder = tmp_path / f"world-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        world = World(folder, frozenset(broken))

        def known(release, services, *_):
            by_service = [route(s.name, severity) for s in services for severity in ("page", "ticket")]
            return by_service if routes is None else routes

        monkeypatch.setattr(alert_path, "drill_routes", known)
        policy = CONFIG.policies.drill.model_copy(update={"quiet_hours": quiet})
        config = CONFIG.model_copy(update={"policies": CONFIG.policies.model_copy(update={"drill": policy})})
        records = DrillRecords(world.receipts, history)
        entries = [entry or active("checkout", "payments")]
        found = drill_in_turn(entries, world, config, START, records, clock=world.clock, pause=world.pause)
        return found, world

    return drill


def test_one_path_of_each_service_is_drilled_and_nobody_has_to_answer(night):
    found, world = night()

    assert {name: one.verdict for name, one in found.objectives.items()} == {
        "checkout": Verdict.GO,
        "payments": Verdict.GO,
    }
    assert [(drill.kind, drill.answer_needed) for drill in found.results.drills] == [("direct", False)] * 2
    assert "page reached oncall after" in found.objectives["checkout"].reason
    assert is_clean(world)
    assert world.reloads == 0


def test_the_next_night_drills_the_other_path(night):
    nights = [night()[0] for _ in range(2)]

    drilled = [{drill.severity for drill in found.results.drills} for found in nights]
    assert sorted(map(sorted, drilled)) == [["page"], ["ticket"]]


@pytest.mark.parametrize("broken", ["dead receiver", "silenced", "elsewhere", "no receipt"])
def test_a_path_that_is_broken_says_why(night, broken):
    found, world = night(broken={broken})

    for objective in found.objectives.values():
        assert objective.verdict is Verdict.NO_GO
        assert len(objective.reason) > 40
    assert is_clean(world)


def test_quiet_hours_hold_the_drill_back_which_is_only_told(night):
    found, world = night(quiet=QUIET)

    for objective in found.objectives.values():
        assert objective.verdict is Verdict.WARN
        assert "Quiet hours" in objective.reason
    assert not world.attempts


def test_a_service_that_was_held_back_for_too_long_needs_a_person(night):
    days = LONGEST_WITHOUT / timedelta(days=1) + 1
    found, _ = night(active("checkout", days_ago=days), quiet=QUIET)

    assert found.objectives["checkout"].verdict is Verdict.INCONCLUSIVE
    assert "8 d ago" in found.objectives["checkout"].reason


def test_a_drill_that_is_on_record_counts_however_old_the_release_is(night):
    days = LONGEST_WITHOUT / timedelta(days=1) + 1
    night(active("checkout", days_ago=days))
    found, _ = night(active("checkout", days_ago=days), quiet=QUIET)

    assert found.objectives["checkout"].verdict is Verdict.WARN


def test_without_services_there_is_nothing_to_drill(night):
    assert night(active().model_copy(update={"services": ()}))[0] is None


def test_a_service_without_a_route_has_no_objective(night):
    found, _ = night(routes=[route("payments")])

    assert set(found.objectives) == {"payments"}


def test_people_read_that_nobody_has_to_answer(night, monkeypatch):
    posted = []
    post = alert_path.fire_direct.__globals__["alertmanager"].post
    monkeypatch.setattr(
        "release_watch.drills.alertmanager.post",
        lambda server, alerts: (posted.extend(alerts), post(server, alerts))[1],
    )
    night()

    words = [alert["annotations"]["description"] for alert in posted if "startsAt" in alert]
    assert words and all("Nothing to do." in text and text.startswith("DRILL") for text in words)

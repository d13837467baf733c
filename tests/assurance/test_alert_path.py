"""The nightly drill, in the world of the drills' own tests."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from release_watch.artifacts.models import Hop
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

    def drill(
        entry=None, broken=(), quiet=None, routes=None, per_night=50, days=0, per_receiver=60
    ) -> tuple[Drilled | None, World]:
        folder = tmp_path / f"world-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        world = World(folder, frozenset(broken))
        world.time = at = START + timedelta(days=days)

        def known(release, services, *_):
            by_service = [route(s.name, severity) for s in services for severity in ("page", "ticket")]
            return by_service if routes is None else routes

        monkeypatch.setattr(alert_path, "drill_routes", known)
        changed = {"quiet_hours": quiet, "per_night": per_night, "per_receiver": per_receiver}
        policy = CONFIG.policies.drill.model_copy(update=changed)
        config = CONFIG.model_copy(update={"policies": CONFIG.policies.model_copy(update={"drill": policy})})
        records = DrillRecords(world.receipts, history)
        entries = entry if isinstance(entry, list) else [entry or active("checkout", "payments")]
        found = drill_in_turn(entries, world, config, at, records, clock=world.clock, pause=world.pause)
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


MANY = tuple(config_service.name for config_service in CONFIG.catalog.services)[:4]


def told(found: Drilled) -> dict[str, tuple[Verdict, str]]:
    return {service: (one.verdict, one.reason) for service, one in found.objectives.items()}


def test_a_night_makes_so_many_drills_and_each_service_has_its_turn(night):
    drilled = []
    for days in range(3):
        found, _ = night(active(*MANY), per_night=2, days=days)
        drilled.append({drill.service for drill in found.results.drills})
        assert set(found.objectives) == set(MANY)

    assert [len(services) for services in drilled] == [2, 2, 2]
    assert drilled[0] | drilled[1] == set(MANY)
    assert drilled[2] == drilled[0]


def test_a_service_whose_turn_is_later_is_told_what_is_known_of_it(night):
    first = told(night(active(*MANY), per_night=2)[0])
    second = told(night(active(*MANY), per_night=2, days=1)[0])

    later = [verdict for verdict, reason in first.values() if "never drilled since" in reason]
    assert later == [Verdict.WARN] * 2
    known = [verdict for verdict, reason in second.values() if "its turn comes within 2 nights" in reason]
    assert known == [Verdict.GO] * 2


def test_what_failed_is_told_until_it_is_drilled_again(night):
    first, _ = night(active(*MANY), {"no receipt"}, per_night=2)
    failed = {drill.service for drill in first.results.drills}
    second, _ = night(active(*MANY), per_night=1, days=1)

    (again,) = [drill.service for drill in second.results.drills]
    assert again in failed
    (waiting,) = failed - {again}
    assert second.objectives[again].verdict is Verdict.GO
    assert second.objectives[waiting].verdict is Verdict.NO_GO
    assert "did not succeed" in second.objectives[waiting].reason


def test_the_path_that_failed_is_drilled_again_before_another_of_the_service(night):
    entry = active("checkout")
    nights = [night(entry, broken, days=days)[0] for days, broken in enumerate(({"no receipt"}, (), ()))]

    first, second, third = (found.results.drills[0].severity for found in nights)
    assert first == second != third


def test_a_turn_that_does_not_come_needs_a_person(night):
    night(active(*MANY), per_night=2)
    found = told(night(active(*MANY), per_night=2, days=40)[0])

    overdue = [reason for verdict, reason in found.values() if verdict is Verdict.INCONCLUSIVE]
    assert len(overdue) == 2
    assert all("raise drill.per_night or per_receiver" in reason for reason in overdue)


def test_where_a_receiver_gets_no_more_drills_the_others_have_their_turn_another_night(night):
    first = night(active(*MANY), per_receiver=3)[0]
    second = night(active(*MANY), per_receiver=3, days=1)[0]

    drilled = [{drill.service for drill in found.results.drills} for found in (first, second)]
    assert [len(services) for services in drilled] == [3, 3]
    assert drilled[0] | drilled[1] == set(MANY)
    assert first.results.not_drilled == ()
    assert Verdict.INCONCLUSIVE not in {one.verdict for one in first.objectives.values()}


def test_what_cannot_be_drilled_takes_no_turn_from_others(night):
    routes = [route(name) for name in MANY]
    routes[0] = routes[0]._replace(obstacle="it tells nobody")
    found, _ = night(active(*MANY), routes=routes, per_night=3)

    assert found.objectives[MANY[0]].verdict is Verdict.NO_GO
    assert [found.objectives[name].verdict for name in MANY[1:]] == [Verdict.GO] * 3


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


def test_a_release_whose_rules_cannot_be_read_takes_no_drill_from_others(night):
    bad = active("checkout").model_copy(update={"rules": {"r": "groups: 7"}})
    found, _ = night([bad, active("payments")])
    assert found.objectives["payments"].verdict is Verdict.GO
    assert found.objectives["checkout"].verdict is Verdict.INCONCLUSIVE
    assert "rule file: has no list" in found.objectives["checkout"].reason


def test_a_release_of_a_service_that_left_the_catalogue_takes_no_drill_from_others(night):
    found, _ = night([active("gone"), active("payments")])
    assert found.objectives["payments"].verdict is Verdict.GO
    assert found.objectives["gone"].verdict is Verdict.INCONCLUSIVE


def test_what_failed_in_the_drill_of_a_release_is_told_until_it_is_drilled_again(night, history):
    entry = active(*MANY)
    first, _ = night(entry, per_night=2)
    (drill, *_) = first.results.drills
    failed = {"drill_id": "20261122T120000Z-full", "kind": "full", "verdict": Verdict.NO_GO}
    hops = drill.hops.model_copy(update={"acknowledged": Hop()})
    history.add(
        first.results.model_copy(update={"drills": (drill.model_copy(update={**failed, "hops": hops}),)})
    )
    found = night(entry, per_night=1, days=1)[0].objectives[drill.service]
    assert found.verdict is Verdict.NO_GO
    assert "20261122T120000Z-full) did not succeed; its turn comes" in found.reason

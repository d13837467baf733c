from __future__ import annotations

from typing import Any

import pytest

from release_watch.artifacts.models import AlertTestResults, CoverageStatus
from release_watch.assurance import night_coverage, reading
from release_watch.assurance.alert_path import Drilled
from release_watch.assurance.dashboards_there import dashboards_there
from release_watch.assurance.drift import Drift, Expected, of_the_night
from release_watch.assurance.nightly import NightReport, night
from release_watch.assurance.quality import collecting
from release_watch.assurance.quality.history import alive_query
from release_watch.assurance.reading import NightReading
from release_watch.assurance.registry import ActiveDashboard, ActiveRelease
from release_watch.assurance.scorecard import slo_lines
from release_watch.errors import BackendError, InvalidInputError, NotConfiguredError
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from release_watch.transport import Answer
from release_watch.verdict import Objective, Verdict
from tests.assurance.fakes import CONFIG, NOW, FakeBackends, FakeMetrics, FakeServer, GoodEvents, release
from tests.gates import artifacts as a

BOARD = ActiveDashboard(uid="red", title="RED")


def targets(value: float) -> list[tuple[dict[str, str], float]]:
    """Return ``up`` of a target of each service."""
    return [({"instance": "one", "job": f"shop/{name}"}, value) for name in ("checkout", "payments")]


HEALTHY = {
    "up{": targets(1.0),
    "Watchdog": [({}, 1.0)],
    "increase": GoodEvents(0.9999),
}


def group(service: str) -> RuleGroup:
    rule = Rule(alert="Down", expr="up == 0", labels={"service": service})
    return RuleGroup(name=f"{service}-symptoms", rules=(rule,))


def entry(release_id: str = "rel-1", services=("checkout", "payments"), **more: Any) -> ActiveRelease:
    given = {
        "release": release(release_id),
        "services": services,
        "registered_at": NOW,
        "artifacts_uri": "file:///a",
        "rules": {"rel-1": to_yaml([group("checkout"), group("payments")])},
        "dashboards": (BOARD,),
    }
    return ActiveRelease.model_validate({**given, **more})


def drift(what: str) -> Drift:
    return Drift(
        key=what, kind="missing", what=what, owner="sre", verdict=Verdict.NO_GO, to_do="activate it again"
    )


@pytest.fixture
def world(monkeypatch):
    """A night in which all is well; tests spoil one answer."""
    found: dict[str, Any] = {"problems": [], "expected": [], "logs": a.check(), "incidents": []}
    found["versions"], found["audits"] = frozenset({"1.1.0"}), []

    def drifts(expected: Expected, _: object) -> tuple[Drift, ...]:
        found["expected"].append(expected)
        if isinstance(found["problems"], Exception):
            raise found["problems"]
        return tuple(drift(what) for what in found["problems"])

    class Tracker:
        def __init__(self, transport: object, policy: object) -> None:
            self.transport, self.policy = transport, policy

        def incidents(self, *_: object) -> list[object]:
            return found["incidents"]

    def audit(_: object, services: Any, *__: object, **___: object) -> object:
        found["audits"].append(len(services))
        logs = a.signal_audit(found["logs"])
        return a.audit(*(a.service_audit(s.name, s.tier.value, logs=logs) for s in services))

    def versions(signals: Any, _: object) -> object:
        return dict.fromkeys(signals, found["versions"])

    monkeypatch.setattr(of_the_night, "drift_of", drifts)
    monkeypatch.setattr(collecting, "tickets_of", Tracker)
    monkeypatch.setattr(night_coverage, "audit", audit)
    monkeypatch.setattr(
        reading, "versions_seen", lambda signals, _: dict.fromkeys(signals, found["versions"])
    )
    found["drilled"] = drilled(checkout=Verdict.GO, payments=Verdict.GO)
    found["metrics"] = FakeMetrics(instants=HEALTHY)
    found["servers"] = {
        "grafana": FakeServer({"/api/search": Answer(200, [{"uid": "red"}])}),
        "tickets": FakeServer(),
    }
    return found


def run(world, *entries: ActiveRelease) -> NightReport:
    backends = FakeBackends(world["metrics"], **world["servers"])
    active = entries or (entry(),)
    return night(active, NightReading(active, backends, CONFIG, NOW), world["drilled"])


def drilled(**verdicts: Verdict) -> Drilled:
    """What drills of these services said."""
    results = AlertTestResults(
        release_id="nightly", environment="production", generated_at=NOW, verdict=Verdict.GO, drills=()
    )
    said = {
        service: Objective(name=f"alert path of {service}", verdict=verdict, reason="as drilled")
        for service, verdict in verdicts.items()
    }
    return Drilled(results, said)


def test_a_good_night_is_go_in_one_line(world):
    report = run(world)
    assert not report.needs_person
    (line,) = report.lines
    assert line.startswith("rel-1 (production; checkout, payments): GO")


@pytest.mark.parametrize("verdict", [Verdict.NO_GO, Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_an_alert_path_that_a_drill_did_not_prove_needs_a_person(world, verdict):
    world["drilled"] = drilled(checkout=Verdict.GO, payments=verdict)
    report = run(world)
    assert report.needs_person
    assert "alert path of payments: as drilled" in report.lines[0]


def test_a_night_without_drills_needs_a_person(world):
    world["drilled"] = None
    report = run(world)
    assert report.needs_person
    assert report.drills == ()


def test_a_critical_service_without_a_route_needs_a_person(world):
    world["drilled"] = drilled(checkout=Verdict.GO)
    assert run(world).needs_person


def test_the_report_holds_the_drills(world):
    assert run(world).drills == (world["drilled"].results,)


def test_no_active_release_needs_nobody(world):
    assert night((), NightReading((), FakeBackends(), CONFIG, NOW), None).needs_person is False
    assert world["expected"] == []


def spoil(world, what: str) -> None:
    if what == "rules":
        world["problems"] = ["Down: is not loaded"]
    elif what == "target":
        world["metrics"].instants["up{"] = targets(0.0)
    elif what == "no target":
        world["metrics"].instants["up{"] = []
    elif what == "dashboard":
        world["servers"]["grafana"].answers = {"/api/search": Answer(200, [])}
    elif what == "coverage":
        world["logs"] = a.check("live", CoverageStatus.FAIL)
    elif what == "watchdog":
        world["metrics"].instants["Watchdog"] = []
    elif what == "prometheus":
        world["metrics"].instants = dict.fromkeys(HEALTHY, BackendError("Prometheus", "is down"))
    elif what.endswith("version"):
        world["versions"] = frozenset({"1.0.0"} if what == "version" else ())
    elif what == "grafana":
        del world["servers"]["grafana"]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("rules", "Down: is not loaded"),
        ("target", "down: one"),
        ("no target", "no scrape target"),
        ("dashboard", "Grafana has no dashboard red"),
        ("version", "only version 1.0.0"),
        ("no version", "no version is in"),
        ("coverage", "live: seen FAIL"),
        ("watchdog", "Watchdog does not fire"),
        ("prometheus", "is down"),
        ("grafana", "grafana_default"),
    ],
)
def test_what_is_broken_needs_a_person_and_is_named_in_the_line(world, what, words):
    spoil(world, what)
    report = run(world)
    assert report.needs_person
    assert words in report.lines[0]
    assert "a person must act" in report.lines[0]


@pytest.mark.parametrize("what", ["tickets", "budget"])
def test_what_is_only_advice_is_told_and_fails_no_night(world, what):
    if what == "tickets":
        del world["servers"]["tickets"]
    else:
        world["metrics"].instants["increase"] = GoodEvents(0.5)
    report = run(world)
    assert not report.needs_person
    verdicts = {o.verdict for o in report.releases[0].decision.objectives}
    assert verdicts == {Verdict.GO, Verdict.INCONCLUSIVE if what == "tickets" else Verdict.WARN}


def test_a_backend_that_fails_hides_none_of_the_other_checks(world):
    world["problems"] = BackendError("Prometheus", "timed out")
    (found,) = run(world).releases
    by_name = {o.name: o.verdict for o in found.decision.objectives}
    assert by_name["drift"] is Verdict.INCONCLUSIVE
    assert by_name["dashboard RED"] is Verdict.GO
    assert by_name["dead man's switch"] is Verdict.GO


def test_a_check_that_breaks_is_an_error_and_hides_none_of_the_others(world):
    world["problems"] = ZeroDivisionError("oops")
    (found,) = run(world).releases
    by_name = {o.name: o.verdict for o in found.decision.objectives}
    assert by_name["drift"] is Verdict.ERROR
    assert by_name["coverage"] is Verdict.GO


def test_one_cause_is_told_once_however_many_checks_it_touches(world):
    spoil(world, "prometheus")
    (line,) = run(world).lines
    assert line.count("is down") == 1


def test_many_causes_are_counted_but_not_all_told(world):
    world["problems"] = [f"rule {n}: is not loaded" for n in range(10)]
    (line,) = run(world).lines
    assert "rule 0: is not loaded" in line
    assert "and 9 like it" in line
    assert "rule 9" not in line


def test_the_line_names_three_checks_and_counts_the_others(world):
    for what in ("rules", "target", "dashboard", "watchdog"):
        spoil(world, what)
    (line,) = run(world).lines
    assert "and 1 more, see the report" in line


def test_a_release_of_an_unknown_service_is_told_and_the_others_are_still_checked(world):
    report = run(world, entry("gone", ("no-such-service",)), entry())
    assert [night.needs_person for night in report.releases] == [True, False]
    assert "no-such-service" in report.lines[0]


def test_rules_that_a_newer_release_took_over_are_not_missed(world):
    run(world, entry(services=("payments",)))
    asked = world["expected"][0]
    assert {rule.group.name for rule in asked.rules} == {"payments-symptoms"}


def test_a_release_without_registered_rules_needs_a_person(world):
    assert run(world, entry(rules={})).needs_person


def test_dashboards_that_were_never_activated_are_a_warning(world):
    report = run(world, entry(dashboards=()))
    assert (report.needs_person, report.releases[0].decision.verdict) == (False, Verdict.WARN)


def test_the_report_can_be_stored_and_read_again(world):
    report = run(world)
    assert NightReport.model_validate_json(report.model_dump_json()) == report


def many(number: int) -> list[ActiveRelease]:
    """Return so many releases, which share the services of the catalogue."""
    return [entry(f"rel-{n}", ("checkout", "payments")) for n in range(number)]


def test_a_server_is_asked_no_more_often_for_many_releases_than_for_one(world):
    calls = []
    for number in (1, 50):
        world["metrics"].queries.clear()
        world["servers"]["grafana"].requests.clear()
        run(world, *many(number))
        calls.append((len(world["metrics"].queries), len(world["servers"]["grafana"].requests)))
    assert calls[0] == calls[1]


def test_the_budgets_of_the_scorecards_are_those_that_the_checks_asked_for(world):
    reading = NightReading((entry(),), FakeBackends(world["metrics"], **world["servers"]), CONFIG, NOW)
    of_checks = reading.budgets(("checkout",))
    asked = len(world["metrics"].queries)
    lines = slo_lines(
        CONFIG, reading.services, FakeBackends(), NOW, "production", measured=reading.budget_trend()
    )
    assert len(world["metrics"].queries) == asked
    left = {line.slo: line.budget_left for line in lines}
    assert all(left[one.slo] == one.budget_left for one in of_checks)
    assert all(len(line.trend) == 4 for line in lines)


def test_a_server_that_is_away_is_asked_once_and_told_for_every_release(world):
    world["servers"]["grafana"].answers = {"/api/search": BackendError("Grafana", "is away")}
    report = run(world, *many(5))
    assert len(world["servers"]["grafana"].requests) == 1
    assert all("Grafana: is away" in line for line in report.lines)
    assert all(any(o.name == "coverage" for o in night.decision.objectives) for night in report.releases)


def test_silences_are_asked_for_once_for_drift_and_for_pages(world):
    world["servers"] |= {
        "alertmanager": FakeServer({"/api/v2/silences": Answer(200, [])}),
        "amtool": FakeServer(),
    }
    backends = FakeBackends(world["metrics"], **world["servers"])
    looked_at = NightReading((entry(),), backends, CONFIG, NOW)
    night((entry(),), looked_at, world["drilled"])
    asked = [path for _, path in world["servers"]["alertmanager"].requests]
    assert asked.count("/api/v2/silences") == 1
    assert (
        looked_at.history.correlation(["checkout"]).report.queries["silences"]
        == "http://server/api/v2/silences"
    )
    assert not any(alive_query("production") in query for query in world["metrics"].queries)


def test_a_young_release_is_audited_by_itself_as_its_version_is_part_of_that(world):
    young = entry(release=release("young", "checkout", days_ago=0.01), services=("checkout",))
    world["versions"] = frozenset({"1.0.0"})
    settled, fresh = run(world, entry(services=("payments",)), young).releases
    assert any("version of payments" in o.name for o in settled.decision.failures)
    assert not any("version of" in o.name for o in fresh.decision.failures)


def test_many_young_releases_take_no_more_audits_than_some(world):
    hours = [number / 200 for number in range(1, 201)]
    young = [entry(f"rel-{hour}", release=release(f"rel-{hour}", days_ago=hour / 24)) for hour in hours]
    report = run(world, entry(), *young)
    quarters = 5
    assert len(world["audits"]) == night_coverage.MOST_ALONE + quarters + 1
    assert sum(world["audits"]) == 2 * (len(young) + 1)
    assert {night.decision.verdict for night in report.releases} == {Verdict.GO}


@pytest.mark.parametrize("pages", [0, 1, 2])
def test_all_pages_of_dashboards_are_read(pages):
    full = [{"uid": f"u{n}"} for n in range(5000)]

    class Paged:
        base_url = "http://grafana"

        def request(self, method: str, path: str, params: Any = None, **_: object) -> Answer:
            assert (method, path) == ("GET", "/api/search")
            return Answer(200, full if params["page"] <= pages else [{"uid": "last"}])

    assert "last" in dashboards_there(Paged())


def test_a_service_without_a_connection_is_told_and_hides_no_other(world):
    class OneMissing(FakeBackends):
        def metrics(self, service: Any = None) -> FakeMetrics:
            if service is not None and service.name == "payments":
                raise NotConfiguredError("prometheus_of_payments", "its metrics")
            return super().metrics(service)

    active = (entry(services=("checkout",)), entry("other", ("payments",)))
    backends = OneMissing(world["metrics"], **world["servers"])
    report = night(active, NightReading(active, backends, CONFIG, NOW), world["drilled"])
    found = {release.release_id: release for release in report.releases}
    assert "targets of checkout" in {
        o.name for o in found["rel-1"].decision.objectives if o.verdict is Verdict.GO
    }
    assert "prometheus_of_payments" in found["other"].line


def test_a_release_that_cannot_be_audited_hides_the_coverage_of_no_other(world, monkeypatch):
    audited = night_coverage.audit

    def audit(of: Any, *more: Any, **options: Any) -> Any:
        if of.release_id == "ahead":
            raise InvalidInputError(["deployed_at: is not before the audit; check the clock"])
        return audited(of, *more, **options)

    monkeypatch.setattr(night_coverage, "audit", audit)
    ahead = entry(release=release("ahead", "checkout", days_ago=0.01), services=("checkout",))
    active = (ahead, entry(services=("payments",)))
    backends = FakeBackends(world["metrics"], **world["servers"])
    looked_at = NightReading(active, backends, CONFIG, NOW)
    night(active, looked_at, world["drilled"])
    assert [one.service for one in looked_at.coverage.audit().services] == ["payments"]
    assert looked_at.coverage.audit(["checkout"]) is None


def test_the_dead_mans_switch_of_another_environment_on_the_server_proves_nothing(world):
    run(world)
    (asked,) = [query for query in world["metrics"].queries if "Watchdog" in query and "ALERTS{" in query]
    assert 'environment="production"' in asked

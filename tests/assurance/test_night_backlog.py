"""What a night adds to the backlog, and which causes it may call gone."""

from __future__ import annotations

from release_watch.assurance.backlog.of_the_night import night_items, night_scope
from release_watch.assurance.nightly import NightReport, ReleaseNight
from release_watch.assurance.schedule import CHECKS
from release_watch.verdict import Decision, Objective, Verdict
from tests.assurance.fakes import CONFIG, NOW
from tests.assurance.test_correlation import WINDOW, correlate
from tests.gates import artifacts as a

GAP = a.audit(a.service_audit("checkout", logs=a.signal_audit(a.check("live", "FAIL"))))


def report(services: tuple[str, ...] = ("checkout",), **verdicts: Verdict) -> NightReport:
    """Return a night in which each check had one objective, GO unless ``verdicts`` say otherwise."""
    objectives = {
        check.name: Objective(
            name=f"{check.name} of checkout", verdict=verdicts.get(check.name, Verdict.GO), reason="as it is"
        )
        for check in CHECKS
    }
    night = ReleaseNight(
        release_id="rel-1",
        environment="production",
        services=services,
        decision=Decision.over(objectives.values()),
        needs_person=False,
        checks={name: (objective.name,) for name, objective in objectives.items()},
    )
    return NightReport(generated_at=NOW, releases=(night,))


def test_a_failed_check_is_an_item_of_the_service_that_it_names() -> None:
    (item,) = night_items(report(targets=Verdict.NO_GO), None, None, None, CONFIG)
    assert (item.service, item.priority) == ("checkout", "high")
    assert item.owner == CONFIG.catalog.get("checkout").owner
    assert "as it is" in item.evidence


def test_what_concerns_no_service_is_for_the_role_of_its_check() -> None:
    (item,) = night_items(report(("payments",), dead_mans_switch=Verdict.NO_GO), None, None, None, CONFIG)
    assert (item.service, item.owner) == ("", "oncall")


def test_a_coverage_gap_is_the_same_item_as_that_of_a_run() -> None:
    from release_watch.assurance.backlog import backlog_items

    (of_run,) = backlog_items(GAP, None, None, None, CONFIG)
    (of_night,) = night_items(report(coverage=Verdict.NO_GO), GAP, None, None, CONFIG)
    assert of_night.item_id == of_run.item_id


def test_the_same_trouble_has_the_same_id_in_the_next_night_whatever_its_words() -> None:
    first = night_items(report(targets=Verdict.NO_GO), None, None, None, CONFIG)
    later = night_items(report(targets=Verdict.ERROR), None, None, None, CONFIG)
    assert [item.item_id for item in first] == [item.item_id for item in later]


def test_a_check_without_an_answer_closes_nothing() -> None:
    scope = night_scope(report(targets=Verdict.INCONCLUSIVE), None, None, None)
    assert not scope.holds("night-targets", "checkout")
    assert scope.holds("night-dashboards", "checkout")
    assert not scope.holds("coverage", "checkout")


def test_what_was_looked_at_is_within_the_scope_for_its_services_only() -> None:
    scope = night_scope(report(), GAP, None, correlate([], [], window=WINDOW))
    assert scope.holds("coverage", "checkout")
    assert scope.holds("tuning", "checkout")
    assert not scope.holds("coverage", "payments")


def test_of_alert_paths_only_those_that_were_drilled_tonight_are_within_the_scope() -> None:
    scope = night_scope(report(("checkout", "payments")), None, a.results(a.drill()), None)
    assert scope.holds("drill", "checkout")
    assert not scope.holds("drill", "payments")

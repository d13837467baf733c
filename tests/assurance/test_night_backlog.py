"""What a night adds to the backlog, and which causes it may call gone."""

from __future__ import annotations

from typing import Any

from release_watch.assurance.backlog.of_the_night import night_items, night_scope
from release_watch.assurance.drift import Drift
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


def drift(key: str, what: str, kind: Any = "edited", verdict: Verdict = Verdict.NO_GO) -> Drift:
    return Drift(
        key=key,
        kind=kind,
        what=what,
        owner="team-orders",
        service="checkout",
        verdict=verdict,
        to_do="activate it again",
    )


def drifted(*found: Drift) -> NightReport:
    (night,) = report().releases
    return NightReport(generated_at=NOW, releases=(night.model_copy(update={"drift": found}),))


def test_rules_of_a_service_that_drifted_alike_are_one_item_however_many() -> None:
    many = [drift(f"rule:slo/Burn{number}:0", f"alert Burn{number}: for differs") for number in range(20)]
    (item,) = night_items(drifted(*many), None, None, None, CONFIG)
    assert item.title == "checkout: rules are live with another meaning than activated"
    assert (item.service, item.owner, item.priority) == ("checkout", "team-orders", "high")
    assert "alert Burn2: for differs; and 17 more, each with its diff" in item.evidence
    assert "Burn3" not in item.evidence
    assert item.evidence.endswith("activate it again")


def test_the_item_of_drifted_rules_keeps_its_id_when_others_drift() -> None:
    first = night_items(drifted(drift("rule:slo/A:0", "alert A")), None, None, None, CONFIG)
    later = night_items(drifted(drift("rule:slo/B:0", "alert B")), None, None, None, CONFIG)
    missing = night_items(drifted(drift("rule:slo/B:0", "alert B", "missing")), None, None, None, CONFIG)
    assert first[0].item_id == later[0].item_id != missing[0].item_id


def test_words_alone_that_differ_are_of_medium_priority_unless_a_meaning_does_too() -> None:
    mild = drift("rule:slo/A:0", "alert A: annotations differ", verdict=Verdict.WARN)
    grave = drift("rule:slo/B:0", "alert B: expression differs")
    assert [i.priority for i in night_items(drifted(mild), None, None, None, CONFIG)] == ["medium"]
    assert [i.priority for i in night_items(drifted(mild, grave), None, None, None, CONFIG)] == ["high"]


def test_what_drifted_beside_rules_is_an_item_of_its_own() -> None:
    route = drift("route:checkout:page:oncall", "pages of checkout reach nobody")
    silence = drift("silence:1:checkout", "all pages of checkout are silenced", "muted")
    items = night_items(drifted(route, silence), None, None, None, CONFIG)
    assert {item.title for item in items} == {route.line, silence.line}
    assert all(item.evidence == "nightly assurance: activate it again" for item in items)


def test_coverage_of_a_service_that_was_not_audited_closes_nothing() -> None:
    scope = night_scope(report(("checkout", "payments")), GAP, None, None)
    assert scope.holds("coverage", "checkout")
    assert not scope.holds("coverage", "payments")


def test_a_night_closes_only_what_was_said_of_the_paths_that_it_drilled() -> None:
    page, ticket = a.drill(), a.drill(severity="ticket")
    (of_page,) = night_items(
        report(), None, a.results(page.model_copy(update={"verdict": Verdict.NO_GO})), None, CONFIG
    )
    assert night_scope(report(), None, a.results(page), None).holds("drill", "checkout", of_page.item_id)
    assert not night_scope(report(), None, a.results(ticket), None).holds(
        "drill", "checkout", of_page.item_id
    )


def test_a_route_that_was_not_drilled_is_one_item_of_its_service_whenever_it_was_held_back() -> None:
    held = (f"checkout page to oncall: Quiet hours hold until 2026-11-{day}T07:00:00Z." for day in (22, 23))
    first, later = (
        night_items(report(), None, a.results(not_drilled=(words,)), None, CONFIG)[0] for words in held
    )
    assert first.item_id == later.item_id
    assert first.service == "checkout"
    elsewhere = night_scope(report(), None, a.results(a.drill(severity="ticket")), None)
    assert not elsewhere.holds("not_drilled", "checkout", first.item_id)
    there = night_scope(report(), None, a.results(a.drill(receiver="oncall")), None)
    assert there.holds("not_drilled", "checkout", first.item_id)


def test_a_server_that_is_away_is_one_item_of_a_check_and_not_one_of_each_slo() -> None:
    (night,) = report(("checkout", "payments")).releases
    slos = [
        Objective(name=f"SLO {name}", verdict=Verdict.INCONCLUSIVE, reason=reason)
        for name, reason in [("a", "is away"), ("b", "is away"), ("c", "no events of this SLO in the window")]
    ]
    changed = night.model_copy(
        update={
            "decision": Decision.over([*night.decision.objectives, *slos]),
            "checks": {**night.checks, "budgets": tuple(objective.name for objective in slos)},
        }
    )
    found = night_items(NightReport(generated_at=NOW, releases=(changed,)), None, None, None, CONFIG)
    assert sorted(item.title for item in found) == [
        "SLO c: error budgets are not used up does not hold",
        "budgets: cannot be told",
    ]
    (together,) = [item for item in found if item.title.startswith("budgets")]
    assert "SLO a, SLO b: is away" in together.evidence


def test_a_backend_that_is_away_is_one_item_of_a_signal_and_closes_no_gap() -> None:
    away = a.signal_audit(a.check("backend", "INCONCLUSIVE"))
    silent = a.audit(a.service_audit("checkout", logs=away), a.service_audit("payments", logs=away))
    (item,) = night_items(report(("checkout", "payments")), silent, None, None, CONFIG)
    assert (item.service, item.title) == ("", "coverage: no backend answers for logs")
    scope = night_scope(report(("checkout", "payments")), silent, None, None)
    assert not scope.holds("coverage", "checkout")
    alone = a.audit(a.service_audit("checkout", logs=away), a.service_audit("payments"))
    (own,) = night_items(report(("checkout", "payments")), alone, None, None, CONFIG)
    assert own.service == "checkout"

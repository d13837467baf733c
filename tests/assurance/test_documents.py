"""Tuning report, scorecard and backlog: what people read."""

from __future__ import annotations

from datetime import timedelta

import pytest

from release_watch.artifacts.models import (
    Finding,
    FindingState,
    Hop,
    Hops,
    MonitoringResults,
    Severity,
    Window,
)
from release_watch.assurance.backlog import Origin, amended, backlog_items
from release_watch.assurance.scorecard import (
    DriftCount,
    Earlier,
    Sources,
    changes,
    scorecard,
    scorecard_markdown,
    slo_lines,
)
from release_watch.assurance.scorecard.picture import draw
from release_watch.assurance.tuning.advice import judge_tuning, proposals
from release_watch.assurance.tuning.report import tuning_report
from release_watch.catalog.waivers import Waiver
from release_watch.errors import BackendError
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from release_watch.verdict import Verdict
from tests.assurance.fakes import CONFIG, NOW, FakeBackends, FakeMetrics, GoodEvents, release
from tests.assurance.test_correlation import WINDOW, alert, correlate, incident
from tests.gates import artifacts as a

NOISE = [alert(n * 100, n * 100 + 1) for n in range(4)]
GAP = a.audit(a.service_audit("checkout", logs=a.signal_audit(a.check("live", "FAIL"))))

LESS = a.audit(a.service_audit("checkout").model_copy(update={"score": 0.5}))


def finding(state: FindingState = FindingState.OPEN, reason: str = "p95 doubled") -> Finding:
    return Finding(
        finding_id="F-1",
        service="checkout",
        metric="latency_p95_seconds",
        severity=Severity.MAJOR,
        first_seen=NOW,
        last_seen=NOW,
        state=state,
        reason=reason,
        evidence=(),
    )


def monitoring(*findings: Finding) -> MonitoringResults:
    window = Window(start=NOW - timedelta(hours=1), end=NOW)
    return MonitoringResults(**a.HEAD, verdict=Verdict.GO, window=window, reviews=(), findings=findings)


class TestTuningReport:
    def report(self, correlation, **more):
        return tuning_report(release(), correlation, CONFIG, NOW, **more)

    def test_begins_with_release_environment_and_time(self):
        text = self.report(correlate([], [], window=WINDOW))
        for line in (
            "release_id: rel-1",
            "environment: production",
            "generated_at: 2026-11-22T12:00:00.000Z",
        ):
            assert f"- {line}" in text

    def test_proposes_a_change_for_a_noisy_alert_and_a_blind_spot(self):
        correlation = correlate(NOISE, [incident(700, 720, ref="T-9")], window=WINDOW)
        text = self.report(correlation)
        assert "only 0% (0 of 4" in text
        assert "incident T-9" in text
        assert {p.service for p in proposals(correlation)} == {"checkout"}
        assert judge_tuning(correlation).verdict is Verdict.WARN

    def test_never_proposes_to_loosen_a_page_without_a_look_at_the_past(self):
        (proposal,) = proposals(correlate(NOISE, [], window=WINDOW))
        assert "no incident of the past" in proposal.change

    def test_says_that_nothing_was_reviewed_and_why(self):
        text = self.report(correlate(NOISE, None, window=WINDOW, problem="add tickets_default"))
        assert "Not reviewed" in text
        assert "add tickets_default" in text
        assert "precision: unknown" in text

    def test_tells_what_alerts_cost_people(self):
        text = self.report(correlate([alert(10, 20)], [incident(15, 60)], window=WINDOW))
        for words in (
            "| pages | 1 |",
            "| pages per shift |",
            "| duplicates | 0 |",
            "| firings that nobody acted on | 0 |",
            "| first alert to the ticket | 300 s (median of 1) |",
            "| first alert to the acknowledgement | unknown |",
        ):
            assert words in text

    def test_without_alertmanager_it_says_that_silenced_firings_count_as_pages(self):
        assert "silences are not known" in self.report(correlate(NOISE, [], window=WINDOW))

    def test_without_a_tracker_pages_are_told_and_what_tickets_tell_is_unknown(self):
        text = self.report(correlate(NOISE, None, window=WINDOW, problem="add tickets_default"))
        assert "| pages | 4 |" in text
        assert "| firings that nobody acted on | unknown |" in text

    def test_documents_thresholds_objectives_and_adjustments(self):
        rule = Rule(alert="HighErrorRate", expr="errors > 0.1", hold="5m", labels={"service": "checkout"})
        text = self.report(
            correlate([], [], window=WINDOW),
            rules=[to_yaml([RuleGroup(name="g", rules=(rule,))])],
            adjustments=["HighErrorRate: 0.05 -> 0.1, approved by ada"],
        )
        assert "errors &gt; 0.1" in text
        assert "approved by ada" in text
        assert all(slo.name in text for slo in CONFIG.slos_of(["checkout", "payments"]))

    def test_tells_a_threshold_in_the_words_of_the_rule_and_how_it_was_tuned(self):
        words = {"threshold": "more than 5 % of requests", "tuned": "for: 5m to 10m"}
        rule = Rule(alert="HighErrorRate", expr="a" * 500, labels={"service": "checkout"}, annotations=words)
        rules = [to_yaml([RuleGroup(name="g", rules=(rule,))])]
        text = self.report(correlate([], [], window=WINDOW), rules=rules)
        assert "| more than 5 % of requests (tuned: for: 5m to 10m) |" in text
        assert "aaa" not in text

    def test_a_quiet_week_is_told_in_words(self):
        text = self.report(correlate([], [], window=WINDOW))
        assert "No alert fired in this window." in text
        assert "None: nothing that fired, and no incident, asks for a change." in text
        assert "None of these has been replayed" not in text

    @pytest.mark.parametrize("notes", [(), ("in 3 of 168 hours nothing is known",)])
    def test_report_script_and_night_come_to_the_same_verdict(self, notes):
        for correlation in (
            correlate([], [], window=WINDOW, notes=notes),
            correlate(NOISE, [incident(700, 720)], window=WINDOW, notes=notes),
            correlate(NOISE, None, window=WINDOW, problem="add tickets_default", notes=notes),
        ):
            assert judge_tuning(correlation).verdict is correlation.verdict

    def test_text_from_tickets_cannot_break_the_table(self):
        evil = incident(700, 720, ref="T|1")._replace(title="<script>|`x`\n# gone")
        row = next(
            line
            for line in self.report(correlate([], [evil], window=WINDOW)).splitlines()
            if "T" in line and "script" in line
        )
        assert "<script>" not in row
        assert "\\|" in row


def backlog_text(existing, items, at):
    return amended(existing, items, Origin("production", "rel-1"), at).text


class TestBacklog:
    def items(self, audit=None, results=None, monitoring_results=None, correlation=None):
        return backlog_items(audit, results, monitoring_results, correlation, CONFIG)

    def test_each_cause_becomes_an_item_with_the_owner_of_the_service(self):
        failed = a.drill(verdict=Verdict.NO_GO, diagnosis="silenced", service="payments")
        items = self.items(
            GAP,
            a.results(failed, not_drilled=("ticket route",)),
            monitoring(finding(), finding(FindingState.RESOLVED)),
            correlate(NOISE, [], window=WINDOW),
        )
        kinds = [
            "logs gap of checkout",
            "path of payments",
            "route drillable",
            "is worse since",
            "HighErrorRate",
        ]
        assert len(items) == len(kinds)
        for words in kinds:
            assert [words in item.title for item in items].count(True) == 1
        owner = {service.name: service.owner for service in CONFIG.catalog.services}
        assert {i.owner for i in items if "checkout" in i.title} == {owner["checkout"]}
        assert [i.priority for i in items] == sorted(
            (i.priority for i in items), key=["high", "medium"].index
        )

    def test_a_drill_that_only_just_passed_is_an_item(self):
        hops = a.drill().hops.model_copy(update={"acknowledged": Hop(at=NOW, latency=55.0)})
        (item,) = self.items(results=a.results(a.drill(hops=hops)))
        assert "55 s of 60 s" in item.evidence
        assert self.items(results=a.results(a.drill())) == []

    def test_a_drill_that_was_held_back_is_one_item(self):
        held = a.drill(hops=Hops(), verdict=Verdict.INCONCLUSIVE, diagnosis="Held back: quiet hours")
        (item,) = self.items(results=a.results(held, not_drilled=("checkout page: Held back: quiet hours",)))
        assert "quiet hours" in item.title

    def test_a_missing_tracker_is_an_item(self):
        (item,) = self.items(correlation=correlate([], None, window=WINDOW, problem="add tickets_default"))
        assert "tickets_default" in item.evidence

    def test_ids_stay_the_same_while_the_evidence_changes(self):
        first = self.items(monitoring_results=monitoring(finding(reason="p95 doubled")))
        later = self.items(monitoring_results=monitoring(finding(reason="p95 tripled")))
        assert [i.item_id for i in first] == [i.item_id for i in later]

    def test_appending_twice_adds_nothing(self):
        items = self.items(GAP)
        once = backlog_text(None, items, NOW)
        assert backlog_text(once, items, NOW + timedelta(days=1)) == once
        assert once.count("## RW-") == len(items) == 1

    def test_what_people_wrote_survives_and_new_items_come_after_it(self):
        edited = backlog_text(None, self.items(GAP), NOW).replace("state: open", "state: done")
        text = backlog_text(
            edited + "\nSee JIRA-1.\n",
            self.items(GAP, monitoring_results=monitoring(finding())),
            NOW,
        )
        assert "state: done" in text
        assert text.index("See JIRA-1.") < text.rindex("## RW-")
        assert text.count("## RW-") == 2

    def test_an_empty_backlog_is_a_document_that_says_so_once(self):
        text = backlog_text(None, [], NOW)
        assert "Nothing is outstanding" in text
        assert backlog_text(text, [], NOW + timedelta(days=1)) == text

    def test_text_from_outside_is_one_inert_line(self):
        evil = finding(reason="x\n## RW-0000000000: fake <b>")
        text = backlog_text(None, self.items(monitoring_results=monitoring(evil)), NOW)
        assert text.count("\n## RW-") == 1
        assert "<b>" not in text


class TestScorecard:
    def made(self, backends=None, config=CONFIG, drift=None, **changes):
        given = {
            "audit": a.audit(a.service_audit("checkout"), a.service_audit("payments")),
            "results": a.results(a.drill()),
            "monitoring": monitoring(finding()),
            "correlation": correlate([alert(10, 20)], [incident(15, 60)], window=WINDOW),
        } | changes
        backlog = tuple(backlog_items(*given.values(), config))
        sources = Sources(**given, drift=drift, backlog=backlog)
        metrics = FakeMetrics(instants={"increase": GoodEvents(0.9995)})
        services = config.catalog.select(release().services)
        slos = slo_lines(config, services, backends or FakeBackends(metrics), NOW, "production")
        return scorecard(release(), config, sources, slos, NOW)

    def card(self, *given, **changes):
        return scorecard_markdown(self.made(*given, **changes))

    def test_shows_attainment_with_budget_and_query(self):
        text = self.card()
        for slo in CONFIG.slos_of(["checkout", "payments"]):
            left = 1 - 0.0005 / float(1 - slo.objective)
            row = next(line for line in text.splitlines() if f"| {slo.name} |" in line)
            assert "99.950%" in row
            assert f"{left:.1%}" in row
            (query,) = (line for line in text.splitlines() if line.startswith(f"- {slo.name}: "))
            assert "increase(" in query

    def test_shows_coverage_precision_drills_risks_and_backlog(self):
        text = self.card()
        for words in ("| coverage | 100% |", "100% (1 of 1", "p95 doubled", "pager", "RW-"):
            assert words in text

    def test_nobody_has_to_acknowledge_a_ticket(self):
        hops = a.drill().hops.model_copy(update={"acknowledged": Hop()})
        text = self.card(results=a.results(a.drill(severity="ticket", hops=hops)))
        row = next(line for line in text.splitlines() if "| checkout | ticket |" in line)
        assert "| not needed |" in row

    @pytest.mark.parametrize(
        ("name", "headline"),
        [
            ("audit", "coverage"),
            ("results", "alert drills"),
            ("monitoring", "open risks"),
            ("correlation", "alert recall"),
        ],
    )
    def test_what_is_not_there_is_called_unknown(self, name, headline):
        assert f"| {headline} | unknown |" in self.card(**{name: None})

    def test_a_prometheus_that_is_down_is_said_and_hides_nothing_else(self):
        down = FakeMetrics(instants={"increase": BackendError("Prometheus", "did not answer")})
        text = self.card(FakeBackends(down))
        assert "unknown: Prometheus: did not answer" in text
        assert "100% (1 of 1" in text

    def test_shows_waivers_with_who_and_until_when(self):
        given = {"granted_by": "ada", "reason": "legacy"}
        waivers = tuple(
            Waiver(subject=subject, service=service, expires_at=NOW + timedelta(days=days), **given)
            for subject, service, days in [
                ("traces of checkout", "checkout", 1),
                ("old one", None, -1),
                ("another's", "mail", 1),
            ]
        )
        text = self.card(config=CONFIG.model_copy(update={"waivers": waivers}))
        assert "| traces of checkout | checkout | ada | legacy | 2026-11-23" in text
        assert "EXPIRED 2026-11-21" in text
        assert "another's" not in text
        assert "| waivers | 2, 1 of them expired |" in text

    def test_drift_is_counted_by_kind(self):
        text = self.card(drift=DriftCount(by_kind={"edited": 2, "missing": 1, "extra": 0}, behind="night"))
        assert "| drift | 3 (2 edited, 1 missing) | night |" in text

    def test_the_trend_is_measured_in_the_past(self):
        class Falling(FakeMetrics):
            def instant(self, query, at=None):
                self.instants["increase"] = GoodEvents(0.999 + 0.0001 * (NOW - at).days)
                return super().instant(query, at)

        text = self.card(FakeBackends(Falling()))
        assert "points in 7 d" in text
        assert "| -" in text

    def test_of_a_young_slo_it_says_that_nothing_was_measured_before(self):
        class Young(FakeMetrics):
            def instant(self, query, at=None):
                self.instants["increase"] = GoodEvents(0.9999) if at == NOW else []
                return super().instant(query, at)

        assert "| unknown: nothing was measured 1 d ago |" in self.card(FakeBackends(Young()))

    def test_shows_pages_times_and_what_nobody_acted_on(self):
        text = self.card(correlation=correlate(NOISE, [incident(100, 101)], window=WINDOW))
        assert "| pages per shift | 2.00 (in all 4, at night 0, silences not known) |" in text
        assert "| first alert to acknowledgement | unknown |" in text
        assert "| alerts nobody acted on | 3 |" in text

    def test_one_that_was_written_before_pages_were_told_is_still_read(self):
        made = self.made()
        new = {"paging", "times", "not_acted_on"}
        names = ("pages per shift", "impact to first alert", "first alert to ack", "alerts nobody")
        numbers = tuple(one for one in made.numbers if not one.name.startswith(names))
        earlier = type(made).model_validate_json(
            made.model_copy(update={"numbers": numbers}).model_dump_json(exclude=new)
        )
        assert (earlier.paging, earlier.times, earlier.not_acted_on) == (None, None, None)
        text = scorecard_markdown(made, [Earlier("the last night", earlier)])
        assert "not there before" in text
        assert draw(earlier).startswith(b"\x89PNG")

    def test_is_the_same_after_a_round_through_json(self):
        made = self.made()
        assert type(made).model_validate_json(made.model_dump_json()) == made

    @pytest.mark.parametrize(
        ("changed", "name", "words"),
        [
            ({"monitoring": monitoring()}, "open risks", "better; was 1"),
            ({"audit": LESS}, "coverage", "worse; was 100%"),
            ({"correlation": None}, "alert recall", "unknown; was 100%"),
            ({}, "backlog items", "same"),
        ],
        ids=["fewer-risks", "less-coverage", "not-known-now", "nothing-changed"],
    )
    def test_is_compared_with_an_earlier_one(self, changed, name, words):
        before, after = self.made(), self.made(**changed)
        found = next(change for change in changes(after, before) if change.number.name == name)
        assert words in found.shown
        assert words in scorecard_markdown(after, [Earlier("the last night", before)])

    def test_is_drawn_with_and_without_data(self):
        empty = self.made(audit=None, results=None, monitoring=None, correlation=None)
        for card in (self.made(), empty, empty.model_copy(update={"slos": ()})):
            assert draw(card).startswith(b"\x89PNG")
            assert draw(card) == draw(card)

    def test_what_servers_say_is_drawn_as_it_is_and_is_no_formula(self):
        said = DriftCount(by_kind={"unknown": 1}, behind="night", reasons=(r"$\frac$",))
        card = self.made(drift=said)
        evil = card.slos[0].model_copy(update={"slo": r"$\x^^$"})
        assert draw(card.model_copy(update={"slos": (evil,)})).startswith(b"\x89PNG")

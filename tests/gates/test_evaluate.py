from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_watch.artifacts.models import BaselineKind, FindingState, Hop, Hops, Severity
from release_watch.gates import suites
from release_watch.gates.demands import DEMANDS, Demand
from release_watch.gates.evaluate import evaluate_gate
from release_watch.gates.rows import row, table
from release_watch.gates.tables import gate_1_table, gate_2_table, gate_3_table, gate_4_table
from release_watch.verdict import Decision, Objective, Verdict
from tests.gates import artifacts as a

DIGEST = "d" * 64
GO_PANEL = Objective(name="panel: errors", verdict=Verdict.GO, reason="12 samples")
GO_BOARD = Objective(name="board: RED", verdict=Verdict.GO, reason="read back")


def gate_1(*services, digest=DIGEST, named=("checkout",)) -> Decision:
    return evaluate_gate(1, gate_1_table(a.audit(*services), digest, services=named))


def gate_2(**changes) -> Decision:
    given = {
        "results": a.results(a.drill()),
        "critical": ["checkout"],
        "rule_problems": [],
        "panels": [GO_PANEL],
        "dashboards": [GO_BOARD],
        "alerts": ["HighErrorRate"],
        "runbook": "## HighErrorRate",
    }
    given |= changes
    return evaluate_gate(2, gate_2_table(given.pop("results"), **given))


def gate_3(**changes) -> Decision:
    given = {
        "schedule": a.schedule(),
        "registered": True,
        "tuning": "# tuning",
        "backlog": "# backlog",
        "baseline": a.baseline(),
        "results": a.monitoring(),
    }
    given |= changes
    return evaluate_gate(3, gate_3_table(given.pop("schedule"), **given))


def gate_4(manifest=None, record=None, stored=None, changed=()) -> Decision:
    return evaluate_gate(
        4, gate_4_table(manifest or a.manifest(), record or a.record(), stored or a.stored(), changed)
    )


class TestEveryGate:
    @pytest.mark.parametrize(
        "decision",
        [lambda: gate_1(a.service_audit("checkout")), gate_2, gate_3, gate_4],
        ids=["gate 1", "gate 2", "gate 3", "gate 4"],
    )
    def test_is_go_when_all_is_well(self, decision):
        found = decision()
        assert found.verdict is Verdict.GO, found.summary()

    @pytest.mark.parametrize("gate", [1, 2, 3, 4])
    def test_is_inconclusive_over_an_empty_table(self, gate):
        assert evaluate_gate(gate, table(gate, [])).verdict is Verdict.INCONCLUSIVE

    @pytest.mark.parametrize("gate", [1, 2, 3, 4])
    def test_is_error_when_a_column_is_not_there(self, gate):
        spoiled = pd.DataFrame({"name": ["x"], "observed": ["y"]})
        assert evaluate_gate(gate, spoiled).verdict is Verdict.ERROR

    @pytest.mark.parametrize("gate", [1, 2, 3, 4])
    def test_never_proceeds_without_any_artifact(self, gate):
        tables = {
            1: lambda: gate_1_table(None, None),
            2: lambda: gate_2_table(
                None, critical=[], rule_problems=None, panels=[], dashboards=[], alerts=[], runbook=None
            ),
            3: lambda: gate_3_table(
                None, registered=False, tuning=None, backlog=None, baseline=None, results=None
            ),
            4: lambda: gate_4_table(None, None, {}, None),
        }
        assert not evaluate_gate(gate, tables[gate]()).verdict.proceeds

    def test_is_error_when_the_validation_library_breaks(self, monkeypatch):
        def broken() -> None:
            raise ImportError("no such module")

        monkeypatch.setattr(suites, "_great_expectations", broken)
        decision = gate_3()
        assert decision.verdict is Verdict.ERROR
        assert "no such module" in decision.summary()

    def test_is_error_when_an_expectation_does_not_exist(self, monkeypatch):
        nonsense = Demand("nonsense", {"kind": "check"}, "expect_nothing_of_this_name", {"column": "status"})
        monkeypatch.setitem(DEMANDS, 3, (*DEMANDS[3], nonsense))
        assert gate_3().verdict is Verdict.ERROR

    @pytest.mark.parametrize("status", [None, float("nan"), "", "pass", "GO"])
    def test_no_other_status_counts_as_pass(self, status):
        rows = [r for r in a_gate_1_rows() if r["kind"] != "signal"]
        signal = row("signal", "checkout: logs", holds=True, observed="x", expected="y", tier="critical")
        assert not evaluate_gate(1, table(1, [*rows, {**signal, "status": status}])).verdict.proceeds


class TestAFailingRow:
    def test_is_one_objective_and_its_first_broken_demand_tells_the_cause(self):
        never_fired = a.drill(hops=Hops(), acknowledged_by=None, verdict=Verdict.NO_GO)
        failures = gate_2(results=a.results(never_fired)).failures
        assert [o.name.partition(":")[0] for o in failures] == ["every synthetic alert fired"]

    def test_counts_as_its_gravest_broken_demand(self):
        hops = a.drill().hops.model_copy(update={"acknowledged": Hop(at=a.NOW, latency=61.0)})
        late_and_nobody = a.drill(hops=hops, acknowledged_by=None)
        failures = gate_2(results=a.results(late_and_nobody)).failures
        assert [o.name.partition(":")[0] for o in failures] == [
            "a named person acknowledged every synthetic alert"
        ]
        assert failures[0].verdict is Verdict.NO_GO

    def test_is_an_objective_of_its_own_each(self):
        drills = [a.drill(drill_id=name, service=name, hops=Hops()) for name in ("checkout", "payments")]
        failures = gate_2(results=a.results(*drills)).failures
        assert [o.name.rpartition(": ")[2].split()[0] for o in failures] == ["checkout", "payments"]


def a_gate_1_rows() -> list[dict]:
    return gate_1_table(a.audit(a.service_audit("checkout")), DIGEST, services=["checkout"]).to_dict(
        "records"
    )


class TestGate1:
    @pytest.mark.parametrize("signal", ["metrics", "logs", "traces", "synthetics"])
    @pytest.mark.parametrize(
        ("status", "verdict"), [("FAIL", Verdict.NO_GO), ("INCONCLUSIVE", Verdict.INCONCLUSIVE)]
    )
    def test_stops_at_a_gap_of_a_critical_service_and_names_it(self, signal, status, verdict):
        gap = {signal: a.signal_audit(a.check(), a.check("of this release", status))}
        decision = gate_1(a.service_audit("checkout", **gap))
        assert decision.verdict is verdict
        assert [o.name.rpartition(": ")[2] for o in decision.failures] == [signal]
        assert "checkout" in decision.failures[0].reason
        assert "start the exporter" in decision.failures[0].reason
        assert decision.failures[0].query == "up"

    @pytest.mark.parametrize("status", ["FAIL", "INCONCLUSIVE"])
    def test_warns_of_a_gap_of_a_standard_service(self, status):
        gap = a.signal_audit(a.check("live", status))
        decision = gate_1(
            a.service_audit("checkout"),
            a.service_audit("catalogue", "standard", traces=gap),
            named=("checkout", "catalogue"),
        )
        assert decision.verdict is Verdict.WARN
        assert "catalogue: traces" in [
            o.reason[:17] for o in decision.objectives if o.verdict is Verdict.WARN
        ]

    def test_stops_at_a_missing_endpoint_even_of_a_standard_service(self):
        gap = a.signal_audit(a.check("endpoints", "FAIL"))
        decision = gate_1(a.service_audit("catalogue", "standard", metrics=gap), named=("catalogue",))
        assert decision.verdict is Verdict.NO_GO

    def test_stops_at_a_service_of_the_release_that_was_not_audited(self):
        decision = gate_1(a.service_audit("checkout"), named=("checkout", "payments"))
        assert decision.verdict is Verdict.INCONCLUSIVE
        assert "payments" in decision.summary()

    def test_stops_at_a_signal_that_the_audit_left_out(self):
        complete = a.service_audit("checkout")
        partial = complete.model_copy(update={"signals": dict(list(complete.signals.items())[:3])})
        assert gate_1(partial).verdict is Verdict.INCONCLUSIVE

    def test_stops_without_the_requirements(self):
        decision = gate_1(a.service_audit("checkout"), digest=None)
        assert decision.verdict is Verdict.INCONCLUSIVE
        assert "monitoring-requirements.md" in decision.summary()


HOPS = ["fired", "accepted", "delivered", "acknowledged"]


class TestGate2:
    @pytest.mark.parametrize("hop", HOPS)
    def test_stops_when_a_hop_was_not_reached(self, hop):
        hops = a.drill().hops.model_copy(update={hop: Hop()})
        assert gate_2(results=a.results(a.drill(hops=hops))).verdict is Verdict.NO_GO

    def test_stops_when_nobody_is_named(self):
        assert not gate_2(results=a.results(a.drill(acknowledged_by=None))).verdict.proceeds

    @pytest.mark.parametrize(
        ("after", "proceeds"), [(59.9, True), (60.0, True), (60.1, False), (None, False)]
    )
    def test_holds_the_acknowledgement_against_the_target(self, after, proceeds):
        hops = a.drill().hops.model_copy(update={"acknowledged": Hop(at=a.NOW, latency=after)})
        assert gate_2(results=a.results(a.drill(hops=hops))).verdict.proceeds is proceeds

    def test_needs_no_acknowledgement_of_a_ticket_but_its_delivery(self):
        hops = a.drill().hops.model_copy(update={"acknowledged": Hop(proof="a ticket")})
        ticket = a.drill(drill_id="d2", severity="ticket", hops=hops, acknowledged_by=None)
        lost = ticket.model_copy(update={"hops": hops.model_copy(update={"delivered": Hop()})})
        assert gate_2(results=a.results(a.drill(), ticket)).verdict.proceeds
        assert gate_2(results=a.results(a.drill(), lost)).verdict is Verdict.NO_GO

    def test_takes_no_ticket_for_the_page_of_a_critical_service(self):
        decision = gate_2(results=a.results(a.drill(severity="ticket")))
        assert decision.verdict is Verdict.NO_GO
        assert "no drill at all" in decision.summary()

    def test_says_the_diagnosis_of_the_drill(self):
        failed = a.drill(verdict=Verdict.NO_GO, diagnosis="silenced by bob until noon")
        assert "silenced by bob until noon" in gate_2(results=a.results(failed)).summary()

    def test_stops_when_a_critical_service_was_not_drilled(self):
        assert "payments" in gate_2(critical=["checkout", "payments"]).summary()

    def test_warns_of_a_route_that_could_not_be_drilled(self):
        decision = gate_2(results=a.results(a.drill(), not_drilled=("ticket route: same receiver",)))
        assert decision.verdict is Verdict.WARN

    @pytest.mark.parametrize(
        "change",
        [
            {"results": a.results()},
            {"rule_problems": None},
            {"rule_problems": ["HighErrorRate: not loaded"]},
            {"panels": []},
            {"panels": [GO_PANEL, GO_PANEL.model_copy(update={"verdict": Verdict.NO_GO})]},
            {"panels": [GO_PANEL.model_copy(update={"verdict": Verdict.ERROR})]},
            {"dashboards": []},
            {"dashboards": [GO_BOARD.model_copy(update={"verdict": Verdict.NO_GO})]},
            {"alerts": []},
            {"alerts": ["HighErrorRate", "ServiceDown"]},
            {"runbook": None},
            {"approval": a.approval("sre", None, None)},
            {"approval": a.approval("sre", "ada", "no")},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_stops_at_what_was_not_validated_live(self, change):
        assert not gate_2(**change).verdict.proceeds

    def test_warns_of_dashboards_that_wait_for_a_connection(self):
        waiting = GO_BOARD.model_copy(update={"verdict": Verdict.WARN, "reason": "add grafana_default"})
        decision = gate_2(dashboards=[waiting])
        assert decision.verdict is Verdict.WARN
        assert any("grafana_default" in o.reason for o in decision.objectives)

    @settings(max_examples=15, deadline=None)
    @given(
        drills=st.lists(
            st.tuples(
                st.lists(st.booleans(), min_size=4, max_size=4),
                st.sampled_from([None, "ada"]),
                st.sampled_from([None, 5.0, 60.0, 61.0]),
                st.sampled_from(list(Verdict)),
            ),
            min_size=1,
            max_size=3,
        )
    )
    def test_proceeds_exactly_if_every_drill_went_the_whole_way(self, drills):
        made, expected = [], True
        for reached, person, after, verdict in drills:
            seen = dict(zip(HOPS, reached, strict=True))
            hops = {name: Hop(at=a.NOW if there else None) for name, there in seen.items()}
            hops["acknowledged"] = hops["acknowledged"].model_copy(update={"latency": after})
            made.append(a.drill(hops=Hops(**hops), acknowledged_by=person, verdict=verdict))
            in_time = after is not None and after <= 60
            expected &= all(reached) and person is not None and in_time and verdict.proceeds
        assert gate_2(results=a.results(*made)).verdict.proceeds is expected


class TestGate3:
    @pytest.mark.parametrize(
        "change",
        [
            {"schedule": None},
            {"schedule": a.schedule(without="drift")},
            {"schedule": a.schedule(verdict=Verdict.NO_GO)},
            {"registered": False},
            {"tuning": None},
            {"tuning": "  \n"},
            {"backlog": None},
            {"baseline": None},
            {"baseline": a.baseline(kind=BaselineKind.SNAPSHOT)},
            {"baseline": a.baseline(verdict=Verdict.INCONCLUSIVE)},
            {"results": None},
            {"results": a.monitoring(reviews=0)},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_stops_at_what_is_missing(self, change):
        assert not gate_3(**change).verdict.proceeds

    @pytest.mark.parametrize("results", [None, a.monitoring(reviews=0)], ids=["no results", "no review"])
    def test_does_not_know_without_a_review(self, results):
        decision = gate_3(results=results)
        assert decision.verdict is Verdict.INCONCLUSIVE
        assert [o.value for o in decision.failures] == ["0 reviews"]

    def test_stops_at_an_open_critical_finding_and_says_what_it_is(self):
        decision = gate_3(results=a.monitoring(a.finding()))
        assert decision.verdict is Verdict.NO_GO
        assert len(decision.failures) == 1
        assert "checkout latency: open: 0.4 s against 0.02 s" in decision.failures[0].reason
        assert "roll it back" in decision.failures[0].reason

    @pytest.mark.parametrize(
        ("severity", "state"),
        [
            (Severity.CRITICAL, FindingState.RESOLVED),
            (Severity.CRITICAL, FindingState.TRANSIENT),
            (Severity.MAJOR, FindingState.OPEN),
            (Severity.MINOR, FindingState.OPEN),
        ],
    )
    def test_lets_pass_what_is_over_or_not_critical(self, severity, state):
        assert gate_3(results=a.monitoring(a.finding(severity, state))).verdict is Verdict.GO

    def test_an_open_critical_finding_counts_among_others(self):
        over = a.finding(state=FindingState.RESOLVED)
        decision = gate_3(results=a.monitoring(over, a.finding(metric="errors"), over))
        assert decision.verdict is Verdict.NO_GO
        assert [o.name.rpartition(": ")[2] for o in decision.failures] == ["checkout errors"]


class TestGate4:
    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"manifest": a.manifest(without="alert-rules.yaml")}, "alert-rules.yaml"),
            ({"stored": a.stored(**{"monitoring-plan.md": "b" * 64})}, "monitoring-plan.md"),
            ({"changed": ["dashboard-config.md"]}, "dashboard-config.md"),
            ({"changed": None}, "SHA256SUMS"),
            ({"manifest": a.manifest(undelivered="retrospective")}, "retrospective"),
            ({"record": a.record(*a.approvals()[:2])}, "technical-lead"),
            ({"record": a.record(on_call_owner=None)}, "nobody owns the alerts"),
            ({"stored": a.stored(**{a.EVIDENCE: "f" * 64})}, "ask again"),
        ],
        ids=[
            "file not recorded",
            "file changed",
            "changed since signed",
            "never signed",
            "owner not told",
            "approval missing",
            "no on-call owner",
            "evidence changed",
        ],
    )
    def test_stops_and_names_what_is_wrong(self, change, named):
        decision = gate_4(**change)
        assert not decision.verdict.proceeds
        assert named in decision.summary()

    def test_stops_when_a_file_is_gone_from_the_store(self):
        left = {key: value for key, value in a.stored().items() if key != "alert-rules.yaml"}
        assert "alert-rules.yaml" in gate_4(stored=left).summary()

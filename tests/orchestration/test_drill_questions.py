"""Who is asked to acknowledge a drill, at which level, and what becomes of silence."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput, TaskDeferred

from release_watch.artifacts.models import DrillResult, Hop, Hops
from release_watch.catalog.config import load_config
from release_watch.catalog.oncall import OnCall
from release_watch.catalog.policies import Policies, QuietHours, ReceiverSettings
from release_watch.clock import now, rfc3339
from release_watch.drills.receipts import Acknowledgement, Receipts
from release_watch.orchestration.operators.drill import AcknowledgeDrill, DrillApproval
from release_watch.orchestration.sensors.acknowledgement import LOOK_EVERY, AcknowledgementSensor
from release_watch.orchestration.steps import alert_test, drill_answers
from release_watch.verdict import Verdict
from tests.orchestration.fakes import START, context

GROUP = "phase_2_activation.alert_test."
LEVELS = [{"role": "oncall", "within": "PT5M"}, {"role": "sre", "within": "PT5M"}]


def drill(drill_id="t-1", *, severity="page", delivered=True, receiver="oncall", at=START):
    seen = Hop(at=at, latency=0.0, proof="seen")
    hops = Hops(fired=seen, accepted=seen, delivered=seen if delivered else Hop())
    return DrillResult(
        drill_id=drill_id,
        kind="full",
        service="checkout",
        severity=severity,
        route=("default-route",),
        receiver=receiver,
        receivers=(receiver,),
        hops=hops,
        acknowledged_by=None,
        target_seconds=60.0,
        verdict=Verdict.INCONCLUSIVE,
        diagnosis=None,
    )


@pytest.fixture
def asked_airflow(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **shown: asked.append(shown)
    )
    return asked


@pytest.fixture
def configured(monkeypatch):
    """Sets who is paged in turn, and the policy of drills."""
    plain = load_config()

    def configure(levels=LEVELS, **policy):
        oncall = OnCall.model_validate({**plain.oncall.model_dump(mode="json"), "escalation": levels})
        policies = plain.policies.model_copy(update={"drill": plain.policies.drill.model_copy(update=policy)})
        assert isinstance(policies, Policies)
        changed = plain._replace(oncall=oncall, policies=policies) if hasattr(plain, "_replace") else None
        changed = changed or plain.model_copy(update={"oncall": oncall, "policies": policies})
        monkeypatch.setattr("release_watch.catalog.config.load_config", lambda: changed)
        return changed

    return configure


@pytest.fixture
def fired(run, clock, configured):
    """Two pages and a ticket that were delivered at START."""
    configured()

    def fire(*drills):
        drills = drills or (drill("t-1"), drill("t-2"), drill("t-3", severity="ticket"))
        stored = [one.model_dump(mode="json") for one in drills]
        run.store.write_json(alert_test.FIRED_DRILLS, {"drills": stored})
        return drills

    return fire


def ask(position, wanted=TaskAwaitingInput):
    question = AcknowledgeDrill(position=position)
    with pytest.raises(wanted) as parked:
        question.execute(context(GROUP + question.task_id))
    return question, parked.value


def reply(question, option="yes", user="sre", at=START):
    event = {
        "chosen_options": [option],
        "params_input": {},
        "responded_at": at,
        "responded_by_user": {"id": user, "name": user} if user else None,
    }
    return question.execute_complete(context(GROUP + question.task_id), event)


def test_the_first_level_is_asked_first_and_alone_for_its_time(fired, asked_airflow):
    fired()

    _, parked = ask(1)

    assert parked.timeout == timedelta(minutes=5)
    assert asked_airflow[0]["assigned_users"] == [{"id": "oncall", "name": "Engineer on call"}]
    assert asked_airflow[0]["subject"].startswith("DRILL, no real incident")


def test_a_single_level_has_the_whole_target(fired, asked_airflow, configured):
    config = configured([{"role": "oncall"}])
    fired()

    assert ask(1)[1].timeout == config.policies.drill.acknowledge_within


def test_after_a_silent_level_the_next_is_paged_on_the_record(fired, asked_airflow, run, clock):
    fired()
    reply(ask(1)[0], "no", user=None)
    clock.forward(minutes=5)

    _, parked = ask(2)

    assert parked.timeout == timedelta(minutes=5)
    assert asked_airflow[-1]["assigned_users"][0]["id"] == "sre"
    pages = [page for one in ("t-1", "t-2") for page in drill_answers.receipts().pages(one)]
    assert [(page.level, page.role, page.person, page.at) for page in pages] == [
        (2, "sre", "sre", clock.moment)
    ] * 2
    assert "escalate_drill assigned to sre" in pages[0].proof
    assert drill_answers.receipts().pages("t-3") == ()
    assert "drill escalated" in [event["event"] for event in run.trail.events()]


def test_the_answer_of_a_later_level_counts_for_every_page(fired, asked_airflow, run, clock):
    drills = fired()
    reply(ask(1)[0], "no", user=None)
    clock.forward(minutes=5)
    answered = clock.forward(minutes=1)
    reply(ask(2)[0], "yes", "sre", answered)

    assert drill_answers.answers(run, drills) == {
        "t-1": Acknowledgement("sre", answered),
        "t-2": Acknowledgement("sre", answered),
    }
    assert drill_answers.refused_by(run) is None


@pytest.mark.parametrize("option", ["yes", "no"])
def test_nobody_else_is_asked_after_an_answer(option, fired, asked_airflow, run, clock):
    drills = fired()
    reply(ask(1)[0], option, "oncall")
    clock.forward(minutes=6)

    ask(2, AirflowSkipException)

    assert len(asked_airflow) == 1
    assert bool(drill_answers.answers(run, drills)) is (option == "yes")
    assert drill_answers.refused_by(run) == (None if option == "yes" else "oncall")


def test_who_acknowledged_at_the_receiver_is_not_asked(fired, asked_airflow, run):
    fired(drill("t-1"))
    alert = {"status": "firing", "labels": {"drill": "true", "drill_id": "t-1"}, "fingerprint": "f"}
    drill_answers.receipts().record({"receiver": "oncall", "alerts": [alert]}, at=START)
    drill_answers.receipts().acknowledge("t-1", "oncall", START)

    ask(1, AirflowSkipException)


def test_there_is_no_third_level_where_two_are_configured(fired, asked_airflow, clock):
    fired()
    clock.forward(minutes=11)

    ask(3, AirflowSkipException)


def test_answers_to_earlier_drills_are_forgotten_when_new_ones_are_fired(
    fired, asked_airflow, run, monkeypatch
):
    fired()
    reply(ask(1)[0], "yes", "oncall")
    monkeypatch.setattr(alert_test, "_fired", lambda _: [drill("u-1")])

    assert alert_test.fire_drill(run) == "GO"

    assert drill_answers.answers(run, alert_test.fired_drills(run)) == {}


def test_what_cannot_be_fired_is_on_record_and_fails_no_task(
    run, clock, configured, closed_port, monkeypatch
):
    configured()
    monkeypatch.setenv("AIRFLOW_CONN_ALERTMANAGER_DEFAULT", f"http://127.0.0.1:{closed_port}")
    run.store.write_text("alert-rules.yaml", "groups: []\n")

    assert alert_test.fire_drill(run) == "INCONCLUSIVE"

    assert alert_test.choose_acknowledgement(run) == "drill_undelivered"
    written = alert_test.write_results(run, alert_test.fired_drills(run), {})
    assert written.endswith("alert-test-results.json")
    results = alert_test.alert_test_results(run)
    assert not results.verdict.proceeds
    assert results.not_drilled


@pytest.mark.parametrize(
    ("drills", "way"),
    [
        pytest.param([drill()], "acknowledge_drill", id="a page"),
        pytest.param([drill(delivered=False)], "drill_undelivered", id="a page that did not arrive"),
        pytest.param([drill(), drill("t-2", delivered=False)], "drill_undelivered", id="one of two"),
        pytest.param([drill(severity="ticket")], "drill_undelivered", id="only a ticket"),
        pytest.param(
            [drill(), drill("t-2", severity="ticket", delivered=False)], "acknowledge_drill", id="no ticket"
        ),
        pytest.param([drill(receiver="pager")], "await_acknowledgement", id="a pager of its own"),
        pytest.param([drill(), drill("t-2", receiver="pager")], "acknowledge_drill", id="both"),
        pytest.param([], "drill_undelivered", id="none"),
    ],
)
def test_who_answers_depends_on_where_the_page_arrived(drills, way, fired, run, configured):
    configured(receivers={"pager": ReceiverSettings(kind="alerta")})
    run.store.write_json(alert_test.FIRED_DRILLS, {"drills": [one.model_dump(mode="json") for one in drills]})

    assert alert_test.choose_acknowledgement(run) == way


# --- quiet hours ---------------------------------------------------------------------------------------


def approve(run, wanted=TaskAwaitingInput):
    run.store.write_text("audit.json", "{}")
    question = DrillApproval(
        task_id="approve_alert_test", role="sre", evidence="audit.json", question="May it page?"
    )
    with pytest.raises(wanted):
        question.execute(context(GROUP + "approve_alert_test"))
    return question


def test_a_yes_in_quiet_hours_forces_the_drill_and_names_who_said_it(run, clock, configured, asked_airflow):
    hours = QuietHours.model_validate({"from": "08:00", "until": "10:00", "time_zone": "UTC"})
    configured(quiet_hours=hours)

    reply(approve(run), "yes", "sre")

    until = rfc3339(START.replace(hour=10))
    assert f"It is quiet hours until {until}" in asked_airflow[0]["body"]
    assert alert_test._forced_by(run) == "sre"


def test_outside_quiet_hours_nobody_forces_anything(run, clock, configured, asked_airflow):
    hours = QuietHours.model_validate({"from": "22:00", "until": "06:00", "time_zone": "UTC"})
    configured(quiet_hours=hours)

    reply(approve(run), "yes", "sre")

    assert "quiet hours" not in asked_airflow[0]["body"]
    assert alert_test._forced_by(run) is None


# --- systems that take the acknowledgement themselves ----------------------------------------------------


@pytest.fixture
def acknowledged(monkeypatch):
    """Who acknowledged which drill in the pager."""
    known: dict[str, Acknowledgement] = {}

    class Pager(Receipts):
        def acknowledgement(self, drill_id):
            return known.get(drill_id)

    monkeypatch.setattr(drill_answers, "receivers", lambda _: Pager.under(drill_answers.artifact_root()))
    monkeypatch.setattr(alert_test, "receivers", drill_answers.receivers)
    return known


@pytest.fixture
def told(monkeypatch):
    """Who was told what."""
    notices = []

    def tell(_, role, subject, text, people):
        notices.append((role, subject, [person.user for person in people]))
        return tuple(f"{person.user} by e-mail" for person in people)

    monkeypatch.setattr(drill_answers, "tell", tell)
    return notices


def look():
    return AcknowledgementSensor(task_id="await_acknowledgement").execute(
        context(GROUP + "await_acknowledgement")
    )


def test_the_wait_ends_with_the_acknowledgement_of_every_page(fired, acknowledged, told):
    fired()
    with pytest.raises(TaskDeferred) as waiting:
        look()
    assert waiting.value.trigger.moment == START + LOOK_EVERY

    acknowledged.update({one: Acknowledgement("oncall", START) for one in ("t-1", "t-2")})

    assert look() == "GO"
    assert told == []


def test_a_silent_level_is_followed_by_the_next_and_told_once(fired, acknowledged, told, clock):
    fired()
    clock.forward(minutes=5, seconds=1)
    for _ in range(2):
        with pytest.raises(TaskDeferred):
            look()

    ((role, subject, people),) = told
    assert (role, people) == ("sre", ["sre"])
    assert subject.startswith("DRILL, no real incident") and "t-1, t-2" in subject
    (page,) = drill_answers.receipts().pages("t-1")
    assert (page.level, page.person, page.proof) == (2, "sre", "sre by e-mail")


def test_a_level_that_cannot_be_told_was_not_paged(fired, acknowledged, clock, monkeypatch):
    monkeypatch.setattr(drill_answers, "tell", lambda *_: ())
    fired()
    clock.forward(minutes=5, seconds=1)

    with pytest.raises(TaskDeferred):
        look()

    assert drill_answers.receipts().pages("t-1") == ()


def test_a_pager_that_escalates_by_itself_is_left_to_do_so(fired, acknowledged, told, clock, configured):
    configured(receivers={"pager": ReceiverSettings(kind="pagerduty")})
    fired(drill(receiver="pager"))
    clock.forward(minutes=5, seconds=1)

    with pytest.raises(TaskDeferred):
        look()

    assert told == []


def test_the_wait_ends_with_the_target(fired, acknowledged, told, clock, run):
    fired()
    clock.forward(seconds=run.config.policies.drill.acknowledge_within.total_seconds())

    assert look() == "NO_GO"


def test_the_clock_of_these_tests_is_set_by_hand(clock):
    assert drill_answers.now is clock
    assert now() != clock()

"""The tasks of a change of an alert, without a running Airflow and without a server."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskAwaitingInput

from release_watch.artifacts.models import Approval
from release_watch.artifacts.store import ArtifactStore
from release_watch.assurance.registry import ActiveReleases
from release_watch.assurance.tuning import applying
from release_watch.assurance.tuning.kept import KeptTunings, TakenBack
from release_watch.errors import BackendError
from release_watch.orchestration.phases.tuning import ConcludeTuning, TuningApproval, TuningStep
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.steps import activation, tuning
from release_watch.orchestration.steps.activation import RULE_TESTS, write_rule_tests
from release_watch.orchestration.steps.assuring import activated_rules
from release_watch.orchestration.steps.tuned_rules import (
    as_approved,
    carried_over,
    register_tuned,
    rules_in_force,
    tuned_file,
)
from release_watch.release import Release
from release_watch.slo.activation import Activation
from release_watch.slo.rulefile import from_yaml, to_yaml
from release_watch.slo.rules import rule_groups
from tests.assurance.tuning.tuned import AT, PROPOSAL_ID, applied, groups, other, proposal, rule, tuned
from tests.orchestration import fakes

RELEASE_ID, SET = "shop-1.1.0", "production-shop-1.1.0"
REQUEST = {"environment": "production", "release_id": RELEASE_ID, "proposal_id": PROPOSAL_ID}
ADA = {"id": "ada", "name": "Ada"}


class Server:
    """What runs, and how often activation was asked to change it."""

    def __init__(self) -> None:
        self.text = to_yaml(groups(other(), rule()))
        self.activations = 0
        self.away = False

    def read(self, name: str) -> str | None:
        return self.text if name == SET else None

    def activate(self, text: str, name: str, *_: object, **__: object) -> Activation:
        if self.away:
            raise BackendError("Prometheus", "does not answer")
        self.text = text
        self.activations += 1
        return Activation(file=name, groups=1, rules=2, activated_at=AT, replaced=True)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """Stands in for Prometheus; what is approved, and which rule it is, is checked by the real code."""
    found = Server()
    monkeypatch.setattr(applying, "target_of", lambda _: found)
    for name in ("apply_proposal", "take_back"):
        monkeypatch.setattr(applying, name, partial(getattr(applying, name), put_into_force=found.activate))
    return found


@pytest.fixture
def registry(artifacts: Path) -> ActiveReleases:
    found = ActiveReleases(artifacts)
    release = Release.from_params(fakes.PARAMS)
    found.register(release, artifacts_uri="", rules={SET: to_yaml(groups(other(), rule()))}, at=AT)
    return found


@pytest.fixture
def store(artifacts: Path, registry: ActiveReleases) -> ArtifactStore:
    """The release's artifacts, with the proposal among them."""
    found = ArtifactStore(artifacts, "production", RELEASE_ID)
    found.write_bytes(f"tuning/{PROPOSAL_ID}.json", proposal().document())
    return found


def context(task: str, **params: Any) -> Any:
    given = {**REQUEST, **params}
    found = fakes.context(task)
    return {**found, "params": given, "dag_run": fakes.DagRun(conf=given)}


def tuning_run(task: str = "change_rules", **params: Any) -> tuning.TuningRun:
    return tuning.TuningRun.of(context(task, **params))


def present(**params: Any) -> str:
    return TuningStep(action=tuning.present_change).execute(context("present_change", **params))


def change(**params: Any) -> str:
    return TuningStep(action=tuning.change_rules).execute(context("change_rules", **params))


def conclude(**params: Any) -> str:
    return ConcludeTuning(task_id="conclude").execute(context("conclude", **params))


def answer(option: str = "yes", user: dict[str, str] | None = ADA, **params: Any) -> dict[str, Any]:
    """Ask as the task does, answer, and return what Airflow was asked to show."""
    asked = TuningApproval(task_id=tuning.QUESTION, role="sre", evidence="-", question="Change it?")
    shown: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "airflow.providers.standard.operators.hitl.upsert_hitl_detail",
            lambda **given: shown.update(given),
        )
        with pytest.raises(TaskAwaitingInput):
            asked.execute(context(tuning.QUESTION, **params))
    event = {
        "chosen_options": [option],
        "params_input": {},
        "responded_at": fakes.START + timedelta(days=300),
        "responded_by_user": user,
    }
    asked.execute_complete(context(tuning.QUESTION, **params), event)
    return shown


def registered(registry: ActiveReleases) -> Any:
    (entry,) = registry.all("production")
    return from_yaml(entry.rules[SET])


def test_the_change_is_shown_before_anybody_is_asked(
    store: ArtifactStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.write_bytes("tuning/rule-aaaaaaaaaaaa.png", b"")
    with caplog.at_level(logging.INFO, "release_watch"):
        uri = present()
    assert uri == store.uri_of(f"tuning/{PROPOSAL_ID}.json")
    for words in ("+    for: 5m", "false firings", "4 of the 4 known incidents", proposal().digest):
        assert words in caplog.text


def test_the_question_shows_the_change_and_its_digest(store: ArtifactStore) -> None:
    shown = answer()
    assert shown["subject"] == f"Change it? [{RELEASE_ID}, production]"
    for words in (proposal().digest, "for: none to 5 min", "+    for: 5m", "false firings"):
        assert words in shown["body"]
    assert shown["defaults"] == ["no"]


def test_an_approved_change_is_live_registered_and_kept(
    store: ArtifactStore, registry: ActiveReleases, server: Server, artifacts: Path
) -> None:
    store.write_text("alert-rules.yaml", to_yaml(groups(other(), rule())))
    present()
    answer()
    assert change() == "IN_FORCE"
    assert from_yaml(server.text) == registered(registry) == groups(other(), tuned())
    assert from_yaml(rules_in_force(store, SET, "alert-rules.yaml")) == groups(other(), tuned())
    assert from_yaml(store.read_text("alert-rules.yaml")) == groups(other(), rule())
    kept = KeptTunings(artifacts, "production").known(PROPOSAL_ID).last
    assert kept is not None
    assert (kept.release_id, kept.rule_set, kept.digest) == (RELEASE_ID, SET, proposal().digest)
    assert kept.approval.responded_by == "ada"
    assert conclude() == "IN_FORCE"


def test_a_task_that_is_tried_again_changes_nothing_again(
    store: ArtifactStore, registry: ActiveReleases, server: Server, artifacts: Path
) -> None:
    answer()
    change()
    before = {path: path.read_bytes() for path in artifacts.rglob("tune-*.json")}
    assert change() == "IN_FORCE"
    assert server.activations == 1
    assert {path: path.read_bytes() for path in artifacts.rglob("tune-*.json")} == before


@pytest.mark.parametrize("done", ["activated", "registered"])
def test_a_task_that_was_cut_off_goes_on(
    done: str, store: ArtifactStore, registry: ActiveReleases, server: Server
) -> None:
    server.text = to_yaml(groups(other(), tuned()))
    if done == "registered":
        registry.replace_rules("production", RELEASE_ID, SET, server.text)
    answer()
    assert change() == "IN_FORCE"
    assert from_yaml(server.text) == registered(registry) == groups(other(), tuned())


@pytest.mark.parametrize(
    ("option", "user", "words", "red"),
    [("no", ADA, "rejected by ada (sre)", False), ("no", None, "nobody answered: nobody (sre)", True)],
    ids=["rejected", "timeout"],
)
def test_without_a_persons_yes_nothing_is_changed(
    option: str,
    user: dict[str, str] | None,
    words: str,
    red: bool,
    store: ArtifactStore,
    registry: ActiveReleases,
    server: Server,
    artifacts: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer(option, user)
    with pytest.raises(AirflowSkipException):
        change()
    assert server.activations == 0
    assert registered(registry) == groups(other(), rule())
    assert KeptTunings(artifacts, "production").get(PROPOSAL_ID) is None
    caplog.clear()
    with caplog.at_level(logging.INFO, "release_watch"):
        if red:
            with pytest.raises(AirflowFailException):
                conclude()
        else:
            assert conclude() == "REJECTED"
    (line,) = caplog.messages
    assert words in line


def refused(words: str, **params: Any) -> None:
    with pytest.raises(AirflowFailException, match=words):
        change(**params)
    with pytest.raises(AirflowFailException, match=f"refused: .*{words}"):
        conclude(**params)


def test_a_proposal_that_changed_after_the_answer_is_refused(store: ArtifactStore, server: Server) -> None:
    answer()
    store.write_bytes(f"tuning/{PROPOSAL_ID}.json", proposal(tried=2).document())
    refused("ask again")
    assert server.activations == 0


def test_a_release_that_was_superseded_while_the_question_was_open_is_refused(
    store: ArtifactStore, registry: ActiveReleases, server: Server
) -> None:
    answer()
    newer = Release.from_params(
        {**fakes.PARAMS, "release_id": "shop-1.2.0", "deployed_at": "2026-03-03T00:00:00Z"}
    )
    registry.register(newer, artifacts_uri="", rules={}, at=AT)
    refused("superseded")
    assert server.activations == 0


def test_a_rule_that_is_another_one_by_now_is_refused(store: ArtifactStore, registry: ActiveReleases) -> None:
    registry.replace_rules("production", RELEASE_ID, SET, to_yaml(groups(rule(hold="1m"))))
    with pytest.raises(AirflowFailException, match="run the back-test again"):
        present()


def test_a_server_that_is_away_is_tried_again_and_named(
    store: ArtifactStore, registry: ActiveReleases, server: Server
) -> None:
    answer()
    server.away = True
    with pytest.raises(BackendError):
        change()
    with pytest.raises(AirflowFailException, match=r"refused: .*does not answer"):
        conclude()
    assert registered(registry) == groups(other(), rule())
    server.away = False
    assert change() == "IN_FORCE"
    assert conclude() == "IN_FORCE"


def test_params_that_are_wrong_are_refused_by_the_first_task_and_the_last(store: ArtifactStore) -> None:
    for task in (present, conclude):
        with pytest.raises(AirflowFailException, match=r"proposal_id: '\.\./etc'"):
            task(proposal_id="../etc")
        with pytest.raises(AirflowFailException, match="force: unknown parameter"):
            task(force="yes")


def test_where_no_task_came_to_an_end_the_last_one_is_red(store: ArtifactStore) -> None:
    with pytest.raises(AirflowFailException, match="no task came to an end"):
        conclude()


def test_the_answer_of_one_run_does_not_count_in_another(store: ArtifactStore) -> None:
    answer()
    other_run = {**context("change_rules"), "ti": fakes.TaskInstance("change_rules", "another")}
    with pytest.raises(Exception, match="approval-approve_change"):
        TuningStep(action=tuning.change_rules).execute(other_run)


def test_taking_back_puts_the_former_rule_into_force(
    store: ArtifactStore, registry: ActiveReleases, server: Server, artifacts: Path
) -> None:
    answer()
    change()
    tunings = KeptTunings(artifacts, "production")
    document = tunings.known(PROPOSAL_ID).document()
    present(action="take_back")
    shown = answer(action="take_back")
    assert "Take this change of an alert back" in shown["subject"]
    assert "-    for: 5m" in shown["body"]
    assert change(action="take_back") == "TAKEN_BACK"
    assert from_yaml(server.text) == registered(registry) == groups(other(), rule())
    kept = tunings.known(PROPOSAL_ID)
    assert kept.applied == ()
    (taken,) = kept.taken_back
    assert taken.approval.evidence_sha256 == tuning.hashlib.sha256(document).hexdigest()
    assert change(action="take_back") == "TAKEN_BACK"
    assert server.activations == 2
    assert conclude(action="take_back") == "TAKEN_BACK"


def test_what_no_rule_has_any_more_is_taken_back_on_record_alone(
    store: ArtifactStore, registry: ActiveReleases, server: Server, artifacts: Path
) -> None:
    tunings = KeptTunings(artifacts, "production")
    tunings.put_into_force(applied())
    registry.replace_rules("production", RELEASE_ID, SET, to_yaml(groups(rule(hold="1m"))))
    answer(action="take_back")
    assert change(action="take_back") == "TAKEN_BACK"
    assert server.activations == 0
    assert tunings.known(PROPOSAL_ID).taken_back[0].state == "not in force"


def test_what_was_never_put_into_force_cannot_be_taken_back(store: ArtifactStore) -> None:
    with pytest.raises(AirflowFailException, match="never put into force"):
        present(action="take_back")


def test_the_next_release_is_generated_with_the_change(
    artifacts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    KeptTunings(artifacts, "production").put_into_force(applied())
    protocol = ProtocolRun.of(fakes.context("phase_2_activation.activate_rules", release_id="shop-1.2.0"))
    with caplog.at_level(logging.INFO, "release_watch"):
        made = carried_over(protocol, groups(other("shop-1.2.0"), rule("shop-1.2.0")))
    assert made == groups(other("shop-1.2.0"), tuned("shop-1.2.0"))
    assert "Carried over: HighErrorRate of checkout: for: none to 5 min" in caplog.text
    assert [event["event"] for event in protocol.trail.events()] == ["alert tuning carried over"]


def test_what_does_not_fit_the_next_release_is_said_and_recorded(
    artifacts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    KeptTunings(artifacts, "production").put_into_force(applied())
    protocol = ProtocolRun.of(fakes.context("phase_2_activation.activate_rules", release_id="shop-1.2.0"))
    generated = groups(rule("shop-1.2.0", expr="up == 0"))
    assert carried_over(protocol, generated) == generated
    (event,) = protocol.trail.events()
    assert event["event"] == "alert tuning not carried over"
    assert "run the back-test again" in event["reason"]
    assert event["reason"] in caplog.text


def test_no_unit_test_contradicts_a_tuned_rule(artifacts: Path) -> None:
    protocol = ProtocolRun.of(fakes.context("phase_2_activation.activate_rules"))
    generated = rule_groups(
        protocol.config.slos, protocol.services, protocol.release, runbook_url="", dashboard_url=""
    )
    number, group = next((n, g) for n, g in enumerate(generated) if g.name.endswith("-page"))
    ours = [one.model_copy(update={"hold": "5m"}) if one.alert else one for one in group.rules]
    changed = [*generated]
    changed[number] = group.model_copy(update={"rules": tuple(ours)})
    slo = group.name.removeprefix("slo-").removesuffix("-page")

    write_rule_tests(protocol, generated, changed)
    tuned_tests = protocol.store.read_text(RULE_TESTS)
    write_rule_tests(protocol, generated, generated)

    assert f"{slo}: an alert of it was tuned by approval" in tuned_tests
    assert f'slo="{slo}"' not in tuned_tests
    assert "count(ALERTS" in tuned_tests
    assert f'slo="{slo}"' in protocol.store.read_text(RULE_TESTS)


def test_after_a_rollback_the_earlier_rules_are_as_people_approved(
    artifacts: Path, registry: ActiveReleases
) -> None:
    tunings, (entry,) = KeptTunings(artifacts, "production"), registry.all("production")
    kept = tunings.put_into_force(applied())
    assert from_yaml(as_approved(entry)[SET]) == groups(other(), tuned())

    register_tuned(entry, SET, as_approved(entry)[SET])
    (entry,) = registry.all("production")
    assert as_approved(entry) == entry.rules

    taken = {"applied": kept.last, "approval": applied().approval, "release_id": "shop-1.2.0"}
    back = TakenBack.model_validate({**taken, "taken_back_at": AT, "state": "active"})
    tunings.take_back(back)
    assert from_yaml(as_approved(entry)[SET]) == groups(other(), rule())


def test_baseline_alerts_are_left_to_the_task_that_makes_them(artifacts: Path) -> None:
    KeptTunings(artifacts, "production").put_into_force(applied())
    protocol = ProtocolRun.of(fakes.context("baseline_window.establish_baseline"))
    assert carried_over(protocol, groups(rule()), baseline=True) == groups(rule())
    assert protocol.trail.events() == []


def test_a_rule_set_that_was_never_tuned_is_as_it_was_activated(run: Any, artifacts: Path) -> None:
    run.store.write_text("alert-rules.yaml", "activated")
    assert rules_in_force(run.store, SET, "alert-rules.yaml") == "activated"
    run.store.write_text(tuned_file(SET), "tuned")
    assert rules_in_force(run.store, SET, "alert-rules.yaml") == "tuned"


def test_the_releases_own_gate_and_registration_take_the_tuned_rules_for_theirs(
    run: ProtocolRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr("release_watch.slo.change.still_owned", lambda text, *_: text)
    monkeypatch.setattr("release_watch.slo.readback.read_back", lambda text, _: read.append(text) or [])
    monkeypatch.setattr(ProtocolRun, "backends", None)
    for name in (activation.RULES, activation.RULES_RECORD):
        run.store.write_text(name, to_yaml(groups(rule())))
    run.store.write_text(tuned_file(SET), to_yaml(groups(tuned())))

    assert activation.rule_problems(run) == []
    assert read == [to_yaml(groups(tuned()))]
    assert activated_rules(run) == {SET: to_yaml(groups(tuned()))}
    assert activation.active_rules(run) == groups(tuned())


def test_the_notes_of_a_run_name_who_answered(store: ArtifactStore, server: Server) -> None:
    answer()
    change()
    notes = tuning_run().store
    kept = Approval.model_validate_json(notes.read_bytes("records/approval-approve_change.json"))
    assert kept.responded_by == "ada"
    assert json.loads(notes.read_bytes(tuning.OUTCOME))["outcome"] == "in force"

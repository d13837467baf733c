from __future__ import annotations

import json

import pytest

from release_watch.orchestration.notifiers import people
from release_watch.orchestration.notifiers.people import tell
from release_watch.orchestration.run import ProtocolRun
from tests.orchestration.fakes import context

SECRET = "hook-secret-token"


@pytest.fixture
def apprise(server, monkeypatch):
    """An Apprise connection whose only service is a JSON webhook on the server, for the role sre."""

    def configure(port: int = server.port, tag: str = "sre") -> None:
        config = {"path": f"json://127.0.0.1:{port}/{SECRET}", "tag": tag}
        connection = {"conn_type": "apprise", "extra": {"config": config}}
        monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", json.dumps(connection))

    configure()
    return configure


def events(run):
    return [(event["event"], event["told"]) for event in run.trail.events()]


def test_people_are_told_through_apprise(apprise, server, run):
    told = tell(run, "sre", "Gate 1 NO_GO", "no telemetry")

    assert told == ("sre through Apprise",)
    sent = json.loads(server.asked[0].body)
    assert (sent["title"], sent["message"]) == ("Gate 1 NO_GO", "no telemetry")
    assert events(run) == [("people told", ["sre through Apprise"])]


def test_without_a_channel_nobody_was_told_and_the_evidence_says_so(run, caplog):
    assert tell(run, "sre", "Gate 1 NO_GO", "no telemetry") == ()
    assert events(run) == [("nobody was told", [])]
    assert "apprise_default or smtp_default" in caplog.text


def test_a_notifier_that_raises_is_swallowed_and_nobody_was_told(run, monkeypatch, caplog):
    def broken(*arguments):
        raise RuntimeError("the chat is down")

    monkeypatch.setattr(people, "_apprise", broken)

    assert tell(run, "sre", "Gate 1 NO_GO", "no telemetry") == ()
    assert events(run) == [("nobody was told", [])]
    assert "the chat is down" in caplog.text


def test_a_notice_that_the_service_refused_told_nobody(apprise, server, run):
    server.answer((500, "broken"))

    assert tell(run, "sre", "Gate 1 NO_GO", "no telemetry") == ()
    assert events(run) == [("nobody was told", [])]


def test_a_service_that_cannot_be_reached_told_nobody(apprise, closed_port, run):
    apprise(port=closed_port)

    assert tell(run, "sre", "Gate 1 NO_GO", "no telemetry") == ()
    assert events(run) == [("nobody was told", [])]


def test_a_role_that_no_service_serves_was_not_told(apprise, server, run):
    assert tell(run, "technical-lead", "Gate 1 NO_GO", "no telemetry") == ()
    assert server.asked == []
    assert events(run) == [("nobody was told", [])]


def test_a_role_without_people_is_swallowed_too(apprise, run):
    assert tell(run, "pilot", "Gate 1 NO_GO", "no telemetry") == ()
    assert events(run) == [("nobody was told", [])]


def test_one_channel_that_fails_does_not_silence_the_other(run, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("the chat is down")

    monkeypatch.setattr(people, "_apprise", broken)
    monkeypatch.setattr(people, "_email", lambda *_arguments: ["sre@example.com by e-mail"])

    assert tell(run, "sre", "Gate 1 NO_GO", "no telemetry") == ("sre@example.com by e-mail",)


def test_the_secret_in_a_service_url_stays_out_of_log_and_evidence(apprise, closed_port, run, caplog):
    apprise(port=closed_port)

    tell(run, "sre", "Gate 1 NO_GO", "no telemetry")

    assert SECRET not in caplog.text
    assert all(SECRET not in run.store.read_text(name) for name in run.store.names())


def test_shadow_mode_tells_nobody(apprise, server, shadow_run):
    assert tell(shadow_run, "sre", "Gate 1 NO_GO", "no telemetry") == ()
    assert server.asked == []


def test_each_notice_of_a_task_is_recorded(apprise, run, clock):
    tell(run, "sre", "first", "text")
    clock.forward(seconds=1)
    tell(run, "sre", "second", "text")

    assert [event["subject"] for event in run.trail.events()] == ["first", "second"]


def test_two_notices_in_one_second_are_both_recorded(apprise, run, clock):
    tell(run, "sre", "first", "text")
    clock.forward(milliseconds=20)
    tell(run, "sre", "second", "text")

    assert sorted(event["subject"] for event in run.trail.events()) == ["first", "second"]


def test_html_in_a_notice_is_escaped():
    assert people._as_html("<b>&") == "<pre>&lt;b&gt;&amp;</pre>"


def test_a_role_of_another_release_is_not_mixed_in(apprise, run):
    tell(ProtocolRun.of(context(release_id="shop-1.2.0")), "sre", "other", "text")

    assert events(run) == []

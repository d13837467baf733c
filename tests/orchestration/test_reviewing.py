"""What a review sees when sources are away: each by itself, and nothing is taken for fine."""

from __future__ import annotations

import json

import pytest

from release_watch.artifacts.models import FindingState, MonitoringResults
from release_watch.judge.cases.stored import StoredReview
from release_watch.orchestration.steps import between_reviews, watching
from release_watch.orchestration.steps.watching import RESULTS, Woken, review_release, signs_known
from release_watch.verdict import Verdict
from tests.orchestration.fakes import START

NOTHING = {"status": "success", "data": {"resultType": "vector", "result": []}}
WINDOW = (START, START)


@pytest.fixture
def reviewed(run, clock, monkeypatch):
    """Reviews without telling anybody, and gives what was written."""
    done = {"checkout-error_ratio": "told oncall"}
    monkeypatch.setattr(watching, "escalate_findings", lambda *_: done)
    clock.forward(minutes=10)

    def review(woken=watching.UNASKED):
        outcome = review_release(run, WINDOW, woken)
        return outcome, run.store.read_model(RESULTS, MonitoringResults)

    return review


def by_name(results):
    return {one.name: one for one in results.reviews[-1].objectives}


def test_without_any_connection_each_source_says_which_one_to_add(reviewed):
    outcome, results = reviewed()

    objectives = by_name(results)
    assert not outcome.verdict.proceeds
    assert "AIRFLOW_CONN_PROMETHEUS_DEFAULT" in objectives["checkout error_ratio"].reason
    assert "AIRFLOW_CONN_PROMETHEUS_DEFAULT" in objectives["alerts"].reason
    assert "AIRFLOW_CONN_LOKI_DEFAULT" in objectives["checkout new errors in the logs"].reason
    assert "AIRFLOW_CONN_TEMPO_DEFAULT" in objectives["checkout trace_error_ratio"].reason
    budget = next(one for name, one in objectives.items() if name.startswith("checkout budget:"))
    assert budget.verdict is Verdict.INCONCLUSIVE


def test_what_a_review_was_judged_by_is_stored_before_it_is_published(reviewed, run):
    _, results = reviewed()

    stored = run.store.read_model("records/reviews/0001.json", StoredReview)
    assert results.reviews[0].evidence == run.store.uri_of("records/reviews/0001.json")
    assert stored.published is results.reviews[0].verdict
    assert len(results.metrics) == len(stored.metrics)


def test_a_metrics_server_that_has_nothing_leaves_the_others_their_words(reviewed, server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_PROMETHEUS_DEFAULT", server.connection())
    server.answer((200, {"status": "success", "data": {"result": [], "alerts": []}}))

    _, results = reviewed()

    objectives = by_name(results)
    assert objectives["checkout error_ratio"].verdict is Verdict.INCONCLUSIVE
    assert "alerts" not in objectives
    assert "AIRFLOW_CONN_LOKI_DEFAULT" in objectives["checkout new errors in the logs"].reason


def test_a_review_that_is_made_again_doubles_no_finding(reviewed, server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_PROMETHEUS_DEFAULT", server.connection())
    server.answer((200, {"status": "success", "data": {"result": [], "alerts": []}}))
    _, first = reviewed()

    _, second = reviewed()

    assert [one.number for one in second.reviews] == [1, 2]
    ids = [one.finding_id for one in second.findings]
    assert ids == [one.finding_id for one in first.findings]
    assert {one.finding_id: one.actions for one in second.findings}["checkout-error_ratio"] == (
        "told oncall",
        "told oncall",
    )
    assert {one.state for one in second.findings} == {FindingState.OPEN}


def test_what_woke_a_review_and_what_could_not_be_watched_is_written_down(reviewed, run):
    woken = Woken(
        ("checkout alert X fires",), ("checkout alert X",), "nothing could be asked since T1: refused"
    )

    _, results = reviewed(woken)

    assert results.reviews[0].woken_by == woken.signs
    assert results.reviews[0].unwatched == woken.unwatched
    assert signs_known(run) == woken.known


def test_without_a_connection_nothing_is_asked_between_reviews(run, caplog):
    assert between_reviews.questions(run) == []
    assert "AIRFLOW_CONN_PROMETHEUS_DEFAULT" in caplog.text


def test_without_a_reference_only_alerts_are_asked_for(run, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_PROMETHEUS_DEFAULT", json.dumps({"conn_type": "http", "host": "x"}))

    ((conn_id, query),) = between_reviews.questions(run)

    assert conn_id == "prometheus_default"
    assert 'service=~"checkout|payments"' in query

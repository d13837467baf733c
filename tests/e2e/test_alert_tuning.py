"""A change of an alert, asked for over REST, answered by a person, and live in Prometheus, or not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
import requests

from release_watch.artifacts.models import Window
from release_watch.assurance.nightly import NightReport
from release_watch.assurance.registry import ActiveReleases
from release_watch.assurance.tuning.kept import KeptTunings
from release_watch.assurance.tuning.proposal import TuningProposal, proposal_id
from release_watch.assurance.tuning.scores import Score
from release_watch.slo.rulefile import Rule, duration, from_yaml, parse_prometheus_duration
from sandbox.endpoints import read_endpoints
from sandbox.rehearsal import airflow
from sandbox.rehearsal.people import PARKED, THINKING_SECONDS
from tests.e2e.conftest import Rehearsed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1000)]

DAG_ID = "alert_tuning"
PATIENCE_SECONDS = 120
LONGER = timedelta(minutes=17)
NO_NAMESAKES = ("ServiceDown", "HighErrorRate")
"""One each for a service, so that the night can hold a change of them against what followed."""


class Asked(NamedTuple):
    """What became of the runs: who approved it, who rejected it, and who asked for what is not there."""

    approved: TuningProposal
    rejected: TuningProposal
    states: dict[str, str]
    held_before: dict[str, float]


def tuned(rule: Rule, group: str, step: float) -> TuningProposal:
    """A change of a rule that the release runs, as a back-test would propose it."""
    end = datetime.now(UTC)
    worth = Score(
        firings=9,
        true=3,
        false=6,
        incidents=3,
        caught=("1", "2", "3"),
        detection_seconds=9.0,
        notifications=9,
    )
    hold = duration((parse_prometheus_duration(rule.hold) if rule.hold else timedelta(0)) + LONGER)
    words = f"for: {rule.hold or 'none'} to {hold}"
    return TuningProposal(
        proposal_id=proposal_id(rule, "for"),
        alert=rule.name,
        service=rule.service or "",
        group=group,
        kind="for",
        change=words,
        current=rule,
        proposed=rule.model_copy(update={"hold": hold, "annotations": {**rule.annotations, "tuned": words}}),
        before=worth,
        expected=worth.model_copy(update={"false": 2, "firings": 5, "notifications": 5}),
        window=Window(start=end - timedelta(days=7), end=end),
        step_seconds=step,
        generated_at=end,
    )


@pytest.fixture(scope="module")
def asked(healthy: Rehearsed) -> Iterator[Asked]:
    """Two changes of real rules: one is approved, one is rejected."""
    root = airflow.artifact_root(healthy.root)
    name = healthy.release_folder.name
    active = next(one for one in ActiveReleases(root).all("production") if one.release.release_id == name)
    rules = [
        (group.name, rule)
        for text in active.rules.values()
        for group in from_yaml(text)
        for rule in group.alerts
        if rule.service == "payments" and rule.name in NO_NAMESAKES
    ]
    proposals = [tuned(rule, group, 5.0) for group, rule in rules]
    for one in proposals:
        folder = healthy.release_folder / "tuning"
        folder.mkdir(exist_ok=True)
        (folder / f"{one.proposal_id}.json").write_bytes(one.document())
    approved, rejected = proposals
    before = {one.proposal_id: held(healthy, one) for one in proposals}
    answers = {
        ask(healthy, "approved", approved.proposal_id): "yes",
        ask(healthy, "rejected", rejected.proposal_id): "no",
        ask(healthy, "unknown", "tune-000000000000"): "yes",
    }
    yield Asked(approved, rejected, answered(healthy, answers), before)
    for one in proposals:
        (folder / f"{one.proposal_id}.json").unlink()


def ask(healthy: Rehearsed, name: str, proposal: str, action: str = "apply") -> str:
    conf = {
        "environment": "production",
        "release_id": healthy.release_folder.name,
        "proposal_id": proposal,
        "action": action,
    }
    run_id = f"tuning-{name}-{time.time_ns()}"
    answer = request(healthy, run_id, conf)
    assert answer.status_code == 200, answer.text
    return run_id


def request(healthy: Rehearsed, run_id: str, conf: dict[str, str]) -> requests.Response:
    body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
    return healthy.user("sre").request("POST", f"/dags/{DAG_ID}/dagRuns", body)


def answered(healthy: Rehearsed, answers: dict[str, str]) -> dict[str, str]:
    """Answer the question of each run as the SRE, and return how each run ended, by its short name."""
    sre, deadline = healthy.user("sre"), time.monotonic() + PATIENCE_SECONDS
    seen: dict[tuple[str, int], float] = {}
    states: dict[str, str] = {}
    while len(states) < len(answers):
        assert time.monotonic() < deadline, f"not over after {PATIENCE_SECONDS} s: {states}"
        for run_id, option in answers.items():
            path = f"/dags/{DAG_ID}/dagRuns/{run_id}"
            state = sre.get(path)["state"]
            if state in ("success", "failed"):
                states[run_id] = state
                continue
            for question in sre.get(f"{path}/hitlDetails", response_received=False)["hitl_details"]:
                instance = question["task_instance"]
                first = seen.setdefault((run_id, instance["try_number"]), time.monotonic())
                if instance["state"] == PARKED and time.monotonic() - first >= THINKING_SECONDS:
                    body = {"chosen_options": [option], "params_input": {}}
                    sre.request("PATCH", f"{path}/taskInstances/approve_change/-1/hitlDetails", body)
        time.sleep(0.5)
    return {run_id.split("-")[1]: states[run_id] for run_id in answers}


def held(healthy: Rehearsed, proposal: TuningProposal) -> float:
    """Return the ``for`` of the rule that Prometheus runs, in seconds."""
    return float(live(healthy, proposal)["duration"])


def live(healthy: Rehearsed, proposal: TuningProposal) -> dict[str, Any]:
    url = f"{read_endpoints(healthy.root)['prometheus']}/api/v1/rules"
    groups = requests.get(url, timeout=10).json()["data"]["groups"]
    (found,) = (
        rule
        for group in groups
        if group["name"] == proposal.group
        for rule in group["rules"]
        if rule["name"] == proposal.alert and rule["labels"] == proposal.current.labels
    )
    rule: dict[str, Any] = found
    return rule


def conclusion(healthy: Rehearsed, name: str) -> str:
    return "".join(
        path.read_text()
        for path in (healthy.root / ".sandbox" / "run" / "airflow" / "logs").rglob("*.log")
        if f"run_id=tuning-{name}-" in str(path) and "task_id=conclude" in str(path)
    )


def test_an_approved_change_is_live_with_its_new_value(healthy: Rehearsed, asked: Asked) -> None:
    assert asked.states["approved"] == "success"
    before = asked.held_before[asked.approved.proposal_id]
    assert held(healthy, asked.approved) == before + LONGER.total_seconds()
    assert live(healthy, asked.approved)["annotations"]["tuned"] == asked.approved.change
    assert "approved by sre (sre)" in conclusion(healthy, "approved")


def test_what_was_approved_is_kept_with_who_did(healthy: Rehearsed, asked: Asked) -> None:
    kept = KeptTunings(airflow.artifact_root(healthy.root), "production").known(asked.approved.proposal_id)
    assert kept.last is not None
    assert (kept.last.digest, kept.last.state) == (asked.approved.digest, "active")
    assert kept.last.approval.responded_by == "sre"
    assert kept.last.approval.evidence_sha256 == asked.approved.digest


def test_a_rejected_change_changes_nothing(healthy: Rehearsed, asked: Asked) -> None:
    assert asked.states["rejected"] == "success"
    assert held(healthy, asked.rejected) == asked.held_before[asked.rejected.proposal_id]
    assert (
        KeptTunings(airflow.artifact_root(healthy.root), "production").get(asked.rejected.proposal_id) is None
    )
    assert "rejected by sre (sre); nothing was changed" in conclusion(healthy, "rejected")


def test_what_is_not_there_is_refused_and_named(healthy: Rehearsed, asked: Asked) -> None:
    assert asked.states["unknown"] == "failed"
    assert "refused: proposal_id: 'tune-000000000000'" in conclusion(healthy, "unknown")


@pytest.mark.parametrize(
    ("field", "value"),
    [("proposal_id", "../../secret"), ("proposal_id", "tune-1"), ("release_id", "a/b"), ("action", "drop")],
)
def test_malformed_params_are_refused_by_the_api(healthy: Rehearsed, field: str, value: str) -> None:
    conf = {"environment": "production", "release_id": "shop", "proposal_id": "tune-000000000000"}
    answer = request(healthy, "tuning-malformed", {**conf, field: value})
    assert answer.status_code == 400
    assert field in answer.text


def test_the_night_afterwards_takes_it_for_what_is_in_force(healthy: Rehearsed, asked: Asked) -> None:
    report = night(healthy)
    (release,) = (one for one in report.releases if one.release_id == healthy.release_folder.name)
    assert release.drift == ()
    (said,) = (o for o in release.decision.objectives if asked.approved.proposal_id in o.name)
    assert said.verdict == "GO"
    assert "nothing to judge by: in force for" in said.reason


@pytest.fixture(scope="module")
def taken_back(healthy: Rehearsed, asked: Asked) -> str:
    """The approved change, taken back again once the SRE agreed; returns how the run ended."""
    run_id = ask(healthy, "back", asked.approved.proposal_id, "take_back")
    return answered(healthy, {run_id: "yes"})["back"]


def test_a_change_that_was_taken_back_is_live_no_more(
    healthy: Rehearsed, asked: Asked, taken_back: str
) -> None:
    assert taken_back == "success"
    assert held(healthy, asked.approved) == asked.held_before[asked.approved.proposal_id]
    assert "tuned" not in live(healthy, asked.approved)["annotations"]
    assert "taken back" in conclusion(healthy, "back")


def test_the_night_after_that_finds_neither_drift_nor_a_change(
    healthy: Rehearsed, asked: Asked, taken_back: str
) -> None:
    (release,) = (one for one in night(healthy).releases if one.release_id == healthy.release_folder.name)
    assert release.drift == ()
    said = {o.name: o.reason for o in release.decision.objectives}
    assert said["tunings"] == "no approved change of an alert is in force"


def night(healthy: Rehearsed) -> NightReport:
    admin, run_id = healthy.user("admin"), f"night-{time.time_ns()}"
    body = {"dag_run_id": run_id, "logical_date": None}
    assert admin.request("POST", "/dags/nightly_assurance/dagRuns", body).status_code == 200
    deadline = time.monotonic() + PATIENCE_SECONDS
    while admin.get(f"/dags/nightly_assurance/dagRuns/{run_id}")["state"] not in ("success", "failed"):
        assert time.monotonic() < deadline, f"{run_id} is not over after {PATIENCE_SECONDS} s"
        time.sleep(0.5)
    folder = airflow.artifact_root(healthy.root) / "monitoring" / "nightly"
    path = max(
        folder.rglob("assurance-report.json")
    )  # a night of yesterday may have run when Airflow started
    return NightReport.model_validate(json.loads(path.read_text()))

"""The pages that people see in a real browser."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from playwright.sync_api import Page, expect

from sandbox.orchestrator.deployment import deploy
from sandbox.rehearsal import airflow
from tests.e2e.browser import keep_picture, logged_in
from tests.e2e.conftest import Rehearsed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

GROUPS = (
    "plan",
    "phase_1_instrumentation",
    "phase_2_activation",
    "baseline_window",
    "phase_3_assurance",
    "phase_4_handoff",
)
LOOK_MS = 30_000


def test_the_graph_shows_the_phases_and_a_gate(healthy: Rehearsed) -> None:
    password = airflow.passwords(healthy.root)["reader"]
    with logged_in(healthy.url, "reader", password) as page:
        page.goto(f"{healthy.url}/dags/post_deployment_monitoring/runs/{healthy.run_id}")
        page.get_by_label("Show Graph").first.click()
        page.get_by_label("Collapse Details Panel").first.click()
        _bring_into_view(page, GROUPS)
        phase = page.locator(".react-flow__node", has=page.get_by_role("link", name=GROUPS[1], exact=True))
        phase.first.get_by_role("button", name="Tasks").click()
        _bring_into_view(page, (*GROUPS, "gate_1"))
        keep_picture(page, "run-graph")


def _bring_into_view(page: Page, groups: Sequence[str]) -> None:
    """Fit the graph until every group is drawn: what is out of view is not, and the layout takes its time."""
    links = [page.get_by_role("link", name=group, exact=True).first for group in groups]
    for _ in range(15):
        page.get_by_role("button", name="Fit View").click()
        page.wait_for_timeout(1000)
        if all(link.is_visible() for link in links):
            return
    for link in links:
        expect(link).to_be_visible(timeout=LOOK_MS)


def test_the_log_of_a_phase_shows_the_fixed_texts(healthy: Rehearsed) -> None:
    task = "phase_1_instrumentation.audit_coverage"
    with logged_in(healthy.url, "reader", airflow.passwords(healthy.root)["reader"]) as page:
        page.goto(f"{healthy.url}/dags/post_deployment_monitoring/runs/{healthy.run_id}/tasks/{task}")
        expect(page.get_by_text("Validating instrumentation coverage").first).to_be_visible(timeout=LOOK_MS)
        keep_picture(page, "task-log")


def test_a_plan_rejected_in_the_browser_aborts_the_run(healthy: Rehearsed) -> None:
    params = deploy(healthy.root, scenario="healthy")
    run_id = f"deploy-{params['deployment_id']}"
    assert healthy.user("release-orchestrator").trigger(run_id, params).status_code == 200
    _wait_for_question(healthy, run_id)
    base = f"{healthy.url}/dags/post_deployment_monitoring/runs/{run_id}"
    with logged_in(healthy.url, "sre", airflow.passwords(healthy.root)["sre"]) as page:
        page.goto(f"{base}/tasks/plan.review_plan/required_actions")
        expect(page.get_by_text("SHA-256").first).to_be_visible(timeout=LOOK_MS)
        keep_picture(page, "approval")
        page.get_by_role("button", name="no", exact=True).first.click()
        deadline = time.monotonic() + 180
        while healthy.user("reader").run_state(run_id) != "failed":
            assert time.monotonic() < deadline
            time.sleep(2)
    folder = airflow.artifact_root(healthy.root) / "monitoring" / "production" / params["release_id"]
    assert '"ABORTED"' in (folder / "exit-state.json").read_text()
    assert "sre (sre) answered no" in (folder / "exit-state.json").read_text()
    assert not (folder / "instrumentation-audit.json").exists()


def _wait_for_question(healthy: Rehearsed, run_id: str) -> None:
    reader = healthy.user("reader")
    deadline = time.monotonic() + 120
    while not [q for q in reader.questions(run_id) if q["task_instance"]["state"] == "awaiting_input"]:
        assert time.monotonic() < deadline
        time.sleep(1)
    time.sleep(10)  # Airflow 3.3.2 loses an answer that comes before the scheduler has parked the task

"""The steps that read the evidence: prerequisites, their remedies, and the requirements."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException

from release_watch.catalog.config import config_folder
from release_watch.clock import now, rfc3339
from release_watch.evidence.documents import REQUIRED
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.sensors import signals
from release_watch.orchestration.steps import instrumentation
from tests.orchestration.fakes import context

TASK = "phase_1_instrumentation.check_prerequisites"
RUNBOOK = "RUNBOOKS/payments.md"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "evidence"
    folder.mkdir()
    at = rfc3339(now())
    validation = {"release_id": "shop-1.1.0", "status": "passed", "validated_at": at}
    (folder / REQUIRED[0]).write_text(json.dumps(validation))
    for name in REQUIRED[1:]:
        (folder / name).write_text(f"# shop-1.1.0 at {at}\n\n## Risks\n\n- payments is new\n- what else\n")
    return folder


@pytest.fixture
def params(folder):
    return {"evidence_uri": folder.as_uri(), "deployed_at": rfc3339(now())}


@pytest.fixture
def no_runbook(tmp_path, monkeypatch):
    """A configuration whose catalogue links no runbook of payments."""
    copy = tmp_path / "config"
    shutil.copytree(config_folder(), copy)
    content = yaml.safe_load((copy / "services.yaml").read_text())
    for service in content["services"]:
        if service["name"] == "payments":
            del service["runbook"]
    (copy / "services.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("RELEASE_WATCH_CONFIG", str(copy))


def run_of(params, task=TASK, run_id="deploy-d-1"):
    return ProtocolRun.of(context(task, run_id=run_id, **params))


def prerequisites(run):
    found = json.loads(run.store.read_bytes("records/prerequisites.json"))["prerequisites"]
    return {one["name"]: one for one in found}


def test_a_missing_runbook_is_made_from_the_template_and_listed_with_its_uri(no_runbook, params):
    run = run_of(params)

    instrumentation.check_prerequisites(run)

    found = prerequisites(run)["operational runbooks"]
    assert found["status"] == "remediated"
    assert run.store.uri_of(RUNBOOK) in found["remedy"]
    assert found["notify"] == ["team-money"]
    assert "Created from the template; to be completed by team-money" in run.store.read_text(RUNBOOK)
    assert run.store.names("RUNBOOKS/") == [RUNBOOK]


def test_what_people_wrote_into_it_stays(no_runbook, params):
    instrumentation.check_prerequisites(run_of(params))
    run = run_of(params)
    run.store.write_text(RUNBOOK, "# Completed by hand\n")

    instrumentation.check_prerequisites(run_of(params))
    instrumentation.review_evidence(run_of(params, "phase_1_instrumentation.review_evidence"))

    assert run.store.read_text(RUNBOOK) == "# Completed by hand\n"
    assert [e["event"] for e in run.trail.events()].count("runbook created from the template") == 1


def test_the_requirements_name_the_runbook_that_was_made(no_runbook, params):
    run = run_of(params)

    instrumentation.review_evidence(run)

    text = run.store.read_text(instrumentation.REQUIREMENTS)
    assert f"to be completed by team-money: {run.store.uri_of(RUNBOOK)}" in text


def test_a_service_with_a_runbook_gets_none(params):
    run = run_of(params)

    instrumentation.check_prerequisites(run)

    assert run.store.names("RUNBOOKS/") == []
    assert prerequisites(run)["operational runbooks"]["status"] == "met"


def test_a_deployment_that_is_not_validated_blocks_and_tells_the_leads(params, folder, monkeypatch):
    told = []
    monkeypatch.setattr(signals, "tell", lambda _run, role, _subject, text: told.append((role, text)))
    path = folder / REQUIRED[0]
    path.write_text(path.read_text().replace("passed", "failed"))

    with pytest.raises(AirflowFailException, match="BLOCKED: prerequisites not met: deployment validated"):
        instrumentation.check_prerequisites(run_of(params))

    assert [role for role, _ in told] == ["operations-lead", "technical-lead"]
    assert "mend or roll back the deployment" in told[0][1]


def test_in_shadow_mode_it_is_only_recorded_what_would_have_blocked(params, folder):
    path = folder / REQUIRED[0]
    path.write_text(path.read_text().replace("passed", "failed"))
    run = run_of({**params, "mode": "shadow"})

    instrumentation.check_prerequisites(run)

    assert run.stops() == []
    assert "would have been blocked" in [event["event"] for event in run.trail.events()]


def test_the_log_says_in_one_line_per_document_how_it_was_understood(params, caplog):
    caplog.set_level("INFO")

    instrumentation.review_evidence(run_of(params))

    assert "DEPLOYMENT-REPORT.md: understood 2 × risk" in caplog.text
    assert "deployment-health-log.md: understood 2 × risk" in caplog.text

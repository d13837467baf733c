"""A rollback from the decision to its end, against an orchestrator over HTTP that counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from release_watch.artifacts.models import Approval
from release_watch.release import Mode, Release
from release_watch.response.deployments import deployments_in_progress
from release_watch.response.ledger import EntryState, RollbackLedger
from release_watch.response.rollback_record import RollbackRecord, Stage, proceed
from tests.response.conftest import AT
from tests.response.http_transport import JsonOnly
from tests.response.orchestrator import CountingOrchestrator, serving

COOL_DOWN = timedelta(hours=1)
RUN = "deploy-42"


@pytest.fixture
def orchestrator() -> Iterator[CountingOrchestrator]:
    with serving() as running:
        yield running


@pytest.fixture
def ledger(tmp_path: Path) -> RollbackLedger:
    return RollbackLedger(tmp_path)


@pytest.fixture
def record(release: Release) -> RollbackRecord:
    return RollbackRecord(
        release_id=release.release_id,
        environment=release.environment,
        generated_at=AT,
        deployment_id=release.deployment_id,
        version=release.version,
        services=release.services,
        idempotency_key=release.release_id,
        decided_at=AT,
        decided_by="the rollback policy",
        reason="checkout is slow",
    )


class Step:
    """Takes the rollback a step on."""

    def __init__(self, release: Release, orchestrator: CountingOrchestrator, ledger: RollbackLedger) -> None:
        self.release, self.orchestrator, self.ledger = release, orchestrator, ledger

    def __call__(self, record: RollbackRecord, **changes: Any) -> RollbackRecord:
        given = {"run_id": RUN, "at": AT, "release": self.release, **changes}
        transport = JsonOnly(self.orchestrator.url)
        return proceed(
            record,
            given["release"],
            given["run_id"],
            transport,
            self.ledger,
            cool_down=COOL_DOWN,
            at=given["at"],
        )


@pytest.fixture
def step(release: Release, orchestrator: CountingOrchestrator, ledger: RollbackLedger) -> Step:
    return Step(release, orchestrator, ledger)


def deployment(**fields: Any) -> dict[str, Any]:
    known = {"environment": "production", "services": ["checkout"], "status": "deploying"}
    return {"deployment_id": "43", **known, **fields}


def earlier(ledger: RollbackLedger, release: Release, **changes: Any) -> None:
    other = release.model_copy(update={"release_id": "shop-1.0.9", "deployment_id": "41", **changes})
    ledger.note(other, "deploy-41", AT - timedelta(minutes=20), EntryState.SUCCEEDED)


def test_from_the_decision_to_the_end_with_all_evidence(
    step: Step, record: RollbackRecord, orchestrator: CountingOrchestrator, ledger: RollbackLedger
) -> None:
    asked = step(record)
    running = step(asked)
    orchestrator.end("succeeded")
    done = step(running, at=AT + timedelta(minutes=1))

    assert [asked.stage, running.stage, done.stage] == [Stage.RUNNING, Stage.RUNNING, Stage.SUCCEEDED]
    assert done.rollback is not None
    assert (done.rollback.from_version, done.rollback.to_version) == ("1.1.0", "1.0.0")
    assert [guard.name for guard in done.guards if guard.passed] == [
        "not in shadow mode",
        "one rollback per release",
        "cool-down of PT1H",
        "no other deployment of the services",
    ]
    assert [event.what for event in done.events] == ["asked for: rollback rb-1", "rollback rb-1 succeeded"]
    assert RollbackRecord.model_validate_json(done.model_dump_json()) == done
    entry = ledger.of(step.release)
    assert entry is not None
    assert (entry.state, entry.requested_at) == (EntryState.SUCCEEDED, AT)
    assert step(done) == done
    assert orchestrator.keys == ["shop-1.1.0"]


@pytest.mark.parametrize("fail", ["before", "after"])
def test_500_twice_and_then_200_is_one_rollback(
    step: Step, record: RollbackRecord, orchestrator: CountingOrchestrator, fail: Any
) -> None:
    orchestrator.fail, orchestrator.fail_next = fail, 2

    asked = step(record)

    assert asked.stage is Stage.RUNNING
    assert len(orchestrator.begun) == 1
    assert orchestrator.keys == ["shop-1.1.0"] * 3


@pytest.mark.parametrize("fail", ["before", "after"])
def test_an_orchestrator_that_is_away_for_long_still_rolls_back_once(
    step: Step, record: RollbackRecord, orchestrator: CountingOrchestrator, fail: Any
) -> None:
    orchestrator.fail, orchestrator.fail_next = fail, 6

    unanswered = step(record)
    asked = step(unanswered)

    assert (unanswered.stage, asked.stage) == (Stage.UNANSWERED, Stage.RUNNING)
    assert unanswered.events[0].what.startswith("no answer: server: POST /deployments/42/rollback")
    assert len(orchestrator.begun) == 1


def test_a_crash_between_the_request_and_its_record_is_one_rollback(
    step: Step, record: RollbackRecord, orchestrator: CountingOrchestrator
) -> None:
    step(record)
    again = step(record)

    assert again.stage is Stage.RUNNING
    assert len(orchestrator.begun) == 1


def test_a_failed_rollback_says_why(
    step: Step, record: RollbackRecord, orchestrator: CountingOrchestrator
) -> None:
    asked = step(record)
    orchestrator.end("failed", "image is gone")

    failed = step(asked)

    assert (failed.stage, failed.events[-1].what) == (Stage.FAILED, "rollback rb-1 failed: image is gone")


def test_one_that_a_person_began_is_followed_and_not_repeated(
    step: Step, record: RollbackRecord, orchestrator: CountingOrchestrator
) -> None:
    orchestrator.begin("by-hand")

    followed = step(record)

    assert (followed.stage, followed.adopted, len(orchestrator.begun)) == (Stage.RUNNING, True, 1)


def test_a_refusal_is_the_end(
    release: Release, step: Step, record: RollbackRecord, orchestrator: CountingOrchestrator
) -> None:
    orchestrator.refusal = "the shop runs 1.2.0"

    refused = step(record)

    assert refused.stage is Stage.REFUSED
    assert "the shop runs 1.2.0" in refused.events[-1].what
    assert not step.ledger.asked_for(release, "another-run")


def test_another_deployment_of_a_service_holds_it_back_until_it_is_over(
    step: Step, record: RollbackRecord, orchestrator: CountingOrchestrator
) -> None:
    orchestrator.deployments = [deployment()]
    held = step(step(record))
    orchestrator.deployments = [deployment(status="failed")]
    asked = step(held)

    assert (held.stage, len(held.events), orchestrator.keys[1:]) == (Stage.HELD, 1, [])
    assert held.events[0].what.endswith("no other deployment of the services: still running: 43")
    assert asked.stage is Stage.RUNNING


def test_whether_another_deployment_runs_must_be_known(
    step: Step, record: RollbackRecord, orchestrator: CountingOrchestrator
) -> None:
    orchestrator.listed = (404, {"error": "no such page"})

    unknown = step(record)

    assert unknown.stage is Stage.UNANSWERED
    assert orchestrator.keys == []


def test_the_cool_down_holds_it_back_until_it_is_over(
    step: Step, record: RollbackRecord, orchestrator: CountingOrchestrator, ledger: RollbackLedger
) -> None:
    earlier(ledger, step.release)

    held = step(record)
    asked = step(held, at=AT + timedelta(minutes=41))

    assert "nothing is automatic until 2026-03-02T12:45:00.000Z" in held.events[0].what
    assert (held.stage, asked.stage) == (Stage.HELD, Stage.RUNNING)


def test_a_persons_yes_overrules_the_cool_down(
    step: Step, record: RollbackRecord, ledger: RollbackLedger
) -> None:
    earlier(ledger, step.release)
    yes = Approval(
        role="oncall",
        task="ask_rollback",
        answer="yes",
        responded_by="kim",
        responded_at=AT,
        evidence_uri="file:///e",
        evidence_sha256="0" * 64,
    )

    asked = step(record.model_copy(update={"approval": yes}))

    assert asked.stage is Stage.RUNNING
    assert "but kim said yes" in asked.guards[2].reason


@pytest.mark.parametrize(
    "other",
    [{"services": ("search",)}, {"environment": "staging"}],
    ids=["other-services", "another-environment"],
)
def test_rollbacks_elsewhere_start_no_cool_down(
    step: Step, record: RollbackRecord, ledger: RollbackLedger, other: dict[str, Any]
) -> None:
    earlier(ledger, step.release, **other)

    assert step(record).stage is Stage.RUNNING


def test_a_damaged_ledger_lets_none_by(
    step: Step, record: RollbackRecord, ledger: RollbackLedger, tmp_path: Path
) -> None:
    earlier(ledger, step.release)
    (entry,) = tmp_path.rglob("rollback.json")
    entry.write_text("{")

    held = step(record)

    assert (held.stage, held.guards[0].name) == (Stage.HELD, "the ledger of rollbacks can be read")
    assert step.orchestrator.keys == []


def test_a_second_run_of_the_release_does_not_roll_back_again(
    step: Step, record: RollbackRecord, orchestrator: CountingOrchestrator
) -> None:
    step(record)

    second = step(record, run_id="deploy-42-again")

    assert second.stage is Stage.REFUSED
    assert "one rollback per release: run deploy-42 asked for it" in second.events[0].what
    assert len(orchestrator.keys) == 1


def test_shadow_mode_never_asks(
    step: Step, record: RollbackRecord, orchestrator: CountingOrchestrator
) -> None:
    shadow = step.release.model_copy(update={"mode": Mode.SHADOW})

    assert step(record, release=shadow).stage is Stage.REFUSED
    assert orchestrator.keys == []
    assert step.ledger.of(shadow) is None


@pytest.mark.parametrize(
    ("listed", "running"),
    [
        pytest.param([deployment()], ("43",), id="one-of-a-service"),
        pytest.param([deployment(services=["search"])], (), id="of-other-services"),
        pytest.param([deployment(environment="staging")], (), id="in-another-environment"),
        pytest.param([deployment(status="deployed")], (), id="over"),
        pytest.param([deployment(deployment_id="42")], (), id="our-own"),
        pytest.param([deployment(services=None)], ("43",), id="services-not-told"),
        pytest.param([], (), id="none"),
    ],
)
@pytest.mark.parametrize("as_ids", [False, True], ids=["as-records", "as-ids"])
def test_which_deployments_are_in_the_way(
    release: Release,
    orchestrator: CountingOrchestrator,
    listed: list[Any],
    running: tuple[str, ...],
    as_ids: bool,
) -> None:
    orchestrator.deployments = listed
    if as_ids:
        orchestrator.listed = (200, {"deployments": [one["deployment_id"] for one in listed]})

    assert deployments_in_progress(JsonOnly(orchestrator.url), release) == running

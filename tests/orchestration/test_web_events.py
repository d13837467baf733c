from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.api_fastapi.app import get_auth_manager, init_auth_manager, purge_cached_app
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from fastapi.testclient import TestClient
from sqlalchemy import delete, select, update

from release_watch.assurance.registry import ActiveReleases
from release_watch.clock import now, rfc3339
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.storage import store_for
from release_watch.orchestration.web import events, runs
from release_watch.orchestration.web.access import DAG_ID
from release_watch.orchestration.web.app import app
from release_watch.orchestration.web.body import LARGEST_BODY_BYTES
from release_watch.release import Release
from tests.test_cdevents import DEPLOYED, ROLLED_BACK, binary, cdevent, structured

RUN_ID = "deploy-dep-1"
DAG_FOLDER = Path(__file__).parents[2] / "dags"


@pytest.fixture(scope="module", autouse=True)
def airflow_api():
    """Airflow's own users and tables, and the DAG as the DAG processor writes it down."""
    from airflow import settings
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.db import synchronize_log_template

    import_all_models()
    settings.configure_orm()
    Base.metadata.create_all(settings.get_engine())
    with create_session() as session:
        session.add(DagBundleModel(name="dags"))
        synchronize_log_template(session=session)
    bag = DagBag(str(DAG_FOLDER / f"{DAG_ID}.py"), bundle_path=DAG_FOLDER, bundle_name="dags")
    sync_bag_to_db(bag, "dags", None)
    init_auth_manager()
    yield
    purge_cached_app()
    Base.metadata.drop_all(settings.get_engine())


@pytest.fixture(autouse=True)
def no_runs():
    yield
    with create_session() as session:
        session.execute(delete(TaskInstance))
        session.execute(delete(DagRun))
        session.execute(delete(Log))


@pytest.fixture
def client():
    return TestClient(app, raise_server_exceptions=False)


def as_user(name="release-orchestrator", role="USER"):
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role=role))
    return {"Authorization": f"Bearer {token}"}


def send(client, event: dict[str, Any], mode=structured, **user):
    headers, body = mode(event)
    return client.post("/events", headers={**headers, **as_user(**user)}, content=body)


def all_runs() -> list[DagRun]:
    with create_session() as session:
        return list(session.scalars(select(DagRun)).all())


def states(run_id: str = RUN_ID) -> dict[str, str | None]:
    with create_session() as session:
        query = select(TaskInstance.task_id, TaskInstance.state).where(TaskInstance.run_id == run_id)
        return dict(session.execute(query).all())


def set_states(given: dict[str, str], run_id: str = RUN_ID, run_state: str = DagRunState.RUNNING) -> None:
    with create_session() as session:
        for task, state in given.items():
            session.execute(
                update(TaskInstance)
                .where(TaskInstance.run_id == run_id, TaskInstance.task_id == task)
                .values(state=state)
            )
        session.execute(update(DagRun).where(DagRun.run_id == run_id).values(state=run_state))


def protocol_run(run_id: str = RUN_ID) -> ProtocolRun:
    release = Release.from_params(next(run.conf for run in all_runs() if run.run_id == run_id))
    return ProtocolRun(release, run_id, "a_test", store_for(release))


def rolled_back(**changed: Any) -> dict[str, Any]:
    given = {
        "context__id": "back-1",
        "context__timestamp": rfc3339(now()),
        "custom": {"release_id": "shop-1.1.0"},
    }
    return cdevent(ROLLED_BACK, **{**given, **changed})


@pytest.mark.parametrize("mode", [structured, binary])
@pytest.mark.parametrize("kind", [DEPLOYED, "dev.cdevents.service.upgraded.0.2.0"])
def test_a_deployment_starts_a_run_as_the_rest_api_does(kind, mode, client):
    answer = send(client, cdevent(kind), mode)

    assert answer.status_code == 201, answer.text
    assert answer.json() == {
        "outcome": "started",
        "duplicate": False,
        "runs": [RUN_ID],
        "detail": f"started run {RUN_ID}",
    }
    (run,) = all_runs()
    assert (run.run_id, run.run_type, run.state, run.logical_date) == (RUN_ID, "manual", "queued", None)
    assert (run.triggered_by.value, run.triggering_user_name) == ("rest_api", "release-orchestrator")
    assert run.conf == {
        "deployment_id": "dep-1",
        "release_id": "shop-1.1.0",
        "version": "1.1.0",
        "environment": "production",
        "services": ["checkout"],
        "deployed_at": "2026-03-02T08:55:00.123Z",
        "evidence_uri": "file:///evidence/dep-1",
        "baseline_window": "P1D",
        "review_interval": "PT1H",
        "rollback_policy": "ask",
        "mode": "enforce",
    }
    assert states()["close"] is None


def test_who_started_a_run_and_why_is_in_the_audit_log_and_the_note(client):
    send(client, cdevent())

    with create_session() as session:
        (entry,) = session.scalars(select(Log)).all()
        (run,) = session.scalars(select(DagRun)).all()
        assert (entry.event, entry.owner, entry.dag_id) == (
            "start_run_by_event",
            "release-orchestrator",
            DAG_ID,
        )
        assert entry.run_id == RUN_ID
        assert "/orchestrator/production" in entry.extra
        assert DEPLOYED in run.note


def test_a_viewer_starts_and_ends_nothing(client, artifacts):
    for event in (cdevent(), rolled_back()):
        answer = send(client, event, role="VIEWER")
        assert (answer.status_code, list(answer.json())) == (403, ["detail"])
    assert all_runs() == []
    assert not artifacts.exists()


def test_whoever_may_start_runs_but_not_change_them_ends_none(client, monkeypatch):
    send(client, cdevent())
    manager = type(get_auth_manager())
    monkeypatch.setattr(manager, "is_authorized_dag", lambda _, *, method, **__: method == "POST")

    assert send(client, rolled_back()).status_code == 403
    assert set(states().values()) == {None}


def test_the_body_is_not_read_before_the_sender_is_known(client):
    def never():
        pytest.fail("the body was read")
        yield b""

    headers = {"content-type": "application/cloudevents+json"}
    assert client.post("/events", headers=headers, content=b"x" * (LARGEST_BODY_BYTES + 1)).status_code == 401


def test_a_body_that_is_too_large_is_refused_whatever_it_says_of_its_length(client):
    headers, body = structured(cdevent())

    def pieces():
        yield body
        for _ in range(12):
            yield b" " * 100_000

    answer = client.post("/events", headers={**headers, **as_user()}, content=pieces())

    assert (answer.status_code, list(answer.json())) == (413, ["detail"])
    assert all_runs() == []


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-type": "text/plain"}, b"{}", 415),
        ({"content-type": "application/cloudevents-batch+json"}, b"[]", 415),
        ({"content-type": "application/cloudevents+json"}, b"[]", 400),
        ({"content-type": "application/json"}, b"{}", 400),
        ({}, b"", 415),
    ],
    ids=["text", "batch", "list", "no ce-specversion", "nothing"],
)
def test_what_is_no_event_is_refused_in_json(headers, body, status, client, artifacts):
    answer = client.post("/events", headers={**headers, **as_user()}, content=body)

    assert answer.status_code == status
    assert answer.json()["detail"] == "\n".join(answer.json()["problems"])
    assert not artifacts.exists()


def test_every_problem_comes_in_one_answer(client, artifacts):
    answer = send(client, cdevent(custom={"mode": "loud", "colour": "red"}))

    assert answer.status_code == 422
    assert [problem.partition(":")[0] for problem in answer.json()["problems"]] == [
        "customData.colour",
        "customData.evidence_uri",
        "customData.mode",
    ]
    assert not artifacts.exists()


def test_what_only_the_schema_of_the_dag_refuses_is_refused_too(client):
    answer = send(client, cdevent(custom={"evidence_uri": "S3://bucket/evidence"}))

    assert answer.status_code == 422
    assert "evidence_uri" in answer.json()["detail"]
    assert all_runs() == []


@pytest.mark.parametrize(
    "given",
    [{"context__id": "../../etc/passwd"}, {"context__source": "/../../.."}, {"context__id": "a" * 250}],
    ids=["id", "source", "long"],
)
def test_ids_never_become_paths(given, client, artifacts):
    answer = send(client, cdevent(**given, custom={"evidence_uri": "file:///evidence/dep-1"}))

    assert answer.status_code == 201
    (kept,) = (path for path in artifacts.rglob("*") if path.is_file())
    assert kept.parent == artifacts / "receipts" / "events"
    assert json.loads(kept.read_bytes())["event"]["id"] == given.get(
        "context__id", cdevent()["context"]["id"]
    )


def test_the_same_event_starts_nothing_twice(client):
    first, second = send(client, cdevent()), send(client, cdevent(), binary)

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["duplicate"] is True
    assert second.json()["runs"] == [RUN_ID]
    assert second.json()["detail"].endswith(f"started run {RUN_ID}")
    assert len(all_runs()) == 1


def test_the_same_event_starts_nothing_after_its_run_was_deleted(client):
    send(client, cdevent())
    with create_session() as session:
        session.execute(delete(TaskInstance))
        session.execute(delete(DagRun))

    answer = send(client, cdevent())

    assert (answer.status_code, answer.json()["duplicate"]) == (200, True)
    assert "was deleted since" in answer.json()["detail"]
    assert all_runs() == []


def test_a_receipt_that_was_cut_short_does_not_start_a_run_twice(client, artifacts):
    send(client, cdevent())
    (receipt,) = (artifacts / "receipts" / "events").iterdir()
    receipt.write_text(receipt.read_text()[:40])

    answer = send(client, cdevent())

    assert (answer.status_code, answer.json()["outcome"]) == (200, "already-watched")
    assert len(all_runs()) == 1


def test_an_id_that_was_given_to_another_event_is_refused(client):
    send(client, cdevent())

    answer = send(client, rolled_back(context__id=cdevent()["context"]["id"]))

    assert answer.status_code == 409
    assert "an id of its own" in answer.json()["detail"]
    assert set(states().values()) == {None}


@pytest.mark.parametrize("same_event", [True, False], ids=["same event", "two events of one deployment"])
def test_of_requests_at_the_same_moment_one_starts_the_run(same_event, client, monkeypatch):
    at_once = threading.Barrier(4, timeout=60)
    looked = runs.run_by_id

    def after_everybody_has_looked(run_id):
        found = looked(run_id)
        if not waited.__dict__.setdefault("done", False):
            waited.done = True
            at_once.wait()
        return found

    waited = threading.local()
    monkeypatch.setattr(events, "run_by_id", after_everybody_has_looked)
    given = [cdevent() if same_event else cdevent(context__id=f"event-{n}") for n in range(4)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda event: send(TestClient(app), event), given))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert {tuple(answer.json()["runs"]) for answer in answers} == {(RUN_ID,)}
    assert sorted(answer.json()["duplicate"] for answer in answers) == [False, True, True, True]
    assert len(all_runs()) == 1


ALL_SERVICES = {**cdevent()["customData"], "services": ["checkout", "payments"]}


def test_the_second_service_of_a_release_belongs_to_the_run_of_the_first(client):
    send(client, cdevent(custom=ALL_SERVICES))

    answer = send(client, cdevent(subject__id="payments", context__id="second", custom=ALL_SERVICES))

    assert answer.status_code == 200
    assert answer.json()["outcome"] == "already-watched"
    assert answer.json()["detail"] == f"already watched by run {RUN_ID}, which is queued"
    assert len(all_runs()) == 1


def test_a_second_event_with_an_own_deployment_starts_no_run_beside_the_open_one(client):
    custom = {"release_id": "shop-1.1.0", "evidence_uri": "file:///e", "services": ["checkout", "payments"]}
    first = send(client, cdevent(context__id="first", custom=custom))
    second = send(client, cdevent(subject__id="payments", context__id="second", custom=custom))

    assert first.json()["runs"] == second.json()["runs"] == ["deploy-first"]
    assert len(all_runs()) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"subject__id": "payments"}, "services: 'payments', but run deploy-dep-1 watches checkout"),
        (
            {"custom": {**cdevent()["customData"], "release_id": "shop-1.2.0"}},
            "release_id: 'shop-1.2.0', but run deploy-dep-1 watches 'shop-1.1.0'",
        ),
        (
            {"subject__content__artifactId": "pkg:oci/checkout?tag=1.2.0"},
            "version: '1.2.0', but run deploy-dep-1 watches '1.1.0'",
        ),
    ],
    ids=["service", "release", "version"],
)
def test_what_the_run_of_a_deployment_does_not_watch_is_a_conflict(changed, said, client, artifacts):
    send(client, cdevent())

    answer = send(client, cdevent(context__id="second", **changed))

    assert answer.status_code == 409
    assert said in answer.json()["detail"]
    assert "customData" in answer.json()["detail"]
    assert len(list((artifacts / "receipts" / "events").iterdir())) == 1


def test_a_release_is_watched_again_once_its_run_has_ended(client):
    custom = {"release_id": "shop-1.1.0", "evidence_uri": "file:///e"}
    send(client, cdevent(context__id="first", custom=custom))
    set_states({}, "deploy-first", DagRunState.FAILED)

    answer = send(client, cdevent(context__id="second", custom=custom))

    assert (answer.status_code, answer.json()["runs"]) == (201, ["deploy-second"])


@pytest.mark.parametrize("away", ["dag", "artifacts", "database"])
def test_while_something_is_away_the_sender_is_told_to_try_again(away, client, artifacts, monkeypatch):
    if away == "dag":
        with create_session() as session:
            session.execute(update(DagModel).values(is_stale=True))
    elif away == "artifacts":
        artifacts.parent.joinpath("artifacts").write_text("no folder")
    else:
        monkeypatch.setattr(events, "run_by_id", lambda _: 1 / 0)
    try:
        answer = send(client, cdevent())
    finally:
        with create_session() as session:
            session.execute(update(DagModel).values(is_stale=False))
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("the event was not taken")
    assert answer.json()["detail"].endswith("send the same event again")


def test_an_event_whose_receipt_could_not_be_kept_starts_nothing_twice(client, monkeypatch):
    keep = events.EventReceipts.keep
    monkeypatch.setattr(events.EventReceipts, "keep", lambda *_: 1 / 0)
    assert send(client, cdevent()).status_code == 503
    monkeypatch.setattr(events.EventReceipts, "keep", keep)

    assert send(client, cdevent()).json()["outcome"] == "already-watched"
    assert len(all_runs()) == 1


WAITING = {
    "plan.accept_request": TaskInstanceState.SUCCESS,
    "plan.review_plan": TaskInstanceState.AWAITING_INPUT,
    "phase_1_instrumentation.upstream_signals.documents_present": TaskInstanceState.DEFERRED,
    "phase_1_instrumentation.upstream_signals.validation_passed": TaskInstanceState.RUNNING,
    "phase_1_instrumentation.review_evidence": TaskInstanceState.UP_FOR_RETRY,
    "phase_1_instrumentation.audit_coverage": TaskInstanceState.SCHEDULED,
}


@pytest.fixture
def watched(client):
    """A run of which something waits in every way there is."""
    send(client, cdevent(custom=ALL_SERVICES))
    protocol_run().begin()
    set_states(WAITING)


def test_a_rollback_ends_what_runs_and_waits_and_leaves_the_closing(client, watched):
    answer = send(client, rolled_back())

    assert answer.status_code == 200, answer.text
    assert answer.json()["outcome"] == "ended"
    assert answer.json()["runs"] == [RUN_ID]
    after = states()
    assert {task: after[task] for task in WAITING} == {
        "plan.accept_request": "success",
        "plan.review_plan": "failed",
        "phase_1_instrumentation.upstream_signals.documents_present": "failed",
        "phase_1_instrumentation.upstream_signals.validation_passed": "failed",
        "phase_1_instrumentation.review_evidence": "skipped",
        "phase_1_instrumentation.audit_coverage": "skipped",
    }
    assert after.pop("close") is None
    assert set(after.values()) == {"success", "failed", "skipped"}
    assert [run.state for run in all_runs()] == ["running"]


def test_a_rollback_leaves_the_note_by_which_the_run_closes_as_rolled_back(client, watched):
    event = rolled_back()
    send(client, event)

    run = protocol_run()
    (stop,) = run.stops()
    assert stop["exit_state"] == "ROLLED_BACK"
    for said in ("checkout was rolled back at", ROLLED_BACK, "back-1", "/orchestrator/production"):
        assert said in stop["reason"]
    (evidence,) = (entry for entry in run.trail.events() if entry["event"] == "service rolled back")
    assert evidence["cdevent"]["id"] == "back-1"
    with create_session() as session:
        assert session.scalars(select(Log.event).order_by(Log.id)).all()[-1] == "end_run_by_event"


@pytest.mark.parametrize("again", ["same event", "event of the other service"])
def test_a_second_rollback_has_no_second_effect(again, client, watched):
    send(client, rolled_back())
    before = protocol_run().stops()
    set_states({"close": TaskInstanceState.RUNNING})

    answer = send(
        client,
        rolled_back() if again == "same event" else rolled_back(context__id="back-2", subject__id="payments"),
    )

    assert answer.status_code == 200
    assert answer.json()["outcome"] == ("ended" if again == "same event" else "nothing-to-end")
    assert answer.json()["duplicate"] is (again == "same event")
    assert protocol_run().stops() == before
    assert states()["close"] == "running"


def test_a_rollback_that_was_cut_short_is_done_when_the_event_comes_again(client, watched, monkeypatch):
    patch = runs.set_dag_run_state_to_failed
    monkeypatch.setattr(runs, "set_dag_run_state_to_failed", lambda **_: 1 / 0)
    assert send(client, rolled_back()).status_code == 503
    assert states()["plan.review_plan"] == "awaiting_input"
    monkeypatch.setattr(runs, "set_dag_run_state_to_failed", patch)

    assert send(client, rolled_back()).json()["outcome"] == "ended"
    assert states()["plan.review_plan"] == "failed"
    assert len(protocol_run().stops()) == 1


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(rolled_back(custom={"release_id": "shop-1.2.0"}), id="unknown release"),
        pytest.param(rolled_back(context__timestamp="2026-03-02T08:00:00Z"), id="an earlier deployment"),
        pytest.param(rolled_back(subject__content__environment__id="staging"), id="another environment"),
    ],
)
def test_a_rollback_of_what_is_not_watched_is_recorded_and_ends_nothing(event, client, watched, artifacts):
    before = states()

    first, second = send(client, event), send(client, event)

    assert (first.status_code, first.json()["outcome"]) == (200, "nothing-to-end")
    assert (second.json()["outcome"], second.json()["duplicate"]) == ("nothing-to-end", True)
    assert states() == before
    assert protocol_run().stops() == []
    assert len(list((artifacts / "receipts" / "events").iterdir())) == 2


@pytest.mark.parametrize("state", [DagRunState.SUCCESS, DagRunState.FAILED])
def test_a_run_that_has_ended_is_not_ended_again(state, client, watched):
    set_states({}, run_state=state)

    assert send(client, rolled_back()).json()["outcome"] == "nothing-to-end"
    assert protocol_run().stops() == []


def test_a_release_whose_run_is_over_is_no_longer_watched_at_night(client, watched, artifacts):
    set_states({}, run_state=DagRunState.SUCCESS)
    registry = ActiveReleases(artifacts)
    release = protocol_run().release
    registry.register(release, artifacts_uri="file:///a", rules={}, at=now())

    answer = send(client, rolled_back())

    assert f"no longer watched at night: {release.release_id}" in answer.json()["detail"]
    assert not registry.holds(release)
    assert "rolled back" in (registry.retirement(release.environment, release.release_id) or "")


def test_only_the_run_of_the_release_that_was_taken_back_is_ended(client, watched):
    other = {"evidence_uri": "file:///e", "release_id": "shop-1.0.0", "deployment_id": "dep-0"}
    old = "pkg:docker/shop/checkout@1.0.0"
    send(client, cdevent(context__id="old", custom=other, subject__content__artifactId=old))

    answer = send(client, rolled_back(custom={}, subject__content__artifactId=old))

    assert answer.json()["runs"] == [RUN_ID]
    assert set(states("deploy-dep-0").values()) == {None}


def test_a_run_that_never_began_is_ended_too_and_nothing_of_an_earlier_one_is_lost(client):
    custom = {"release_id": "shop-1.1.0", "evidence_uri": "file:///e"}
    send(client, cdevent(context__id="first", custom=custom))
    earlier = protocol_run("deploy-first")
    earlier.begin()
    earlier.store.write_json("exit-state.json", {"exit_state": "ABORTED"})
    earlier.end()
    set_states({}, "deploy-first", DagRunState.FAILED)
    send(client, cdevent(context__id="second", custom=custom))

    assert send(client, rolled_back()).json()["runs"] == ["deploy-second"]

    run = protocol_run("deploy-second")
    assert run.owner()["run_id"] == "deploy-second"
    assert [stop["exit_state"] for stop in run.stops()] == ["ROLLED_BACK"]
    assert any(name.endswith("exit-state.json") for name in run.store.names("earlier/"))


def test_an_event_dated_ahead_of_this_clock_is_refused(client, artifacts):
    ahead = rfc3339(now() + timedelta(minutes=10))

    for event in (cdevent(context__timestamp=ahead), rolled_back(context__timestamp=ahead)):
        answer = send(client, event)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("context.timestamp: ")
    assert not artifacts.exists()

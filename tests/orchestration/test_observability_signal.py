"""Waiting for the observability configuration of services that the catalogue does not map."""

from __future__ import annotations

import asyncio
import importlib
import logging
import shutil
from datetime import timedelta

import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from release_watch.catalog.config import config_folder
from release_watch.clock import now, rfc3339
from release_watch.evidence.signals import SignalState, SignalStatus
from release_watch.orchestration.sensors.signals import ObservabilitySensor
from release_watch.orchestration.triggers import signals
from release_watch.orchestration.triggers.signals import ObservabilityTrigger, _SignalTrigger
from tests.orchestration.fakes import context

TASK = "phase_1_instrumentation.upstream_signals.observability_configured"
FAR, PAST = "2999-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z"
DESCRIBED = "services:\n- service: payments\n  metrics: {job: shop/payments}\n"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "evidence"
    folder.mkdir()
    return folder


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    """A copy of the configuration whose catalogue maps no signal of payments, and a way to map it again."""
    copy = tmp_path / "config"
    shutil.copytree(config_folder(), copy)
    path = copy / "services.yaml"
    mapped = path.read_text()
    content = yaml.safe_load(mapped)
    for service in content["services"]:
        if service["name"] == "payments":
            service["signals"] = {}
    path.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("RELEASE_WATCH_CONFIG", str(copy))
    return lambda: path.write_text(mapped)


@pytest.fixture
def params(folder):
    return {"evidence_uri": folder.as_uri()}


def defer(params):
    with pytest.raises(TaskDeferred) as waiting:
        ObservabilitySensor(task_id="observability_configured").execute(context(TASK, **params))
    return waiting.value.trigger


async def events(trigger):
    return [event.payload async for event in trigger.run()]


def test_a_mapped_catalogue_holds_nobody_up_whatever_lies_in_the_folder(params):
    assert ObservabilitySensor(task_id="observability_configured").execute(context(TASK, **params)) == "ready"


def test_a_described_service_is_not_waited_for(catalogue, folder, params):
    (folder / "observability-configuration.yaml").write_text(DESCRIBED)

    assert ObservabilitySensor(task_id="observability_configured").execute(context(TASK, **params)) == "ready"


def test_otherwise_it_waits_for_the_services_that_nothing_describes(catalogue, params, run):
    trigger = defer(params)

    assert trigger.awaited == {"payments": "team-money"}
    assert trigger.poll_seconds == run.config.policies.signals.poll_interval.total_seconds()


def test_a_restarted_triggerer_makes_the_same_trigger_again(catalogue, params):
    path, arguments = defer(params).serialize()
    module, name = path.rsplit(".", 1)

    again = getattr(importlib.import_module(module), name)(**arguments)

    assert isinstance(again, ObservabilityTrigger)
    assert again.serialize() == (path, arguments)


async def test_it_goes_on_when_the_configuration_comes(catalogue, folder, params):
    trigger = defer(params)
    trigger.poll_seconds = 0.001
    waiting = asyncio.create_task(events(trigger))
    await asyncio.sleep(0.05)
    assert not waiting.done()

    (folder / "observability-configuration.yaml").write_text(DESCRIBED)

    assert [payload["status"] for payload in await waiting] == ["ready"]


async def test_it_goes_on_when_the_catalogue_is_mended(catalogue, params):
    trigger = defer(params)
    catalogue()

    assert [payload["status"] for payload in await events(trigger)] == ["ready"]


async def test_it_waits_also_where_no_catalogue_can_be_read(catalogue, params, monkeypatch):
    trigger = defer(params)
    monkeypatch.setenv("RELEASE_WATCH_CONFIG", "/nowhere")
    trigger.deadline = PAST

    (payload,) = await events(trigger)

    assert payload["status"] == "timeout"
    assert "payments (owner team-money)" in payload["message"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("services: [", "half-written or malformed"),
        ("release_id: shop-9\n" + DESCRIBED, "belongs to another release"),
        ("services:\n- service: payments\n", "at least one of metrics, logs, traces"),
    ],
    ids=["half-written", "other release", "without a signal"],
)
async def test_a_configuration_that_cannot_be_used_is_waited_for_and_says_why(
    catalogue, folder, params, content, words
):
    (folder / "observability-configuration.yaml").write_text(content)
    trigger = defer(params)
    trigger.deadline = PAST

    (payload,) = await events(trigger)

    assert payload["status"] == "timeout"
    assert words in payload["message"]


async def test_at_the_deadline_the_run_is_blocked_and_says_whom_to_ask(catalogue, params, run):
    trigger = defer(params)
    trigger.deadline = PAST
    (payload,) = await events(trigger)

    with pytest.raises(AirflowFailException, match=r"BLOCKED: .*did not come within 2 h: .*payments"):
        ObservabilitySensor(task_id="observability_configured").execute_complete(
            context(TASK, **params), payload
        )

    (stop,) = run.stops()
    assert stop["next_steps"][0].startswith("Ask team-money for observability-configuration.yaml")


class Changing(_SignalTrigger):
    """Sees one state after another, the last one being ready."""

    log = logging.getLogger("changing")  # Airflow's own writes where a test cannot read

    def __init__(self, *messages):
        super().__init__(poll_seconds=0, deadline=FAR)
        self.states = [SignalState(SignalStatus.WAITING, message) for message in messages]

    def serialize(self):
        return "", {}

    async def look(self):
        return self.states.pop(0) if self.states else SignalState(SignalStatus.READY, "there")


async def test_each_change_of_what_is_seen_is_logged_once(caplog):
    caplog.set_level(logging.INFO)

    await events(Changing("404", "404", "404", "running", "running", "404"))

    said = [record.getMessage() for record in caplog.records if "Waiting until" in record.getMessage()]
    assert [message.rsplit(": ", 1)[1] for message in said] == ["404", "running", "404"]


async def test_a_long_wait_says_now_and_then_that_it_goes_on(caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    moment = [now()]

    def later():
        moment[0] += timedelta(minutes=4)
        return moment[0]

    monkeypatch.setattr(signals, "now", later)

    await events(Changing(*["404"] * 7))

    said = [record.getMessage() for record in caplog.records if "Still waiting" in record.getMessage()]
    assert len(said) == 2
    assert rfc3339(signals.datetime.fromisoformat(FAR)) in said[0]

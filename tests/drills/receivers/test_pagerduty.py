"""What PagerDuty's log says about a drill. With Alertmanager: tests/integration/test_drill_pagerduty.py."""

from __future__ import annotations

from typing import Any

import pytest

from release_watch.drills.receivers.pagerduty import PagerDutyReceiver
from release_watch.errors import BackendError
from tests.drills.receivers.answering import Answering

DRILL = "20261122T101500Z-0a1b2c3d-1"
SERVICE = {"id": "PS1", "type": "service_reference", "summary": "Shop"}
MONA = {"id": "PM1", "type": "user_reference", "summary": "Mona"}
TIMO = {"id": "PT1", "type": "user_reference", "summary": "Timo"}


def entry(kind: str, second: int, agent: Any = None, **more: Any) -> dict[str, Any]:
    created = f"2026-11-22T10:15:{second:02d}Z"
    return {
        "id": f"R{second}{kind[0]}",
        "type": kind,
        "created_at": created,
        "agent": agent or SERVICE,
        **more,
    }


def over(*log: Any, title: str = f"DRILL {DRILL}") -> PagerDutyReceiver:
    answers = {
        "/incidents": {"incidents": [{"id": "PI1", "title": title}]},
        "/incidents/PI1/log_entries": {"log_entries": list(reversed(log))},
        "/incidents/PI1/alerts": {"alerts": [{"body": {"details": {"firing": "Labels:\n - drill_id = x"}}}]},
    }
    return PagerDutyReceiver("pager", Answering(answers), "pagerduty_default")


def test_an_escalation_begins_the_next_level_also_within_one_second():
    receiver = over(
        entry("trigger_log_entry", 1),
        entry("notify_log_entry", 1, user=MONA),
        entry("escalate_log_entry", 30),
        entry("notify_log_entry", 30, user=TIMO),
        entry("repeat_escalation_path_log_entry", 50),
        entry("notify_log_entry", 50, user=MONA),
    )
    told = [(page.level, page.person, page.at.second) for page in receiver.pages(DRILL)]
    assert told == [(1, "Mona", 1), (2, "Timo", 30), (1, "Mona", 50)]


@pytest.mark.parametrize("kind", ["acknowledge_log_entry", "acknowledgement_log_entry", "resolve_log_entry"])
def test_the_first_person_who_answers_is_who_acknowledged(kind: str):
    receiver = over(
        entry("trigger_log_entry", 1),
        entry("acknowledge_log_entry", 3),
        entry(kind, 5, MONA),
        entry("acknowledge_log_entry", 7, TIMO),
    )
    given = receiver.acknowledgement(DRILL)
    assert given is not None
    assert (given.by, given.at.second) == ("Mona", 5)


def test_an_incident_of_another_drill_is_none_of_this_one():
    receiver = over(entry("trigger_log_entry", 1), title=f"DRILL {DRILL}2")
    assert receiver.receipt(DRILL, "firing") is None
    assert receiver.acknowledgement(DRILL) is None
    assert receiver.pages(DRILL) == ()


def test_incidents_are_looked_for_from_when_the_drill_was_made():
    pagerduty = Answering({"/incidents": {"incidents": []}})
    PagerDutyReceiver("pager", pagerduty, "pagerduty_default").receipt(DRILL, "firing")
    assert pagerduty.asked[0][1]["since"] == "2026-11-22T10:10:00.000Z"


@pytest.mark.parametrize("body", [{}, [], {"incidents": [{}]}], ids=["nothing", "a list", "no incident"])
def test_an_answer_that_is_not_pagerdutys_is_an_error_and_no_receipt(body: Any):
    receiver = PagerDutyReceiver("pager", Answering({"/incidents": body}), "pagerduty_default")
    with pytest.raises(BackendError, match="PagerDuty"):
        receiver.receipt(DRILL, "firing")

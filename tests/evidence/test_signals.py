from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.evidence.signals import SIGNALS, Asked, SignalStatus, configuration_state
from release_watch.evidence.signals import flags_state as read_flags
from release_watch.evidence.signals import validation_state as read_validation

READY, WAITING, REFUSED = SignalStatus.READY, SignalStatus.WAITING, SignalStatus.REFUSED
ASKED = Asked("d-1", "orchestrator_production")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMED = st.fixed_dictionaries({}, optional={"flags": JSON, "status": JSON, "checks": JSON})


def validation_state(status, body):
    return read_validation(status, body, ASKED)


def flags_state(status, body):
    return read_flags(status, body, ASKED)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("passed", READY),
        ("PASSED", READY),
        ("success", READY),
        ("succeeded", READY),
        ("failed", REFUSED),
        ("Failure", REFUSED),
        ("rejected", REFUSED),
        ("running", WAITING),
        ("pending", WAITING),
        ("", WAITING),
        ("not passed", WAITING),
        (None, WAITING),
        (True, WAITING),
        (["passed"], WAITING),
    ],
    ids=repr,
)
def test_validation_is_ready_only_if_it_says_so(status, expected):
    assert validation_state(200, {"status": status}).status is expected


def test_a_failed_validation_names_the_checks_that_failed():
    checks = [
        {"name": "smoke", "status": "failed", "detail": "HTTP 500"},
        {"name": "migration", "status": "passed"},
        {"name": "latency", "status": "failed"},
        "no check",
    ]

    message = validation_state(200, {"status": "failed", "checks": checks}).message

    assert "smoke (HTTP 500), latency (failed)" in message
    assert "migration" not in message


def test_a_failed_validation_without_checks_says_so():
    assert "no check named" in validation_state(200, {"status": "failed", "checks": None}).message


def test_flags_are_ready_when_all_are_active():
    flags = [{"name": "cart", "state": "active"}, {"name": "fast", "state": "active"}]

    assert flags_state(200, {"flags": flags}) == (READY, "2 feature flags active", "")


def test_a_deployment_without_flags_is_ready():
    assert flags_state(200, {"flags": []}).status is READY


@pytest.mark.parametrize("state", ["inactive", "rolling-out", "", None, 1, "ACTIVE?"], ids=repr)
def test_a_flag_that_is_not_active_is_waited_for_and_named(state):
    flags = [{"name": "cart", "state": "active"}, {"name": "fast", "state": state}]

    found = flags_state(200, {"flags": flags})

    assert found.status is WAITING
    assert "fast" in found.message
    assert "cart" not in found.message


@pytest.mark.parametrize(
    "flags", [None, {}, "all", ["cart"], [None], [{"name": "cart"}], [["cart", "active"]]], ids=repr
)
def test_a_flag_list_that_is_not_understood_is_waited_for(flags):
    assert flags_state(200, {"flags": flags}).status is WAITING


@pytest.mark.parametrize("read", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize("status", [201, 202, 204, 302, 400, 404, 409, 500, 503])
def test_an_error_is_waited_for_whatever_stands_in_it(read, status):
    found = read(status, {"status": "passed", "flags": []}, ASKED)

    assert found.status is WAITING
    assert str(status) in found.message


@pytest.mark.parametrize("read", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize("body", [None, "passed", [], [{"status": "passed"}], 1, True], ids=repr)
def test_a_body_that_is_no_object_is_waited_for(read, body):
    assert read(200, body, ASKED).status is WAITING


@pytest.mark.parametrize("read", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize("status", [401, 403, 407])
def test_wrong_credentials_are_not_waited_for_and_name_the_connection(read, status):
    found = read(status, {"status": "passed", "flags": []}, ASKED)

    assert found.status is REFUSED
    assert "orchestrator_production" in found.remedy


@pytest.mark.parametrize("read", SIGNALS.values(), ids=SIGNALS)
def test_a_page_of_html_is_waited_for_and_taken_for_what_it_is(read):
    found = read(200, "<!doctype html><title>Sign in</title>", ASKED)

    assert found.status is WAITING
    assert "login" in found.message


@pytest.mark.parametrize("read", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize(
    ("deployment", "expected"), [("d-1", READY), (None, READY), ("d-2", WAITING), (1, WAITING)]
)
def test_the_answer_for_another_deployment_is_none(read, deployment, expected):
    body = {"deployment_id": deployment, "status": "passed", "flags": []}

    assert read(200, body, ASKED).status is expected


def test_a_validation_that_contradicts_itself_is_refused():
    body = {"status": "passed", "checks": [{"name": "smoke", "status": "failed"}]}

    found = validation_state(200, body)

    assert found.status is REFUSED
    assert "smoke" in found.message


def test_a_flag_that_the_plan_keeps_off_is_not_waited_for():
    flags = [
        {"name": "cart", "state": "inactive", "planned": "inactive"},
        {"name": "fast", "state": "active"},
    ]

    found = flags_state(200, {"flags": flags})

    assert found == (READY, "1 feature flags active, 1 inactive by the rollout plan", "")


def test_nothing_of_an_answer_can_act_on_a_terminal():
    flags = [{"name": "\x1b[31mred\u202e" * 1000, "state": "off"}] * 1000

    message = flags_state(200, {"flags": flags}).message

    assert "\x1b" not in message
    assert "\u202e" not in message
    assert len(message) < 3_000


def test_services_without_a_configuration_are_named_with_their_owners():
    found = configuration_state({"a": "team-a", "b": "team-b"}, {"b"}, ["x.yaml: line 1 is no YAML"])

    assert found.status is WAITING
    assert "a (owner team-a)" in found.message
    assert "team-b" not in found.message
    assert "line 1 is no YAML" in found.message
    assert "Ask team-a" in found.remedy


def test_described_services_are_ready():
    assert configuration_state({"a": "team-a"}, {"a"}).status is READY


@given(status=st.integers(100, 599), body=JSON | NAMED)
def test_no_answer_breaks_the_reading_and_every_state_is_explained(status, body):
    for read in SIGNALS.values():
        found = read(status, body, ASKED)
        assert found.message
        assert (found.status is READY) <= (status == 200)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.evidence.signals import SIGNALS, SignalStatus, flags_state, validation_state

READY, WAITING, REFUSED = SignalStatus.READY, SignalStatus.WAITING, SignalStatus.REFUSED
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMED = st.fixed_dictionaries({}, optional={"flags": JSON, "status": JSON, "checks": JSON})


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

    assert flags_state(200, {"flags": flags}) == (READY, "2 feature flags active")


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
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500, 503])
def test_an_error_is_waited_for_whatever_stands_in_it(read, status):
    found = read(status, {"status": "passed", "flags": []})

    assert found.status is WAITING
    assert str(status) in found.message


@pytest.mark.parametrize("read", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize("body", [None, "passed", [], [{"status": "passed"}], 1, True], ids=repr)
def test_a_body_that_is_no_object_is_waited_for(read, body):
    assert read(200, body).status is WAITING


@given(status=st.integers(100, 599), body=JSON | NAMED)
def test_no_answer_breaks_the_reading_and_every_state_is_explained(status, body):
    for read in SIGNALS.values():
        assert read(status, body).message

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from release_watch.artifacts.audit import AUDIT_TRAIL, AuditTrail, broken_link
from release_watch.artifacts.store import ArtifactStore
from release_watch.errors import InvalidInputError

START = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path, "production", "shop-1.1.0")


@pytest.fixture
def sealed(store: ArtifactStore) -> list[str]:
    trail = AuditTrail(store)
    for number in range(4):
        trail.record(
            f"gate-{number}", "gate decided", at=START + timedelta(minutes=number), verdict="GO", ü="ß"
        )
    trail.seal()
    return store.read_text(AUDIT_TRAIL).splitlines()


def test_a_retry_with_the_same_key_keeps_the_first_record(store: ArtifactStore) -> None:
    trail = AuditTrail(store)

    trail.record("gate-1", "gate decided", at=START, verdict="NO_GO")
    trail.record("gate-1", "gate decided", at=START + timedelta(hours=1), verdict="GO")

    assert [event["verdict"] for event in trail.events()] == ["NO_GO"]


def test_events_are_in_the_order_of_their_times(store: ArtifactStore) -> None:
    trail = AuditTrail(store)
    trail.record("a", "later", at=START + timedelta(minutes=1))
    trail.record("b", "earlier", at=START)

    assert [event["event"] for event in trail.events()] == ["earlier", "later"]


def test_a_key_that_leaves_the_folder_is_refused(store: ArtifactStore) -> None:
    with pytest.raises(InvalidInputError, match="audit key"):
        AuditTrail(store).record("../../x", "no")


def test_a_sealed_trail_is_whole(sealed: list[str]) -> None:
    assert len(sealed) == 4
    assert broken_link("\n".join(sealed)) is None


def test_sealing_twice_gives_the_same_file(store: ArtifactStore, sealed: list[str]) -> None:
    first = store.digest(AUDIT_TRAIL)

    AuditTrail(store).seal()

    assert store.digest(AUDIT_TRAIL) == first


def test_a_trail_without_events_is_an_empty_file(store: ArtifactStore) -> None:
    AuditTrail(store).seal()

    assert store.read_text(AUDIT_TRAIL) == ""


@pytest.mark.parametrize("line", range(4))
def test_an_edited_line_is_found(sealed: list[str], line: int) -> None:
    sealed[line] = sealed[line].replace('"verdict": "GO"', '"verdict": "NO_GO"')

    assert broken_link("\n".join(sealed)) == line + 1


@pytest.mark.parametrize("line", range(3))
def test_a_line_taken_out_is_found(sealed: list[str], line: int) -> None:
    del sealed[line]

    assert broken_link("\n".join(sealed)) == line + 1


def test_two_lines_that_changed_places_are_found(sealed: list[str]) -> None:
    sealed[1], sealed[2] = sealed[2], sealed[1]

    assert broken_link("\n".join(sealed)) == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(line=st.integers(0, 3), extra=st.text(min_size=1, max_size=5))
def test_a_field_added_to_any_line_is_found(sealed: list[str], line: int, extra: str) -> None:
    entry = {**json.loads(sealed[line]), f"added-{extra}": 1}

    assert broken_link("\n".join([*sealed[:line], json.dumps(entry), *sealed[line + 1 :]])) == line + 1


def test_events_that_carry_a_digest_of_their_own_keep_it_and_the_chain_holds(store: ArtifactStore) -> None:
    trail = AuditTrail(store)
    trail.record("plan", "plan written", at=START, sha256="of the plan", previous="plan")
    trail.record("package", "package compiled", at=START + timedelta(minutes=1), sha256="of the package")
    trail.seal()
    text = store.read_text(AUDIT_TRAIL)
    assert broken_link(text) is None
    assert [json.loads(line)["sha256"] for line in text.splitlines()] == ["of the plan", "of the package"]

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from release_watch.artifacts.models import ExitRecord
from release_watch.artifacts.store import ArtifactMissingError, ArtifactStore
from release_watch.errors import InvalidInputError
from release_watch.verdict import ExitState


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path, "production", "shop-1.1.0")


def exit_record() -> ExitRecord:
    return ExitRecord(
        release_id="shop-1.1.0",
        environment="production",
        generated_at=datetime(2026, 1, 2, tzinfo=UTC),
        exit_state=ExitState.COMPLETED,
        reason="all gates passed",
        notified=("sre",),
        gates=(),
    )


def test_an_artifact_lies_under_environment_and_release(store: ArtifactStore, tmp_path: Path) -> None:
    stored = store.write_text("RUNBOOKS/monitoring-runbook.md", "# Runbook\n")

    path = tmp_path / "monitoring" / "production" / "shop-1.1.0" / "RUNBOOKS" / "monitoring-runbook.md"
    assert path.read_text() == "# Runbook\n"
    assert stored.uri == path.as_uri()
    assert stored.sha256 == hashlib.sha256(b"# Runbook\n").hexdigest()
    assert stored == store.digest("RUNBOOKS/monitoring-runbook.md")


def test_writing_twice_leaves_one_artifact_and_nothing_else(store: ArtifactStore, tmp_path: Path) -> None:
    store.write_text("plan.md", "old")
    store.write_text("plan.md", "new")

    assert store.read_text("plan.md") == "new"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["plan.md"]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_crash_while_writing_leaves_the_old_artifact_whole(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    store.write_text("plan.md", "old")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os if moment == "fsync" else Path, moment, crash)
    with pytest.raises(KeyboardInterrupt):
        store.write_text("plan.md", "new and longer")
    monkeypatch.undo()

    assert store.read_text("plan.md") == "old"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["plan.md"]


def test_a_model_survives_being_written_and_read(store: ArtifactStore) -> None:
    store.write_json("exit-state.json", exit_record())

    assert store.read_model("exit-state.json", ExitRecord) == exit_record()


def test_json_that_is_no_json_elsewhere_is_refused(store: ArtifactStore) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        store.write_json("x.json", {"ratio": float("nan")})

    assert not store.exists("x.json")


def test_an_artifact_that_does_not_fit_its_model_is_refused_by_field(store: ArtifactStore) -> None:
    store.write_json("exit-state.json", {**exit_record().model_dump(mode="json"), "exit_state": "FINE"})

    with pytest.raises(InvalidInputError, match="exit_state"):
        store.read_model("exit-state.json", ExitRecord)


def test_a_missing_artifact_says_which_and_what_to_do(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactMissingError, match=r"plan\.md is not in file://.*task log"):
        store.read_text("plan.md")


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../../x", "", ".hidden", "a//b", "a\n", "x/.y", "a/b/c/d/e"]
)
def test_a_name_that_leaves_the_folder_is_refused(store: ArtifactStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="plain relative path"):
        store.write_text(name, "x")

    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(("environment", "release"), [("..", "r"), ("p", "../r"), ("p/q", "r"), ("p", "")])
def test_a_store_cannot_be_opened_outside_its_root(tmp_path: Path, environment: str, release: str) -> None:
    with pytest.raises(InvalidInputError, match="not a valid identifier"):
        ArtifactStore(tmp_path, environment, release)


def test_names_lists_artifacts_by_prefix_and_no_unfinished_file(store: ArtifactStore, tmp_path: Path) -> None:
    assert store.names() == []
    store.write_text("b.md", "b")
    store.write_text("audit/1.json", "{}")
    (tmp_path / "monitoring" / "production" / "shop-1.1.0" / ".unfinished").write_text("x")

    assert store.names() == ["audit/1.json", "b.md"]
    assert store.names("audit/") == ["audit/1.json"]


def test_removing_is_idempotent(store: ArtifactStore) -> None:
    store.write_text("plan.md", "x")

    store.remove("plan.md")
    store.remove("plan.md")

    assert not store.exists("plan.md")


@given(data=st.binary(max_size=2000))
def test_an_object_store_holds_what_a_folder_holds(data: bytes) -> None:
    store = ArtifactStore(UPath("memory://bucket/root"), "production", "shop-1.1.0")

    stored = store.write_bytes("plan.md", data)

    assert store.read_bytes("plan.md") == data
    assert stored.uri == "memory://bucket/root/monitoring/production/shop-1.1.0/plan.md"
    assert store.names() == ["plan.md"]

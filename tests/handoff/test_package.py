from __future__ import annotations

import hashlib
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from release_watch.artifacts.models import Manifest
from release_watch.artifacts.store import ArtifactMissingError, ArtifactStore
from release_watch.handoff.package import (
    ADDITIONAL,
    CONTENTS,
    MANIFEST,
    changed_since_signed,
    digests,
    manifest,
    missing_artifacts,
    write_checksums,
)
from release_watch.verdict import Verdict
from tests.handoff.releases import NOW, RELEASE, complete_store


def compiled(store: ArtifactStore) -> Manifest:
    return manifest(store, RELEASE, [], [], {"results": "file:///r"}, {"monitoring_setup": NOW}, NOW)


def test_the_manifest_lists_every_required_file_with_its_digest_and_producer(tmp_path):
    store = complete_store(tmp_path)
    files = {entry.path: entry for entry in compiled(store).files}
    for name, group in CONTENTS.items():
        data = store.read_bytes(name)
        assert files[name].sha256 == hashlib.sha256(data).hexdigest()
        assert (files[name].bytes, files[name].produced_by) == (len(data), group)


def test_a_complete_package_is_go(tmp_path):
    assert compiled(complete_store(tmp_path)).verdict is Verdict.GO


@pytest.mark.parametrize("name", CONTENTS)
def test_a_missing_file_is_no_go(tmp_path, name):
    store = complete_store(tmp_path)
    store.remove(name)
    assert compiled(store).verdict is Verdict.NO_GO
    assert missing_artifacts(store) == (name,)


def test_an_empty_file_counts_as_missing(tmp_path):
    store = complete_store(tmp_path)
    store.write_text("alert-rules.yaml", " \n")
    assert missing_artifacts(store) == ("alert-rules.yaml",)


def test_the_manifest_says_when_a_document_was_generated(tmp_path):
    files = {entry.path: entry for entry in compiled(complete_store(tmp_path)).files}
    assert files["monitoring-plan.md"].produced_at == datetime(2026, 11, 22, 10, tzinfo=UTC)


def test_a_file_that_does_not_say_when_is_dated_by_the_manifest(tmp_path):
    store = complete_store(tmp_path)
    store.write_bytes("pictures/latency.png", b"\x89PNG generated_at: 2026-99-99T00:00:00Z")
    entry = next(e for e in compiled(store).files if e.path == "pictures/latency.png")
    assert (entry.produced_at, entry.produced_by) == (NOW, ADDITIONAL)


@pytest.mark.parametrize("note", [MANIFEST, "exit-state.json", "audit/start.json", "records/rules.json"])
def test_what_is_no_part_of_the_package_stays_out(tmp_path, note):
    store = complete_store(tmp_path)
    store.write_text(note, "{}")
    assert note not in {entry.path for entry in compiled(store).files}


def test_the_manifest_is_the_same_over_the_same_files(tmp_path):
    store = complete_store(tmp_path)
    first = store.write_json(MANIFEST, compiled(store))
    assert store.write_json(MANIFEST, compiled(store)).sha256 == first.sha256


def test_sha256sum_can_check_the_package(tmp_path):
    store = complete_store(tmp_path)
    folder = Path(store.uri.removeprefix("file://"))
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_what_is_written_after_signing_does_not_change_what_was_signed(tmp_path):
    store = complete_store(tmp_path)
    store.write_json(MANIFEST, compiled(store))
    signed = store.digest("SHA256SUMS").sha256
    assert write_checksums(store).sha256 == signed
    assert changed_since_signed(store) == ()


@pytest.mark.parametrize("spoil", ["change", "remove"])
def test_a_file_that_changes_after_signing_is_found(tmp_path, spoil):
    store = complete_store(tmp_path)
    if spoil == "change":
        store.write_text("alert-rules.yaml", "groups: []")
    else:
        store.remove("alert-rules.yaml")
    assert changed_since_signed(store) == ("alert-rules.yaml",)


def test_without_checksums_nothing_counts_as_signed(tmp_path):
    store = complete_store(tmp_path)
    store.remove("SHA256SUMS")
    with pytest.raises(ArtifactMissingError, match="SHA256SUMS"):
        changed_since_signed(store)


def test_digests_are_found_by_name_and_by_uri(tmp_path):
    store = complete_store(tmp_path)
    found = digests(store)
    assert found["alert-rules.yaml"] == found[store.uri_of("alert-rules.yaml")]
    assert found["alert-rules.yaml"] == store.digest("alert-rules.yaml").sha256

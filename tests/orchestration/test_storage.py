from __future__ import annotations

from pathlib import Path

import pytest

from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.storage import artifact_root, evidence_folder, open_path, store_for
from tests.orchestration.fakes import context


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///var/artifacts", "/var/artifacts"),
        ("file:///var/with%20space", "/var/with space"),
        ("/var/artifacts", "/var/artifacts"),
        ("/var/100%20", "/var/100%20"),
    ],
)
def test_a_local_url_is_a_real_path(url, path):
    assert open_path(url) == Path(path)


def test_a_relative_root_lies_in_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELEASE_WATCH_ARTIFACT_ROOT", "artifacts/here")

    assert artifact_root() == tmp_path / "artifacts" / "here"


def test_without_a_setting_the_root_is_hidden_in_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RELEASE_WATCH_ARTIFACT_ROOT")

    assert artifact_root() == tmp_path / ".artifacts"


def test_any_other_scheme_goes_through_airflows_object_storage(monkeypatch):
    monkeypatch.setenv("RELEASE_WATCH_ARTIFACT_ROOT", "memory://bucket/artifacts")

    store = store_for(ProtocolRun.of(context()).release)
    written = store.write_text("a.md", "text")

    assert written.uri == "memory://bucket/artifacts/monitoring/production/shop-1.1.0/a.md"
    assert (store.read_text("a.md"), store.names()) == ("text", ["a.md"])


def test_the_store_of_a_release_lies_under_environment_and_release(artifacts, run):
    assert store_for(run.release).uri == (artifacts / "monitoring/production/shop-1.1.0").as_uri()


def test_the_evidence_folder_is_where_the_release_says(run):
    assert evidence_folder(run.release) == Path("/evidence/d-1")

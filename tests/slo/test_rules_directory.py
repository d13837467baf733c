"""The folder of rule files: safe names, whole files, one writer at a time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from release_watch.errors import InvalidInputError, NotConfiguredError
from release_watch.slo.rules_directory import RulesDirectory


class OnlyRules:
    """Backends that know at most a rules folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def rules_directory(self) -> Path | None:
        return self._folder


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "a\nb"])
def test_a_name_that_leaves_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="rule set"):
        RulesDirectory(tmp_path).put({name: "groups: []"})
    assert list(tmp_path.iterdir()) == []


def test_what_is_put_is_read_and_what_is_taken_away_is_gone(tmp_path: Path) -> None:
    directory = RulesDirectory(tmp_path)
    directory.put({"production-r1": "one", "production-r2": "two"})
    directory.put({"production-r1": None})
    assert directory.names() == ["production-r2"]
    assert directory.read("production-r2") == "two"
    assert directory.read("production-r1") is None
    assert [file.name for file in tmp_path.iterdir()] == ["release-watch-production-r2.yaml"]


def test_a_second_writer_waits_for_the_first(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with RulesDirectory(tmp_path).locked():
            order.append("second")

    with RulesDirectory(tmp_path).locked():
        other = threading.Thread(target=second)
        other.start()
        other.join(timeout=0.2)
        order.append("first")
    other.join(timeout=5)
    assert order == ["first", "second"]


@pytest.mark.parametrize("folder", [None, Path("/nowhere")], ids=["not set", "not there"])
def test_a_missing_folder_names_the_setting(folder: Path | None) -> None:
    with pytest.raises(NotConfiguredError, match="rules_directory"):
        RulesDirectory.of(OnlyRules(folder))


def test_what_is_new_is_there_before_what_is_old_goes(tmp_path: Path) -> None:
    directory = RulesDirectory(tmp_path)
    directory.put({"r1": "old"})
    with pytest.raises(InvalidInputError):
        directory.put({"r1": None, "r2": "new", "../r3": None})
    assert directory.read("r2") == "new"


def test_notes_lie_beside_the_rules_and_are_none(tmp_path: Path) -> None:
    directory = RulesDirectory(tmp_path)
    directory.put({"r1": "one"})
    directory.keep("owners", "who")
    assert directory.note("owners") == "who"
    assert directory.names() == ["r1"]
    assert directory.others(["r1"]) == []
    directory.keep("owners", None)
    assert directory.note("owners") is None


def test_the_other_rule_files_of_the_folder_are_those_of_anybody_else(tmp_path: Path) -> None:
    for name in ("team.yaml", "team.yml", "readme.md", ".hidden.yaml"):
        (tmp_path / name).write_text("")
    directory = RulesDirectory(tmp_path)
    directory.put({"r1": "one", "r2": "two"})
    assert [path.name for path in directory.others(["r1"])] == [
        "release-watch-r2.yaml",
        "team.yaml",
        "team.yml",
    ]

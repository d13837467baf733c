"""promtool as it is installed: with or without the flags of newer ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.slo.promtool import check_file, check_rules

TWICE = "groups: [{name: g, rules: [{record: 'a:b:c', expr: up}, {record: 'a:b:c', expr: up}]}]"


def program(folder: Path, script: str) -> Path:
    file = folder / "promtool"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def test_duplicates_are_fatal(promtool: Path) -> None:
    with pytest.raises(InvalidInputError, match="duplicate"):
        check_rules(TWICE, promtool)


def test_what_is_only_loaded_may_hold_duplicates(promtool: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(TWICE)
    check_file(tmp_path / "rules.yaml", promtool)


def test_an_older_promtool_checks_without_lint(tmp_path: Path) -> None:
    older = program(
        tmp_path,
        'case "$*" in *--lint*) echo "error: unknown long flag \'--lint\'" >&2; exit 1;; esac; exit 0',
    )
    check_rules(TWICE, older)


def test_an_older_promtool_refuses_what_is_broken(tmp_path: Path) -> None:
    flags = 'case "$*" in *--lint*) echo "error: unknown long flag" >&2; exit 1;; esac'
    older = program(tmp_path, f"{flags}; echo 'FAILED: parse error'; exit 1")
    with pytest.raises(InvalidInputError, match="parse error"):
        check_rules(TWICE, older)


def test_a_promtool_that_cannot_be_run_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(ReleaseWatchError, match="could not check"):
        check_rules(TWICE, tmp_path / "nowhere")

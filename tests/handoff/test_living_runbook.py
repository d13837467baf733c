"""The runbook of an environment goes on from release to release."""

from __future__ import annotations

from pathlib import Path

import pytest

from release_watch.errors import InvalidInputError
from release_watch.handoff.living_runbook import LivingRunbook
from tests.handoff.test_runbook import runbook


def test_each_environment_has_its_own(tmp_path: Path) -> None:
    production, staging = (LivingRunbook(tmp_path, name) for name in ("production", "staging"))
    assert production.existing() is None
    production.write("ours")
    assert production.existing() == "ours"
    assert staging.existing() is None
    assert production.uri == f"{tmp_path.as_uri()}/runbooks/production/monitoring-runbook.md"


def test_notes_in_the_runbook_and_in_the_copy_of_the_release_both_go_on(tmp_path: Path) -> None:
    living = LivingRunbook(tmp_path, "production")
    first = runbook(None)
    living.write(f"{first}\nKim knows.\n")
    second = runbook(living.existing(f"Ask Lee.\n\n{first}".encode()), "r-2")
    assert (second.count("Kim knows."), second.count("Ask Lee."), second.count("### ServiceDown")) == (
        1,
        1,
        1,
    )


def test_the_copy_alone_is_enough(tmp_path: Path) -> None:
    assert LivingRunbook(tmp_path, "production").existing(b"ours") == "ours"


def test_what_is_no_utf_8_is_refused_and_stays(tmp_path: Path) -> None:
    living = LivingRunbook(tmp_path, "production")
    living.write("ours")
    (file,) = tmp_path.rglob("*.md")
    file.write_bytes("für Kim".encode("latin-1"))
    with pytest.raises(InvalidInputError, match="byte 1 is no UTF-8; save it as UTF-8"):
        living.existing()
    assert file.read_bytes() == "für Kim".encode("latin-1")


@pytest.mark.parametrize("environment", ["../x", "a/b", ""])
def test_an_environment_is_no_path(environment: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError):
        LivingRunbook(tmp_path, environment)

"""Programs come from PATH, else from what was unpacked, else from packages, else one is told what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import packages
from sandbox.errors import ProgramsMissingError

EVERY_PACKAGE = {
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-blackbox-exporter",
    "prometheus-node-exporter",
}


def nothing_on_path(command: str) -> str | None:
    return None


def unpack(tools: Path, *names: str) -> None:
    for name in names:
        program = packages.unpacked_program(tools, packages.PROGRAMS[name])
        program.parent.mkdir(parents=True, exist_ok=True)
        program.touch()


def test_what_is_on_path_is_taken_and_nothing_is_unpacked(tmp_path: Path):
    plan = packages.plan(tmp_path, lambda command: f"/usr/bin/{command}", can_unpack=True)
    assert plan.packages == ()
    assert plan.found["promtool"] == Path("/usr/bin/promtool")


@pytest.mark.parametrize("command", ["alertmanager", "prometheus-alertmanager"])
def test_alertmanager_is_found_under_its_own_name_and_under_that_of_debian(tmp_path: Path, command: str):
    plan = packages.plan(
        tmp_path, lambda asked: f"/opt/{asked}" if asked == command else None, can_unpack=True
    )
    assert plan.found["alertmanager"] == Path("/opt") / command


def test_what_was_unpacked_before_is_not_fetched_again(tmp_path: Path):
    unpack(tmp_path, *packages.PROGRAMS)
    plan = packages.plan(tmp_path, nothing_on_path, can_unpack=False)
    assert plan.packages == ()
    assert set(plan.found) == set(packages.PROGRAMS)


def test_each_missing_package_is_unpacked_once(tmp_path: Path):
    plan = packages.plan(tmp_path, nothing_on_path, can_unpack=True)
    assert len(plan.packages) == len(set(plan.packages))
    assert set(plan.packages) == EVERY_PACKAGE


def test_only_what_is_missing_is_fetched(tmp_path: Path):
    unpack(tmp_path, "prometheus", "promtool", "blackbox")
    plan = packages.plan(tmp_path, nothing_on_path, can_unpack=True)
    assert set(plan.packages) == {"prometheus-alertmanager", "prometheus-node-exporter"}


def test_a_machine_without_the_programs_and_without_apt_is_told_what_to_do(tmp_path: Path):
    with pytest.raises(ProgramsMissingError) as caught:
        packages.plan(tmp_path, nothing_on_path, can_unpack=False)
    message = str(caught.value)
    assert all(name in message for name in packages.PROGRAMS)
    assert "docker compose up" in message


@given(depth=st.lists(st.text("abz-", min_size=1, max_size=9), min_size=1, max_size=6), slash=st.booleans())
def test_a_relocated_program_looks_in_the_folder_it_is_started_in(depth: list[str], slash: bool):
    folder = "/" + "/".join(depth) + ("/" if slash else "")
    program = b"\x00before" + folder.encode() + b"/default.tmpl" + b"after\x00"
    moved = packages.relocated(program, folder)
    assert len(moved) == len(program)
    here = moved.removeprefix(b"\x00before").removesuffix(b"/default.tmpl" + b"after\x00").decode()
    assert os.path.normpath(here) == "."


def test_an_unpacked_program_is_started_where_its_data_lies(tmp_path: Path):
    unpack(tmp_path, "alertmanager")
    program = packages.unpacked_program(tmp_path, packages.PROGRAMS["alertmanager"])
    data = tmp_path / "packages" / "prometheus-alertmanager" / "usr" / "share" / "prometheus" / "alertmanager"
    data.mkdir(parents=True)
    assert packages.data_folder(program, "alertmanager") == data


def test_a_program_from_elsewhere_is_started_in_its_own_folder(tmp_path: Path):
    program = tmp_path / "alertmanager-0.27" / "alertmanager"
    assert packages.data_folder(program, "alertmanager") == program.parent
